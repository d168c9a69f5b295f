/**
 * Unwind tables on disk, so that a start does not compile again what an earlier one compiled.
 *
 * A build id does not decide: any program can claim that of the C library. The builder sees of a
 * file its headers and what it reads, so these are what an entry is found by and checked against:
 *
 *   name of the entry   SHA-256 of all that the headers say, build ids and size among it
 *   in the entry        which bytes the builder read and their SHA-256: they are read again and
 *                       compared, which costs a small part of building: reading and hashing
 *
 * So a file without a build id is kept like any other, and one that claims another's costs that
 * other its entry and nothing else: the entry of the last one built stays.
 */
import { createHash } from "node:crypto";
import { closeSync } from "node:fs";
import { join } from "node:path";
import { type Clock, systemClock } from "../../support/clock.ts";
import { messageOf } from "../../support/errors.ts";
import { codeDigest } from "../disk/code-digest.ts";
import { EntryFolder } from "../disk/entry-folder.ts";
import { privateFolder } from "../disk/private-folder.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import { fileAccess } from "../elf/random-access.ts";
import { ReadRecorder, repeats } from "../elf/read-recorder.ts";
import { type EntryIdentity, encodeEntry, readEntry, type TableEntry } from "./table-entry.ts";
import { buildUnwindTable, type UnwindTable } from "./unwind-table.ts";

/** All tables of a host that runs some hundred programs have some 40 MB. */
export const CACHE_BYTES_MAX: number = 256 * 1024 * 1024;
/** Files with code on a busy host are some hundreds; each costs a look when one is written. */
export const CACHE_ENTRIES_MAX = 4096;
/** A hit takes some 0.5 ms and writing an entry some 5 ms: what is built as fast needs no file. */
export const BUILD_MS_MIN = 5;
const TABLES_FOLDER = "unwind-tables";

export interface UnwindTableCacheOptions {
  /** Shared with other caches: the tables have a folder of their own in it. */
  readonly folder: string;
  /** Of all entries; CACHE_BYTES_MAX when not given. */
  readonly bytesMax?: number;
  /** CACHE_ENTRIES_MAX when not given. */
  readonly entriesMax?: number;
  /** What is built faster is not kept; BUILD_MS_MIN when not given. */
  readonly buildMsMin?: number;
  readonly clock?: Clock;
}

/** What a cache has done since it was opened. */
export interface CacheCounts {
  hits: number;
  /** Tables that were built because there was no entry. */
  misses: number;
  /** Tables that were built though there was an entry: broken, of older code or another file's. */
  refused: number;
  written: number;
  evicted: number;
  /** Entries that could not be written or removed. */
  failed: number;
}

/**
 * The cache in `folder`, or why there can be none: a folder that is not this user's, or that
 * others can write into, is not used. Waits for the disk: for workers.
 */
export function openUnwindTableCache(
  options: UnwindTableCacheOptions,
): UnwindTableCache | { readonly missing: string } {
  const folder = privateFolder(join(options.folder, TABLES_FOLDER));
  if ("missing" in folder) return folder;
  try {
    return new UnwindTableCache(folder.path, codeDigest(), options);
  } catch (error) {
    return { missing: `this program's code cannot be read: ${messageOf(error)}` };
  }
}

/**
 * A file's unwind table, from the cache when it has it.
 *
 * @throws what `buildUnwindTable` throws; nothing for what is wrong with the cache
 */
export function cachedUnwindTable(
  elf: ElfFile,
  cache: UnwindTableCache | undefined,
): {
  readonly table: UnwindTable | { readonly missing: string };
  readonly fromCache: boolean;
} {
  const found = cache?.find(elf);
  if (cache === undefined || found !== undefined) {
    return { table: found ?? buildUnwindTable(elf), fromCache: found !== undefined };
  }
  const recorder = new ReadRecorder(elf.access);
  const start = cache.now();
  const table = buildUnwindTable({ ...elf, access: recorder });
  const record = recorder.record();
  const isSlow = cache.now() - start >= cache.buildMsMin;
  if (isSlow && !("missing" in table) && record !== undefined) cache.keep(elf, { table, record });
  return { table, fromCache: false };
}

/** Shared by processes that use the same folder: each entry is written whole or not at all. */
export class UnwindTableCache {
  readonly counts: CacheCounts = {
    hits: 0,
    misses: 0,
    refused: 0,
    written: 0,
    evicted: 0,
    failed: 0,
  };
  readonly buildMsMin: number;
  readonly #folder: EntryFolder;
  readonly #builder: Uint8Array;
  readonly #clock: Clock;

  /**
   * @param folder  a private one
   * @param builder  the digest of what makes tables: entries of another are refused
   */
  constructor(
    folder: string,
    builder: Uint8Array,
    options: Omit<UnwindTableCacheOptions, "folder">,
  ) {
    this.#builder = builder;
    this.buildMsMin = options.buildMsMin ?? BUILD_MS_MIN;
    this.#clock = options.clock ?? systemClock;
    this.#folder = new EntryFolder({
      path: folder,
      suffix: ".unwind",
      bytesMax: options.bytesMax ?? CACHE_BYTES_MAX,
      entriesMax: options.entriesMax ?? CACHE_ENTRIES_MAX,
      clock: this.#clock,
    });
  }

  /** Milliseconds of the clock that never jumps. */
  now(): number {
    return Number(this.#clock.monotonicNanos()) / 1e6;
  }

  /** The table when there is an entry that holds for just this file. Never throws. */
  find(elf: ElfFile): UnwindTable | undefined {
    const identity = this.#identityOf(elf);
    const fd = this.#folder.open(identity.file);
    if (fd === undefined) {
      this.counts.misses++;
      return undefined;
    }
    try {
      const table = this.#read(fd, { elf, identity });
      if (table !== undefined) this.#folder.touch(fd);
      this.counts[table === undefined ? "refused" : "hits"]++;
      return table;
    } catch {
      // A broken entry, or a file that was cut: the one that builds the table reads it again.
      this.counts.refused++;
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  /** Writes an entry in the place of the file's last one, if there is room. Never throws. */
  keep(elf: ElfFile, entry: TableEntry): void {
    const identity = this.#identityOf(elf);
    try {
      const evicted = this.#folder.write(identity.file, encodeEntry(identity, entry));
      this.counts.evicted += evicted ?? 0;
      if (evicted !== undefined) this.counts.written++;
    } catch {
      // A full disk, a folder that is gone: the table is there, and a cache is no duty.
      this.counts.failed++;
    }
  }

  #read(
    fd: number,
    { elf, identity }: { readonly elf: ElfFile; readonly identity: EntryIdentity },
  ): UnwindTable | undefined {
    const entry = readEntry(fileAccess(fd, this.#folder.pathOf(identity.file)), identity);
    return entry !== undefined && repeats(elf.access, entry.record) ? entry.table : undefined;
  }

  #identityOf({ access, ...headers }: ElfFile): EntryIdentity {
    const known = JSON.stringify([access.size, headers], (_, value: unknown) =>
      typeof value === "bigint" ? `${value}` : value,
    );
    return { builder: this.#builder, file: createHash("sha256").update(known).digest() };
  }
}
