/**
 * Opens a file that a profiled process has mapped. The path, the folders on it and the file are
 * all in the hands of that process, so:
 * - the path is resolved inside the root of the process and through no magic link of /proc;
 * - it is first opened without access (O_PATH), which reads nothing, waits for nobody and wakes
 *   no device; only a regular file that is not empty is then opened for reading, as the same
 *   inode, and without waiting for who holds a lease on it;
 * - a file whose inode is not the mapped one is not given out;
 * - the caller reads by position and never maps it, because it may be cut off at any time.
 *
 * What may still wait is a network or FUSE file system that the administrator mounted. Whoever
 * opens files on such hosts does it in a worker with a deadline.
 */
import { type BigIntStats, closeSync, constants, fstatSync, openSync } from "node:fs";
import { EAGAIN, ELOOP, ENOENT, ENOTDIR, EXDEV, systemErrorName } from "./errno.ts";
import { openat2 } from "./libc.ts";
import { type Device, isFileBacked, NO_DEVICE, type ProcessMapping } from "./process-mapping.ts";

/** What the opener has to know of a process; a ProcessImage is one. */
export interface TargetProcess {
  readonly pid: number;
  /** Defined when it ended, so that its pid may be another's by now. */
  readonly exitNs: bigint | undefined;
}

export type MissingTargetFile =
  /** The mapping shows no file. */
  | "anonymous"
  /** Nothing has that path any more. */
  | "not-found"
  /** A folder, FIFO, socket, device or a link that leads out of what may be opened. */
  | "not-regular"
  | "empty"
  /** Another file has the path now. */
  | "replaced"
  /** No right to open it, or its holder keeps others out. */
  | "refused";

export type TargetFileLookup = TargetFile | { readonly missing: MissingTargetFile };

/** How a file was reached. */
export type TargetFileVia = "process-root" | "map-files" | "host";

/** An open regular file. Whoever holds it disposes of it. */
export class TargetFile implements Disposable {
  /** For reading by position. */
  readonly fd: number;
  readonly device: Device;
  readonly inode: bigint;
  /** When it was opened; the process may change it at any time. */
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly via: TargetFileVia;
  /** Device and inode are those of the mapping. Otherwise a build id has to tell. */
  readonly isVerified: boolean;
  #isOpen = true;

  constructor(fd: number, stats: BigIntStats, how: { via: TargetFileVia; isVerified: boolean }) {
    this.fd = fd;
    this.device = deviceOf(stats.dev);
    this.inode = stats.ino;
    this.size = Number(stats.size);
    this.mtimeNs = stats.mtimeNs;
    this.via = how.via;
    this.isVerified = how.isVerified;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.fd);
  }
}

/**
 * Opens the file of a mapping: as the process sees it, else as the kernel holds it for the
 * mapping (deleted, or outside of its root), else, when the process ended, as this host sees it.
 */
export function openTargetFile(process: TargetProcess, mapping: ProcessMapping): TargetFileLookup {
  if (!isFileBacked(mapping) || mapping.path.includes("\0")) return { missing: "anonymous" };
  if (process.exitNs === undefined) {
    const inRoot = adopt(openInRoot(`/proc/${process.pid}/root`, mapping.path), mapping, {
      via: "process-root",
    });
    if (!("missing" in inRoot)) return inRoot;
    const held = adopt(openMagicLink(mapFilesPath(process.pid, mapping)), mapping, {
      via: "map-files",
    });
    if (!("missing" in held)) return held;
    // It still has a root, so what its path leads to there counts. An ended process has none,
    // also while nobody has waited for it.
    if (isThere(`/proc/${process.pid}/root`)) return inRoot;
  }
  return adopt(openInRoot("/", mapping.path), mapping, { via: "host" });
}

/**
 * Opens a regular file by its path below another root, under the same rules: for the files that a
 * mapped file names. Which inode it should be is not known, so it is not verified.
 *
 * @param root  a folder of this host, as `/proc/PID/root`
 * @param last  whether the path may end in a link
 */
export function openFileInRoot(
  root: string,
  path: string,
  last: "follow" | "no-follow" = "follow",
): TargetFileLookup {
  if (path === "" || path.includes("\0")) return { missing: "not-found" };
  const how = last === "follow" ? FOLLOW_LINKS : KEEP_LAST_LINK;
  return adopt(openInRoot(root, path, how), ANY_INODE, { via: "process-root" });
}

