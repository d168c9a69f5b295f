/**
 * Opens what may be a debug file. Debug directories are full of links, so links are followed; a
 * path may also stand in a hostile file, so:
 * - it is first opened without access (O_PATH), which waits for nobody and wakes no device, and
 *   only a regular file that is not empty is then opened for reading, as the same inode;
 * - below the root of a process it is resolved by openat2, which lets no link lead out of it;
 * - it is read by position and never mapped.
 */
import {
  type BigIntStats,
  close,
  closeSync,
  constants,
  fstat,
  open,
  read,
  readlink,
} from "node:fs";
import { promisify } from "node:util";
import type { FileDescriptor } from "../executable-file.ts";

const openAsync = promisify(open);
const closeAsync = promisify(close);
const readAsync = promisify(read);
const readlinkAsync = promisify(readlink);
const fstatAsync = promisify(fstat) as (
  fd: number,
  options: { readonly bigint: true },
) => Promise<BigIntStats>;

const O_PATH = 0x20_0000;

/** Why there is no file: the usual answer of a place that is looked at. */
export const NOT_THERE = "not there";
const NOT_PERMITTED = "not permitted";

/** An open regular file. Whoever holds it disposes of it. */
export class OpenedFile implements FileDescriptor {
  readonly fd: number;
  /** Links resolved, as `root` has it. */
  readonly path: string;
  readonly root: string | undefined;
  /** Bytes when it was opened. */
  readonly size: number;
  /** Device and inode: equal ones are one file. */
  readonly inode: string;
  /** Device, inode, size and time of change: equal ones are the same contents. */
  readonly identity: string;
  #isOpen = true;

  constructor(fd: number, stats: BigIntStats, place: { path: string; root: string | undefined }) {
    this.fd = fd;
    this.path = place.path;
    this.root = place.root;
    this.size = Number(stats.size);
    this.inode = `${stats.dev}:${stats.ino}`;
    this.identity = `${this.inode}:${stats.size}:${stats.mtimeNs}`;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.fd);
  }

  /** Fewer bytes than `length` where the file ends. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await readAsync(
        this.fd,
        bytes,
        filled,
        length - filled,
        offset + filled,
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  }
}

export type OpenedLookup = OpenedFile | { readonly why: string };

/** Opens a regular file that is not empty; never waits for a FIFO. Never rejects. */
export async function openRegularFile(path: string, root?: string): Promise<OpenedLookup> {
  if (path === "" || path.includes("\0")) return { why: "no path" };
  try {
    return root === undefined ? await openOnHost(path) : await openBelow(root, path);
  } catch (error) {
    return { why: whyOf(error) };
  }
}

async function openOnHost(path: string): Promise<OpenedLookup> {
  const pathFd = await openAsync(path, O_PATH);
  try {
    const stats = await fstatAsync(pathFd, { bigint: true });
    if (!stats.isFile()) return { why: "not a regular file" };
    if (stats.size === 0n) return { why: "empty" };
    const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;
    const fd = await openAsync(ownLink(pathFd), O_RDONLY | O_NONBLOCK | O_NOCTTY);
    return await describe(fd, { path, root: undefined });
  } finally {
    await closeAsync(pathFd);
  }
}

/** The module of openat2 loads the foreign functions, which a look at the host alone does not need. */
async function openBelow(root: string, path: string): Promise<OpenedLookup> {
  const { openFileInRoot } = await import("../../linux/target-file.ts");
  const file = openFileInRoot(root, path);
  if ("missing" in file) return { why: processFileReasons[file.missing] };
  return await describe(file.fd, { path, root });
}

const processFileReasons = {
  anonymous: "no path",
  "not-found": NOT_THERE,
  "not-regular": "not a regular file inside of the process's root",
  empty: "empty",
  replaced: "replaced while it was opened",
  refused: NOT_PERMITTED,
} as const;

async function describe(
  fd: number,
  place: { path: string; root: string | undefined },
): Promise<OpenedFile> {
  try {
    const path = await realPathOf(fd, place);
    return new OpenedFile(fd, await fstatAsync(fd, { bigint: true }), { ...place, path });
  } catch (error) {
    await closeAsync(fd);
    throw error;
  }
}

/** The kernel says it as this process sees it: with the path of the root before, if it sees that. */
async function realPathOf(
  fd: number,
  { path, root }: { path: string; root: string | undefined },
): Promise<string> {
  const real = await readlinkAsync(ownLink(fd));
  if (root === undefined) return real;
  const rootPath = await readlinkAsync(root).catch(() => root);
  if (rootPath === "/") return real;
  return real.startsWith(`${rootPath}/`) ? real.slice(rootPath.length) : path;
}

function ownLink(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

function whyOf(error: unknown): string {
  const { code = "" } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") return NOT_THERE;
  if (code === "EACCES" || code === "EPERM") return NOT_PERMITTED;
  if (code === "ELOOP") return "too many links";
  return `cannot be opened (${code || String(error)})`;
}
