import { fstatSync } from "node:fs";
import type { TargetFile } from "../../linux/target-file.ts";
import type { ProcessIds } from "./process-ids.ts";

/** How a runtime says what its code is. */
export type JitFileKind = "perf_map" | "jitdump";

const ROOT_UID = 0;

/** The open file of a process. Whoever opens it disposes of it. */
export interface OpenJitFile extends Disposable {
  readonly kind: JitFileKind;
  readonly fd: number;
  /** Device and inode: another file in its place begins anew. */
  readonly identity: string;
  /** As the process's root has it. */
  readonly path: string;
  readonly process: ProcessIds;
}

/**
 * The user that a file belongs to when that is neither root nor the process's own: whoever else
 * could choose the names of its code.
 */
export function foreignOwnerOf({ fd }: TargetFile, uid: number): number | undefined {
  const owner = fstatSync(fd).uid;
  return owner === uid || owner === ROOT_UID ? undefined : owner;
}

interface Opened {
  readonly file: TargetFile;
  readonly kind: JitFileKind;
  readonly path: string;
  readonly process: ProcessIds;
}

export function openedJitFile({ file, ...known }: Opened): OpenJitFile {
  const { device, inode, fd } = file;
  return {
    ...known,
    fd,
    identity: `${device.major}:${device.minor}:${inode}`,
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}
