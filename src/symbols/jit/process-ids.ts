import { readFileSync, readlinkSync, statSync } from "node:fs";
import type { FileUser } from "../../linux/as-user.ts";
import { statusField } from "../../linux/proc.ts";

export interface ProcessIds {
  /** The effective user. */
  readonly uid: number;
  /** Whose rights to files it has. */
  readonly fileUser: FileUser;
  /** Of the innermost namespace. */
  readonly namespacePid: number;
  /** When it began, in the kernel's ticks: a pid that is used again has another one. */
  readonly start: string;
  /** It sees the files of this host by the same paths. */
  readonly isOnHost: boolean;
}

/** Where a line of /proc/PID/stat has the start, counted behind the name. */
const START_FIELD = 19;

/** Undefined for a process that has ended. */
export function processIds(pid: number): ProcessIds | undefined {
  let status: string;
  let stat: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, "latin1");
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  const numbers = (field: string): number[] => {
    return (statusField(status, field) ?? "").split(/\s+/).filter(Boolean).map(Number);
  };
  // Each is real, effective, saved, and that for files.
  const [, uid, , fileUid] = numbers("Uid");
  const [, , , fileGid] = numbers("Gid");
  const namespacePid = numbers("NStgid").at(-1);
  if (uid === undefined || fileUid === undefined || fileGid === undefined) return undefined;
  const fileUser = { uid: fileUid, gid: fileGid, groups: numbers("Groups") };
  const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[START_FIELD] ?? "";
  return { uid, fileUser, namespacePid: namespacePid || pid, start, isOnHost: isOnHost(pid) };
}

function isOnHost(pid: number): boolean {
  try {
    const mounts = [pid, "self"].map((process) => readlinkSync(`/proc/${process}/ns/mnt`));
    const roots = [`/proc/${pid}/root`, "/"].map((path) => statSync(path));
    return (
      mounts[0] === mounts[1] && roots[0]?.dev === roots[1]?.dev && roots[0]?.ino === roots[1]?.ino
    );
  } catch {
    return false;
  }
}
