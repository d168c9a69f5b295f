import { readFileSync, readlinkSync, statSync } from "node:fs";

export interface ProcessIds {
  /** The effective user. */
  readonly uid: number;
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
  const numbers = (field: string): number[] =>
    (RegExp(`^${field}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "").split(/\s+/).map(Number);
  const [, uid] = numbers("Uid");
  const namespacePid = numbers("NStgid").at(-1);
  if (uid === undefined || Number.isNaN(uid)) return undefined;
  const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[START_FIELD] ?? "";
  return { uid, namespacePid: namespacePid || pid, start, isOnHost: isOnHost(pid) };
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
