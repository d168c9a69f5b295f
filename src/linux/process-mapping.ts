/** One executable range of a process's address space, as every source of it reports it. */
export interface ProcessMapping {
  /** First address. */
  readonly start: bigint;
  /** The address after the last. */
  readonly end: bigint;
  /** Byte in the file that `start` shows; meaningless without a file. */
  readonly fileOffset: bigint;
  /**
   * The file as the process's own root names it, without the kernel's " (deleted)"; "" for
   * anonymous memory; "[vdso]" and the like for what the kernel put there. Chosen by the
   * profiled process: never open it but through target-file.ts.
   */
  readonly path: string;
  /** GNU build id in lower-case hex; "" when it is not known. */
  readonly buildId: string;
  /** The file system's device; 0:0 when it is not known. */
  readonly device: Device;
  /** 0 when it is not known. */
  readonly inode: bigint;
}

export interface Device {
  readonly major: number;
  readonly minor: number;
}

export const NO_DEVICE: Device = { major: 0, minor: 0 };

const DELETED = " (deleted)";

/**
 * The path or the kernel's own name of a mapping, in the one spelling that ProcessMapping has:
 * perf's "//anon", the "[anon:…]" of /proc/PID/maps and what is no name at all become "".
 */
export function mappingPath(name: string): string {
  if (name === "//anon" || name.startsWith("[anon")) return "";
  if (name.startsWith("/") && name.endsWith(DELETED)) return name.slice(0, -DELETED.length);
  return name;
}

/** True when the mapping shows a file that has, or had, a path. */
export function isFileBacked(mapping: ProcessMapping): boolean {
  return mapping.path.startsWith("/");
}
