import { randomUUID } from "node:crypto";
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { malformed } from "../../support/errors.ts";
import { type ElfFile, readElf, SHF_EXECINSTR } from "../elf/elf-file.ts";
import { fileAccess } from "../elf/random-access.ts";
import { sectionData } from "../elf/section-data.ts";
import { isMissing, type Missing } from "../executable-file.ts";
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

/**
 * Makes a file's index and keeps it. Takes some five times as long as it takes to read all of the
 * debug information, and as much memory as that has bytes: for workers and commands.
 *
 * @param infoBytesMax  a file with more bytes of .debug_info, or of code, has no index
 * @throws INPUT_MALFORMED, LIMIT_EXCEEDED  the file is broken
 * @throws what the file system throws  nothing can be written into the folder of the cache
 */
export async function indexFile(
  { fd, name, others, ...files }: IndexSources,
  cache: IndexCache,
  infoBytesMax: number = Number.POSITIVE_INFINITY,
): Promise<KeptIndex | Missing> {
  const copy = privateCopy(fd, name, cache.path);
  if (typeof copy !== "number") return copy;
  try {
    const elf = readElf(fileAccess(copy, name));
    const infoBytes =
      infoBytesOf(elf) || (files.debug === undefined ? 0 : infoBytesOf(files.debug));
    if (infoBytes > infoBytesMax) return { missing: `it has ${infoBytes} bytes of .debug_info` };
    const codeBytes = codeBytesOf(elf);
    if (codeBytes > infoBytesMax) return { missing: `it has ${codeBytes} bytes of code` };
    if (files.package === undefined && isSplit(files.debug ?? elf)) return SPLIT;
    const symbols = await FileSymbols.open({ ...files, elf, rowsMax: ROWS_MAX });
    const pieces = symbols.buildIndex();
    if (isMissing(pieces)) return pieces;
    cache.keep({ elf, others }, pieces);
    return { bytes: pieces.reduce((sum, { length }) => sum + length, 0) };
  } finally {
    closeSync(copy);
  }
}

/** An index would not know when one of them has changed. */
const SPLIT: Missing = { missing: "its units are in .dwo files: put them into a .dwp file" };

function infoBytesOf(elf: ElfFile): number {
  return sectionData(elf, ".debug_info")?.size ?? 0;
}

function codeBytesOf({ sections }: ElfFile): number {
  const code = sections.filter(({ flags }) => (flags & SHF_EXECINSTR) !== 0);
  return code.reduce((sum, { size }) => sum + size, 0);
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