const ANY_INODE: MappedInode = { inode: 0n, device: NO_DEVICE };

type MappedInode = Pick<ProcessMapping, "inode" | "device">;

/** An O_PATH descriptor, or why there is none. */
type PathLookup = number | MissingTargetFile;

const O_PATH = 0x20_0000;
const O_CLOEXEC = 0x8_0000;
const RESOLVE_NO_MAGICLINKS = 0x02n;
const RESOLVE_IN_ROOT = 0x10n;
/** The kernel gives up a resolution, to be tried again, while folders on the path are moved. */
const RESOLVE_TRIES_MAX = 8;

function openInRoot(root: string, path: string, how = FOLLOW_LINKS): PathLookup {
  const rootFd = openMagicLink(root, constants.O_DIRECTORY);
  if (typeof rootFd !== "number") return rootFd;
  try {
    let result = -EAGAIN;
    for (let tries = 0; result === -EAGAIN && tries < RESOLVE_TRIES_MAX; tries++) {
      result = openat2(rootFd, path, how);
    }
    return result >= 0 ? result : missingBy(result);
  } finally {
    closeSync(rootFd);
  }
}

const FOLLOW_LINKS = openHow(0);
/** A link at the end is opened as itself, which is then no regular file. */
const KEEP_LAST_LINK = openHow(constants.O_NOFOLLOW);

/** struct open_how: flags, mode, resolve. */
function openHow(more: number): Uint8Array {
  const flags = BigInt(O_PATH | O_CLOEXEC | more);
  const fields = BigUint64Array.of(flags, 0n, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
  return new Uint8Array(fields.buffer);
}

function missingBy(errno: number): MissingTargetFile {
  if (errno === -ENOENT || errno === -ENOTDIR) return "not-found";
  return errno === -ELOOP || errno === -EXDEV ? "not-regular" : "refused";
}

/** Opens a name that the kernel made; without access, so that nothing is read or awaited. */
function openMagicLink(path: string, flags = 0): PathLookup {
  try {
    return openSync(path, O_PATH | flags);
  } catch (error) {
    const name = systemErrorName(error);
    return name === "ENOENT" || name === "ESRCH" ? "not-found" : "refused";
  }
}

function isThere(path: string): boolean {
  const fd = openMagicLink(path);
  if (typeof fd === "number") closeSync(fd);
  return fd !== "not-found";
}

function mapFilesPath(pid: number, { start, end }: ProcessMapping): string {
  return `/proc/${pid}/map_files/${start.toString(16)}-${end.toString(16)}`;
}

/** Looks at what was found, and opens it when it is what the mapping shows. */
function adopt(
  pathFd: PathLookup,
  mapping: MappedInode,
  { via }: { via: TargetFileVia },
): TargetFileLookup {
  if (typeof pathFd !== "number") return { missing: pathFd };
  try {
    const stats = fstatSync(pathFd, { bigint: true });
    if (!stats.isFile()) return { missing: "not-regular" };
    if (stats.size === 0n) return { missing: "empty" };
    if (mapping.inode !== 0n && mapping.inode !== stats.ino) return { missing: "replaced" };
    return reopen(pathFd, stats, { via, isVerified: isMapped(stats, mapping) });
  } finally {
    closeSync(pathFd);
  }
}

/** Opens for reading what a descriptor stands for, whatever its path leads to by now. */
function reopen(
  pathFd: number,
  stats: BigIntStats,
  how: { via: TargetFileVia; isVerified: boolean },
): TargetFileLookup {
  let fd: number;
  try {
    const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
    fd = openSync(`/proc/self/fd/${pathFd}`, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return { missing: "refused" };
  }
  const now = fstatSync(fd, { bigint: true });
  if (now.dev === stats.dev && now.ino === stats.ino && now.isFile()) {
    return new TargetFile(fd, now, how);
  }
  closeSync(fd);
  return { missing: "replaced" };
}

/** Overlay and btrfs show another device in stat than in a mapping; then this is false. */
function isMapped(stats: BigIntStats, { device, inode }: MappedInode): boolean {
  const { major, minor } = deviceOf(stats.dev);
  return inode === stats.ino && device.major === major && device.minor === minor;
}

/** The C library spreads major and minor over the 64 bits of st_dev. */
function deviceOf(dev: bigint): Device {
  return {
    major: Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xffff_f000n)),
    minor: Number((dev & 0xffn) | ((dev >> 12n) & 0xffff_ff00n)),
  };
}
