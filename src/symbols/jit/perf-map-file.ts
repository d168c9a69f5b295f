import { fstatSync } from "node:fs";
import { openFileInRoot, type TargetFile } from "../../linux/target-file.ts";
import type { Missing } from "../executable-file.ts";
import { type ProcessIds, processIds } from "./process-ids.ts";

/** A map of a day has 100 MB; what is larger is not read beyond it. */
export const PERF_MAP_BYTES_MAX: number = 128 * 1024 * 1024;
const ROOT_UID = 0;

/** The open map of a process. Whoever opens it disposes of it. */
export interface OpenPerfMap extends Disposable {
  readonly fd: number;
  /** Device and inode: another file in its place begins anew. */
  readonly identity: string;
  /** As the process's root has it. */
  readonly path: string;
  readonly process: ProcessIds;
}

/**
 * Opens the map that a runtime writes for perf: `/tmp/perf-PID.map` in the root of its process, by
 * the pid that it has in its own namespace; else by the pid that it has here. The file must be a
 * regular one of the process's user, or of root: whoever else can write to /tmp would else choose
 * the names of its code.
 */
export function openPerfMapOf(pid: number): OpenPerfMap | Missing {
  const process = processIds(pid);
  if (process === undefined) return { missing: `process ${pid} has ended` };
  const root = `/proc/${pid}/root`;
  const inner = process.namespacePid;
  const places = [
    { root, path: `/tmp/perf-${inner}.map` },
    { root, path: `/tmp/perf-${pid}.map` },
    { root: "/", path: `/tmp/perf-${pid}.map` },
  ];
  let refused: string | undefined;
  for (const place of places) {
    // Through a link its owner would have us read what he may not read himself.
    const file = openFileInRoot(place.root, place.path, "no-follow");
    if ("missing" in file) {
      if (file.missing === "not-regular") refused ??= `${place.path} is no regular file`;
      continue;
    }
    const fault = faultOf(file, place.path, process.uid);
    if (fault === undefined) return opened(file, place.path, process);
    file[Symbol.dispose]();
    refused ??= fault;
  }
  return { missing: refused ?? `its runtime writes no /tmp/perf-${inner}.map` };
}

/** Why a file is not taken for the map of a user's process. */
function faultOf({ fd }: TargetFile, path: string, uid: number): string | undefined {
  const owner = fstatSync(fd).uid;
  if (owner === uid || owner === ROOT_UID) return undefined;
  return `${path} belongs to user ${owner}, and the process to ${uid}`;
}

function opened(file: TargetFile, path: string, process: ProcessIds): OpenPerfMap {
  const { device, inode, fd } = file;
  return {
    fd,
    identity: `${device.major}:${device.minor}:${inode}`,
    path,
    process,
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}
