import { randomUUID } from "node:crypto";
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { malformed } from "../../support/errors.ts";
import { type ElfFile, readElf } from "../elf/elf-file.ts";
import { fileAccess } from "../elf/random-access.ts";
import { sectionData } from "../elf/section-data.ts";
import type { Missing } from "../executable-file.ts";
import { INDEXED_FILE_BYTES_MAX, type IndexCache } from "../index/index-cache.ts";
import { FileSymbols, type SymbolFiles } from "./file-symbols.ts";
import { isSplit } from "./separate-debug-info.ts";

/** Rows of line tables that are kept meanwhile: units of one file overlap by few others. */
const ROWS_MAX = 1_000_000;
const PIECE_BYTES = 1024 * 1024;

/** What an index is to be made of. The descriptors stay the caller's. */
export interface IndexSources extends Pick<SymbolFiles, "debug" | "supplementary" | "package"> {
  readonly fd: number;
  readonly name: string;
  /** Of the debug file, the dwz file and the package, as IndexedFiles has them. */
  readonly others: readonly (number | undefined)[];
}

/** An index that was made and kept. */
export interface KeptIndex {
  readonly bytes: number;
}

/** Who has little time and memory makes small indexes only. */
export interface IndexLimits {
  /** Of .debug_info, of .debug_line and of code, each. */
  readonly bytesMax: number;
}

/**
 * Makes a file's index and keeps it. Takes some five times as long as it takes to read all of the
 * debug information, and as much memory as that has bytes: for workers and commands.
 *
 * @throws INPUT_MALFORMED, LIMIT_EXCEEDED  the file is broken; it has more ranges than it may
 * @throws what the file system throws  nothing can be written into the folder of the cache
 */
export async function indexFile(
  { fd, name, others, ...files }: IndexSources,
  cache: IndexCache,
  { bytesMax }: IndexLimits = { bytesMax: Number.POSITIVE_INFINITY },
): Promise<KeptIndex | Missing> {
  const why = whyNone(readElf(fileAccess(fd, name)), files, bytesMax);
  if (why !== undefined) return why;
  const copy = privateCopy(fd, name, cache.path);
  if (typeof copy !== "number") return copy;
  try {
    // The file may be another one by now.
    const elf = readElf(fileAccess(copy, name));
    const whyNot = whyNone(elf, files, bytesMax);
    if (whyNot !== undefined) return whyNot;
    return await cache.keep({ elf, others }, async () => {
      const symbols = await FileSymbols.open({ ...files, elf, rowsMax: ROWS_MAX });
      return symbols.buildIndex(Math.floor(bytesMax / BYTES_PER_RANGE));
    });
  } finally {
    closeSync(copy);
  }
}

/** Of the limit on bytes: real debug information has some 20 for each range. */
const BYTES_PER_RANGE = 8;

/** Undefined for a file that may have an index. */
function whyNone(
  elf: ElfFile,
  { debug, package: packageFile }: Pick<IndexSources, "debug" | "package">,
  bytesMax: number,
): Missing | undefined {
  if (elf.access.size > INDEXED_FILE_BYTES_MAX) {
    return { missing: `it has over ${INDEXED_FILE_BYTES_MAX} bytes` };
  }
  const described = sectionData(elf, ".debug_info") === undefined ? (debug ?? elf) : elf;
  for (const section of [".debug_info", ".debug_line"]) {
    const size = sectionData(described, section)?.size ?? 0;
    if (size > bytesMax) return { missing: `it has ${size} bytes of ${section}` };
  }
  const codeBytes = codeBytesOf(elf);
  if (codeBytes > bytesMax) return { missing: `it has ${codeBytes} bytes of code` };
  return packageFile === undefined && isSplit(debug ?? elf) ? SPLIT : undefined;
}

/** An index would not know when one of them has changed. */
const SPLIT: Missing = { missing: "its units are in .dwo files: put them into a .dwp file" };

function codeBytesOf({ segments }: ElfFile): number {
  const code = segments.filter(({ executable }) => executable);
  return code.reduce((sum, { memorySize }) => sum + Number(memorySize), 0);
}

/**
 * A copy that nobody else can open. Whoever can write to the file would else have one text hashed
 * and another one indexed.
 */
function privateCopy(fd: number, name: string, folder: string): number | Missing {
  const path = join(folder, `${randomUUID()}.copy`);
  const copy = openSync(path, "wx+", 0o600);
  try {
    rmSync(path);
    const piece = new Uint8Array(PIECE_BYTES);
    for (let at = 0; ; ) {
      const count = readSync(fd, piece, 0, PIECE_BYTES, at);
      if (count === 0) return copy;
      at += count;
      if (at > INDEXED_FILE_BYTES_MAX) break;
      if (writeSync(copy, piece, 0, count) !== count) throw malformed(name, "cannot be copied");
    }
  } catch (error) {
    closeSync(copy);
    throw error;
  }
  closeSync(copy);
  return { missing: `it has over ${INDEXED_FILE_BYTES_MAX} bytes` };
}
