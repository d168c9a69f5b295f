import { lchown, lstat, mkdir, readdir, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileError, writeFileAtomically } from "../../support/atomic-file.ts";
import { callingUser } from "../../support/calling-user.ts";
import type { Clock } from "../../support/clock.ts";
import { CollectorError, isCollectorError } from "../../support/errors.ts";
import type { FileNamePattern, NameParts } from "./file-name.ts";

/** How much of what the folder holds is kept; 0 is no limit. */
export interface Retention {
  readonly ageMsMax: number;
  readonly bytesMax: number;
}

export interface FolderOptions {
  readonly directory: string;
  readonly pattern: FileNamePattern;
  readonly retention: Retention;
  readonly clock: Clock;
}

/** More files make a folder slow to list, and are more than an hour of a file a second. */
export const FILES_MAX = 50_000;
/** Files of one name: in a second, from several exporters or after the clock was put back. */
export const COPIES_MAX = 1000;
/** Files that are looked at together when the folder is opened. */
const STATS_AT_ONCE = 64;

interface OwnFile {
  readonly path: string;
  readonly bytes: number;
  readonly timeMs: number;
}

/** The result of a sweep. */
export interface Removed {
  readonly files: number;
  /** Why a file could not be removed; such a file is not looked at again. */
  readonly failures: readonly CollectorError[];
}

/**
 * A folder of files whose names follow a pattern. Knows its own files, those of an earlier run
 * included, and removes the oldest; a file whose name does not follow the pattern is never touched.
 */
export class ProfileFolder {
  readonly #options: FolderOptions;
  readonly #directory: string;
  /** Oldest first. */
  #files: OwnFile[] = [];
  #bytes = 0;
  #sequence = 0;
  /** Paths that are being written. */
  readonly #taken = new Set<string>();
  #sweeping: Promise<Removed> = Promise.resolve({ files: 0, failures: [] });

  constructor(options: FolderOptions) {
    this.#options = options;
    this.#directory = resolve(options.directory);
  }

  /** Bytes of own files. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Makes the folder if it is not there and finds what an earlier run left in it.
   *
   * @throws CollectorError PERMISSION, NOT_FOUND  with the folder's path
   */
  async open(): Promise<void> {
    try {
      await makeFolder(this.#directory);
      await this.#findOwnFiles();
    } catch (error) {
      throw isCollectorError(error) ? error : fileError(this.#directory, error);
    }
  }

  /**
   * Writes a file, whole or not at all, and returns its path.
   *
   * @throws CollectorError  with the path: disk full, folder gone, not permitted
   */
  async write(parts: Omit<NameParts, "sequence">, bytes: Uint8Array): Promise<string> {
    const named = { ...parts, sequence: ++this.#sequence };
    for (let copy = 0; copy < COPIES_MAX; copy++) {
      const path = join(this.#directory, this.#options.pattern.name(named, copy));
      if (this.#taken.has(path) || (await isThere(path))) continue;
      // Another write may have taken the name while this one looked.
      if (this.#taken.has(path)) continue;
      this.#taken.add(path);
      try {
        await writeFileAtomically(path, bytes, callingUser());
        this.#remember(path, bytes.length);
        return path;
      } catch (error) {
        if (!isNameTaken(error)) throw error;
      } finally {
        this.#taken.delete(path);
      }
    }
    const first = join(this.#directory, this.#options.pattern.name(named, 0));
    throw new CollectorError("LIMIT_EXCEEDED", `${first}: there are ${COPIES_MAX} of this name`);
  }

  /** Removes what is too old, then the oldest of what is too much. One sweep at a time. */
  sweep(): Promise<Removed> {
    this.#sweeping = this.#sweeping.then(() => this.#sweepNow());
    return this.#sweeping;
  }

  #remember(path: string, bytes: number): void {
    this.#bytes += bytes;
    if (!this.#keepsAll) this.#files.push({ path, bytes, timeMs: this.#nowMs() });
  }

  get #keepsAll(): boolean {
    const { ageMsMax, bytesMax } = this.#options.retention;
    return ageMsMax === 0 && bytesMax === 0;
  }

  #nowMs(): number {
    return Number(this.#options.clock.unixNanos() / 1_000_000n);
  }

  async #findOwnFiles(): Promise<void> {
    const names = (await readdir(this.#directory)).filter((name) => {
      const sequence = this.#options.pattern.sequenceOf(name);
      if (sequence !== undefined) this.#sequence = Math.max(this.#sequence, sequence);
      return sequence !== undefined;
    });
    const found: OwnFile[] = [];
    for (let at = 0; at < names.length; at += STATS_AT_ONCE) {
      const some = names.slice(at, at + STATS_AT_ONCE).map((name) => join(this.#directory, name));
      const files = await Promise.all(some.map(lookAt));
      found.push(...files.filter((file) => file !== undefined));
    }
    found.sort((a, b) => a.timeMs - b.timeMs || (a.path < b.path ? -1 : 1));
    this.#files = this.#keepsAll ? [] : found;
    this.#bytes = found.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async #sweepNow(): Promise<Removed> {
    const failures: CollectorError[] = [];
    let files = 0;
    for (let oldest = this.#files[0]; oldest !== undefined; oldest = this.#files[0]) {
      if (!this.#isTooMuch(oldest)) break;
      this.#files.shift();
      this.#bytes -= oldest.bytes;
      try {
        await rm(oldest.path, { force: true });
        files++;
      } catch (error) {
        failures.push(fileError(oldest.path, error));
      }
    }
    return { files, failures };
  }

  #isTooMuch(oldest: OwnFile): boolean {
    const { ageMsMax, bytesMax } = this.#options.retention;
    if (ageMsMax > 0 && oldest.timeMs + ageMsMax <= this.#nowMs()) return true;
    // The newest stays, however large it is: otherwise nobody would ever see a file.
    if (this.#files.length === 1) return false;
    return (bytesMax > 0 && this.#bytes > bytesMax) || this.#files.length > FILES_MAX;
  }
}

/** Makes a folder with its parents; what was not there becomes that of the user who called sudo. */
async function makeFolder(directory: string): Promise<void> {
  const first = await makeWithParents(resolve(directory));
  const owner = callingUser();
  if (first === undefined || owner === undefined) return;
  for (let path = directory; path.length >= first.length; path = dirname(path)) {
    await lchown(path, owner.uid, owner.gid);
  }
}

/**
 * The outermost folder that was made, undefined when all were there. Not by Node's `recursive`,
 * which never ends where a parent is there and making a folder in it gives ENOENT, as in /proc.
 */
async function makeWithParents(path: string): Promise<string | undefined> {
  try {
    await mkdir(path);
    return path;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return undefined;
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    const first = await makeWithParents(dirname(path));
    if (first === undefined) throw error;
    await mkdir(path);
    return first;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw fileError(path, error);
  }
}

/** Regular files only: what a link leads to is not the exporter's. */
async function lookAt(path: string): Promise<OwnFile | undefined> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? { path, bytes: stats.size, timeMs: stats.mtimeMs } : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** True when somebody else is writing a file of this name at this moment. */
function isNameTaken(error: unknown): boolean {
  const cause = isCollectorError(error) ? error.cause : undefined;
  return (cause as NodeJS.ErrnoException | undefined)?.code === "EEXIST";
}
