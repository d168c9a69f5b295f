/**
 * The debug files that were fetched, kept by their build ids:
 *
 *   debug-files/ID.KIND                  one that is whole and has that build id
 *   debug-files/ID.KIND.missing          no server had it: a digest of which were asked
 *   debug-files/ID.KIND.UUID.partial     one that is being fetched
 *
 * The time of access is that of the last use, set by this program, as disks mostly do not keep it.
 * A file is gone when nobody used it for long, and the one that was not used for longest goes
 * first when there are too many.
 */
import { randomUUID } from "node:crypto";
import {
  type FileHandle,
  lstat,
  open,
  readdir,
  readFile,
  rename,
  rm,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "../../support/clock.ts";
import { privateFolder } from "../disk/private-folder.ts";
import { firstFitting, missingFile, refusalOf } from "./candidates.ts";
import type { FoundDebugFile, MissingDebugFile } from "./debug-file.ts";
import { NOT_THERE, OpenedFile, openRegularFile } from "./opened-file.ts";

/** Each costs a look when there is one more; a fleet's programs have some thousand libraries. */
export const CACHE_ENTRIES_MAX = 16_384;
/** Left behind by a process that ended while it fetched: who still fetches writes more often. */
const PARTIAL_AGE_MS_MAX = 600_000;
const CACHE_FOLDER = "debug-files";
const ENTRY = /^[0-9a-f]{8,64}\.(?:debuginfo|executable)$/;
const REST = /^[0-9a-f]{8,64}\.(?:debuginfo|executable)\.(?:missing|[0-9a-f-]{36}\.partial)$/;

export interface DownloadCacheOptions {
  /** Shared with other caches: the files have a folder of their own in it. */
  readonly folder: string | undefined;
  readonly bytesMax: number;
  /** A file that nobody used for so long is removed. */
  readonly unusedMsMax: number;
  /** Between two looks for such files. */
  readonly cleanIntervalMs: number;
  /** For so long it is believed that no server has a file. */
  readonly missMs: number;
  readonly clock: Clock;
}

/** What a file in the cache is known by. */
export interface CacheKey {
  readonly buildId: string;
  readonly kind: "debuginfo" | "executable";
}

export type KeptFile = { readonly bytes: number } | { readonly why: string };

/** Shared by processes that use the same folder: each file is there whole or not at all. */
export class DownloadCache {
  readonly #options: DownloadCacheOptions;
  #folder: { path: string } | { readonly missing: string } | undefined;
  #cleanedMs = Number.NEGATIVE_INFINITY;
  #evicted = 0;

  constructor(options: DownloadCacheOptions) {
    this.#options = options;
  }

  get evicted(): number {
    return this.#evicted;
  }

  /** Made when it is first asked for: a program that fetches nothing leaves no folder. */
  folder(): { path: string } | { readonly missing: string } {
    const { folder } = this.#options;
    this.#folder ??=
      folder === undefined
        ? { missing: "there is no cache folder: set OBSFORGE_CACHE_DIR" }
        : privateFolder(join(folder, CACHE_FOLDER));
    return this.#folder;
  }

  /** True for a path in the folder. */
  has(path: string): boolean {
    const { folder } = this.#options;
    const own = this.#folder ?? { path: folder === undefined ? "" : join(folder, CACHE_FOLDER) };
    return "path" in own && own.path !== "" && dirname(path) === own.path;
  }

  /** A file that was fetched before. One that is broken is removed. Never rejects. */
  async find(source: string, key: CacheKey): Promise<FoundDebugFile | MissingDebugFile> {
    if (!(await this.#isThere())) return missingFile([]);
    const folder = this.folder();
    if ("missing" in folder) return missingFile([]);
    const path = join(folder.path, nameOf(key));
    const found = await firstFitting(source, [{ path }], { buildId: key.buildId });
    if (!("missing" in found)) {
      await this.#touch(path);
      return found;
    }
    if (found.lookedAt[0]?.why !== NOT_THERE) await rm(path, { force: true }).catch(() => {});
    return missingFile([]);
  }

  /** True when these servers were asked not long ago, and none had it. */
  async isKnownMissing(key: CacheKey, serversDigest: string): Promise<boolean> {
    const folder = this.folder();
    if ("missing" in folder) return false;
    const path = join(folder.path, `${nameOf(key)}.missing`);
    try {
      const { mtimeMs } = await lstat(path);
      if (this.#nowMs() - mtimeMs > this.#options.missMs) return false;
      return (await readFile(path, "latin1")) === serversDigest;
    } catch {
      return false;
    }
  }

  /** The time of change stays what it is: by it a file is known to be the same. */
  async #touch(path: string): Promise<void> {
    try {
      const { mtimeMs } = await lstat(path);
      await utimes(path, this.#nowMs() / 1000, Math.floor(mtimeMs / 1000));
    } catch {
      // Removed meanwhile, or a disk that is mounted to be read only: it still gives files.
    }
  }

  /** Looking must not make the folder. */
  async #isThere(): Promise<boolean> {
    const { folder } = this.#options;
    if (this.#folder !== undefined || folder === undefined) return this.#folder !== undefined;
    return await lstat(join(folder, CACHE_FOLDER)).then(
      () => true,
      () => false,
    );
  }

  async noteMissing(key: CacheKey, serversDigest: string): Promise<void> {
    const folder = this.folder();
    if ("missing" in folder) return;
    const path = join(folder.path, `${nameOf(key)}.missing`);
    const seconds = this.#nowMs() / 1000;
    // What cannot be noted is asked for again.
    await writeFile(path, serversDigest, { mode: 0o600 }).catch(() => {});
    await utimes(path, seconds, seconds).catch(() => {});
  }

  /**
   * Keeps what `pieces` give, if it is the file of the key.
   *
   * @returns its bytes, or why it was not kept
   * @throws whatever `pieces` throws, and errors of node:fs: a full disk
   */
  async keep(key: CacheKey, pieces: AsyncIterable<Uint8Array>): Promise<KeptFile> {
    const folder = this.folder();
    if ("missing" in folder) return { why: folder.missing };
    const path = join(folder.path, nameOf(key));
    const partial = `${path}.${randomUUID()}.partial`;
    const handle = await open(partial, "wx", 0o600);
    try {
      const size = await this.#fill(handle, pieces);
      const { bytesMax } = this.#options;
      if (size > bytesMax) return { why: `${size} bytes, over the ${bytesMax} bytes of the cache` };
      const refusal = await refusalOfPath(partial, key.buildId);
      if (refusal !== undefined) return { why: refusal };
      await this.#makeRoom(folder.path, size);
      // Whole seconds, which can be set again exactly.
      const seconds = Math.floor(this.#nowMs() / 1000);
      await utimes(partial, seconds, seconds);
      await rename(partial, path);
      await rm(`${path}.missing`, { force: true });
      return { bytes: size };
    } finally {
      await rm(partial, { force: true });
    }
  }

  /** Not synced: what a crash leaves of it fails the check of its next reader. */
  async #fill(handle: FileHandle, pieces: AsyncIterable<Uint8Array>): Promise<number> {
    let size = 0;
    try {
      for await (const piece of pieces) {
        await handle.writeFile(piece);
        size += piece.length;
      }
    } finally {
      await handle.close();
    }
    return size;
  }

  /** Removes what is too old, when it is time to look. Never rejects. */
  async clean(): Promise<void> {
    const nowMs = this.#nowMs();
    if (nowMs - this.#cleanedMs < this.#options.cleanIntervalMs) return;
    this.#cleanedMs = nowMs;
    if (!(await this.#isThere())) return;
    const folder = this.folder();
    if ("missing" in folder) return;
    await this.#makeRoom(folder.path, 0).catch(() => {});
  }

  /** Counted anew each time, because other processes write too. */
  async #makeRoom(folder: string, size: number): Promise<void> {
    const { bytesMax, unusedMsMax } = this.#options;
    const entries = await this.#entries(folder);
    let bytes = entries.reduce((sum, entry) => sum + entry.size, size);
    let count = entries.length + 1;
    for (const { name, size: freed, ageMs } of entries) {
      if (bytes <= bytesMax && count <= CACHE_ENTRIES_MAX && ageMs <= unusedMsMax) break;
      await rm(join(folder, name), { force: true });
      this.#evicted++;
      bytes -= freed;
      count--;
    }
  }

  /** The one used last is the last. */
  async #entries(folder: string): Promise<{ name: string; size: number; ageMs: number }[]> {
    const entries = [];
    for (const name of await readdir(folder)) {
      const isRest = REST.test(name);
      if (!isRest && !ENTRY.test(name)) continue;
      const stats = await lstat(join(folder, name)).catch(() => undefined);
      if (stats === undefined) continue;
      const ageMs = this.#nowMs() - Math.max(stats.atimeMs, stats.mtimeMs);
      if (!isRest) entries.push({ name, size: stats.size, ageMs });
      else if (ageMs > Math.max(PARTIAL_AGE_MS_MAX, this.#options.missMs)) {
        await rm(join(folder, name), { force: true });
      }
    }
    return entries.sort((a, b) => b.ageMs - a.ageMs);
  }

  #nowMs(): number {
    return Number(this.#options.clock.unixNanos()) / 1e6;
  }
}

function nameOf({ buildId, kind }: CacheKey): string {
  return `${buildId}.${kind}`;
}

async function refusalOfPath(path: string, buildId: string): Promise<string | undefined> {
  const file = await openRegularFile(path);
  if (!(file instanceof OpenedFile)) return file.why;
  using opened = file;
  return (await refusalOf(opened, { buildId }))?.why;
}
