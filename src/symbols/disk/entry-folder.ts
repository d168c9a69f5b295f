import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  futimesSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../support/clock.ts";

/** Left behind by a process that ended while it wrote: no write takes this long. */
const PARTIAL_AGE_MS_MAX = 600_000;

export interface EntryFolderOptions {
  /** A private one. */
  readonly path: string;
  /** What the names of entries end in, as ".unwind"; before it they are 64 hex digits. */
  readonly suffix: string;
  /** Of all entries. */
  readonly bytesMax: number;
  readonly entriesMax: number;
  /** Entries are on the disk before they have their names; else their readers check them. */
  readonly isSynced?: boolean;
  readonly clock: Clock;
}

/**
 * Entries on disk that can be made again, each a file by the SHA-256 of what it is for. Those that
 * were not used for longest make room. Shared by processes that use the same folder: each entry
 * is written whole or not at all. Waits for the disk: for workers.
 */
export class EntryFolder {
  readonly #options: EntryFolderOptions;
  readonly #entryName: RegExp;
  readonly #partialName: RegExp;

  constructor(options: EntryFolderOptions) {
    this.#options = options;
    const suffix = options.suffix.replace(".", "\\.");
    this.#entryName = new RegExp(`^[0-9a-f]{64}${suffix}$`);
    this.#partialName = new RegExp(`^[0-9a-f]{64}${suffix}\\.[0-9a-f-]{36}\\.partial$`);
  }

  /** Opens an entry; undefined when there is none. The descriptor is the caller's to close. */
  open(digest: Uint8Array): number | undefined {
    let fd: number;
    try {
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      fd = openSync(this.pathOf(digest), flags);
    } catch {
      return undefined;
    }
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
    return undefined;
  }

  /** What was used last stays longest. */
  touch(fd: number): void {
    const seconds = Number(this.#options.clock.unixNanos()) / 1e9;
    try {
      futimesSync(fd, seconds, seconds);
    } catch {
      // A disk that is mounted to be read only still gives entries.
    }
  }

  /**
   * Writes an entry in the place of the one before it, if there is room.
   *
   * @returns how many others had to go; undefined when it is larger than all may be together
   * @throws what the file system throws: a full disk, a folder that is gone
   */
  write(digest: Uint8Array, pieces: readonly Uint8Array[]): number | undefined {
    const size = pieces.reduce((sum, { length }) => sum + length, 0);
    const path = this.pathOf(digest);
    const evicted = this.#makeRoom(size, path);
    if (evicted !== undefined) writeWhole(path, pieces, this.#options.isSynced === true);
    return evicted;
  }

  pathOf(digest: Uint8Array): string {
    return join(this.#options.path, `${digest.toHex()}${this.#options.suffix}`);
  }

  #makeRoom(size: number, replacing: string): number | undefined {
    const { bytesMax, entriesMax } = this.#options;
    if (size > bytesMax) return undefined;
    const entries = this.#entries().filter(({ path }) => path !== replacing);
    let bytes = entries.reduce((sum, entry) => sum + entry.size, size);
    let evicted = 0;
    for (const entry of entries) {
      if (bytes <= bytesMax && entries.length - evicted < entriesMax) break;
      rmSync(entry.path, { force: true });
      evicted++;
      bytes -= entry.size;
    }
    return evicted;
  }

  /** The one used last is the last. Counted anew each time, because other processes write too. */
  #entries(): { readonly path: string; readonly size: number; readonly usedMs: number }[] {
    const { path: folder, clock } = this.#options;
    const nowMs = Number(clock.unixNanos()) / 1e6;
    const entries = [];
    for (const name of readdirSync(folder)) {
      const isPartial = this.#partialName.test(name);
      if (!isPartial && !this.#entryName.test(name)) continue;
      const path = join(folder, name);
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats === undefined) continue;
      if (!isPartial) entries.push({ path, size: stats.size, usedMs: stats.mtimeMs });
      else if (nowMs - stats.mtimeMs > PARTIAL_AGE_MS_MAX) rmSync(path, { force: true });
    }
    return entries.sort((a, b) => a.usedMs - b.usedMs);
  }
}

function writeWhole(path: string, pieces: readonly Uint8Array[], isSynced: boolean): void {
  const partial = `${path}.${randomUUID()}.partial`;
  const fd = openSync(partial, "wx", 0o600);
  try {
    try {
      for (const piece of pieces) writeFileSync(fd, piece);
      if (isSynced) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}
