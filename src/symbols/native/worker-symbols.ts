import { closeSync, openSync } from "node:fs";
import { readAltLink, readDebugLink } from "../elf/debug-links.ts";
import { type ElfFile, readElf } from "../elf/elf-file.ts";
import { bytesAccess, fileAccess } from "../elf/random-access.ts";
import { isMissing, type Missing } from "../executable-file.ts";
import { hasIndexes, type IndexCache, openIndexCache } from "../index/index-cache.ts";
import type {
  DebugFileRole,
  DebugFileWanted,
  IndexPlace,
  SentDebugFile,
  SentDebugFiles,
  SentFile,
} from "../worker-protocol.ts";
import { FileSymbols, type SymbolFiles } from "./file-symbols.ts";
import { indexFile } from "./index-file.ts";
import { IndexedSymbols } from "./indexed-symbols.ts";
import { hasDebugInfo, isSplit } from "./separate-debug-info.ts";

/** Files with debug information that stay open: each may hold some 30 MB of it. */
const OPEN_FILES_MAX = 4;
/** Rows of line tables of each; 9 MB. A window asks for few units of a file. */
const ROWS_MAX = 500_000;
/** A file is hashed before its index is used: this many bytes in a quarter of a second. */
const HASHED_BYTES_MAX = 128 * 1024 * 1024;

/**
 * The files whose addresses the worker names. Those with debug information stay open from one
 * question to the next; of others nothing is worth keeping.
 */
export class WorkerSymbols {
  /** The one used last is the last. */
  readonly #open = new Map<string, OpenFile>();

  /**
   * Does something with the symbols of a file that was sent with a question.
   *
   * @returns what it gives, or of which other file somebody has to look first
   */
  async use<Result>(
    sent: SentFile,
    wants: Wants,
    work: (symbols: FileSymbols | IndexedSymbols) => Promise<Result>,
  ): Promise<Result | DebugFileWanted> {
    const key = `${wants.lines} ${wants.index?.made} ${sent.buildId} ${sent.key}`;
    const known = this.#open.get(key);
    const file = known ?? (await openFile(sent, wants));
    if ("role" in file) return file;
    this.#open.delete(key);
    try {
      return await work(file.symbols);
    } finally {
      if (file.hasDebugInfo) this.#keep(key, file);
      else file[Symbol.dispose]();
    }
  }

  #keep(key: string, file: OpenFile): void {
    this.#open.set(key, file);
    for (const [oldest, old] of this.#open) {
      if (this.#open.size <= OPEN_FILES_MAX) break;
      this.#open.delete(oldest);
      old[Symbol.dispose]();
    }
  }
}

class OpenFile implements Disposable {
  readonly symbols: FileSymbols | IndexedSymbols;
  readonly #fds: readonly number[];

  constructor(symbols: FileSymbols | IndexedSymbols, fds: readonly number[]) {
    this.symbols = symbols;
    this.#fds = fds;
  }

  get hasDebugInfo(): boolean {
    return this.symbols.hasDebugInfo;
  }

  [Symbol.dispose](): void {
    if (this.symbols instanceof IndexedSymbols) this.symbols[Symbol.dispose]();
    for (const fd of this.#fds) closeSync(fd);
  }
}

interface Wants {
  /** Debug information too; else symbol tables alone. */
  readonly lines: boolean;
  /** What was found of the files that it names; undefined when nobody looks. */
  readonly debugFiles: SentDebugFiles | undefined;
  readonly index: IndexPlace | undefined;
}

async function openFile(sent: SentFile, wants: Wants): Promise<OpenFile | DebugFileWanted> {
  using files = new SentFiles(sent);
  const { elf } = files;
  if (!wants.lines) {
    return new OpenFile(await FileSymbols.open({ elf, lines: false }), files.keepOpen());
  }
  const found = files.follow(wants.debugFiles);
  if ("role" in found) return found;
  const mayHash = elf.access.size <= HASHED_BYTES_MAX;
  const cache = mayHash && wants.index ? keptIndexes(wants.index.folder) : undefined;
  const index = cache?.find({ elf, others: found.fds });
  const symbols =
    index === undefined
      ? await FileSymbols.open({ ...found.files, elf, rowsMax: ROWS_MAX })
      : new IndexedSymbols(index, elf);
  return new OpenFile(symbols, files.keepOpen());
}

/** Makes the index of a file, or says of which other file somebody has to look first. */
export async function buildIndex(
  sent: SentFile,
  debugFiles: SentDebugFiles | undefined,
  { folder, infoBytesMax }: { readonly folder: string; readonly infoBytesMax: number },
): Promise<{ readonly bytes: number } | DebugFileWanted | Missing> {
  using files = new SentFiles(sent);
  const found = files.follow(debugFiles);
  if ("role" in found) return found;
  const cache = indexCacheIn(folder);
  if (cache === undefined) return { missing: `nothing can be kept in ${folder}` };
  if (files.fd === undefined) return { missing: "it is no file" };
  if (files.elf.access.size > HASHED_BYTES_MAX) {
    return { missing: `it has over ${HASHED_BYTES_MAX} bytes` };
  }
  const sources = { ...found.files, fd: files.fd, name: sent.key, others: found.fds };
  return await indexFile(sources, cache, { bytesMax: infoBytesMax });
}

let cache: { readonly folder: string; readonly opened: IndexCache | undefined } | undefined;

/** Makes no folder for an index that is not there. */
function keptIndexes(folder: string): IndexCache | undefined {
  return hasIndexes(folder) ? indexCacheIn(folder) : undefined;
}

/** A folder that cannot be used costs time, not names. */
function indexCacheIn(folder: string): IndexCache | undefined {
  if (cache?.folder === folder) return cache.opened;
  const opened = openIndexCache(folder);
  cache = { folder, opened: isMissing(opened) ? undefined : opened };
  return cache.opened;
}

/** The files of a question, opened once more: what was sent is closed after the question. */
class SentFiles implements Disposable {
  readonly elf: ElfFile;
  /** Undefined for what is no file, as the vdso. */
  readonly fd: number | undefined;
  #fds: number[] = [];

  constructor({ key, source }: SentFile) {
    try {
      if ("fd" in source) {
        this.fd = this.#open(source.fd);
        this.elf = readElf(fileAccess(this.fd, key));
      } else {
        this.elf = readElf(bytesAccess(source.bytes, key));
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** What was found of the files that it names, or which of them has to be looked for next. */
  follow(sent: SentDebugFiles | undefined): FollowedFiles | DebugFileWanted {
    const debug = hasDebugInfo(this.elf) ? undefined : this.#openSent(sent?.debug);
    const wanted = sent && nextWanted(this.elf, debug?.elf, sent);
    if (wanted !== undefined) return wanted;
    const supplementary = this.#openSent(sent?.supplementary);
    const packageFile = this.#openSent(sent?.package);
    return {
      files: { debug: debug?.elf, supplementary: supplementary?.elf, package: packageFile?.elf },
      fds: [debug?.fd, supplementary?.fd, packageFile?.fd],
    };
  }

  /** They are the caller's to close from then on. */
  keepOpen(): readonly number[] {
    const fds = this.#fds;
    this.#fds = [];
    return fds;
  }

  #openSent(sent: SentDebugFile | null | undefined): { elf: ElfFile; fd: number } | undefined {
    if (sent === null || sent === undefined) return undefined;
    const fd = this.#open(sent.fd);
    return { elf: readElf(fileAccess(fd, sent.name)), fd };
  }

  #open(fd: number): number {
    const own = openSync(`/proc/self/fd/${fd}`, "r");
    this.#fds.push(own);
    return own;
  }

  [Symbol.dispose](): void {
    for (const fd of this.keepOpen()) closeSync(fd);
  }
}

interface FollowedFiles {
  readonly files: Pick<SymbolFiles, "debug" | "supplementary" | "package">;
  readonly fds: readonly (number | undefined)[];
}

/** The file that is to be looked for next; undefined when all were. */
function nextWanted(
  elf: ElfFile,
  debug: ElfFile | undefined,
  files: SentDebugFiles,
): DebugFileWanted | undefined {
  const { buildId } = elf;
  const isUnknown = (role: DebugFileRole): boolean => files[role] === undefined;
  if (isUnknown("debug") && !hasDebugInfo(elf)) {
    const debugLink = readDebugLink(elf);
    if (buildId !== "" || debugLink !== undefined) return { role: "debug", buildId, debugLink };
  }
  const described = debug ?? elf;
  const altLink = isUnknown("supplementary") ? readAltLink(described) : undefined;
  if (altLink !== undefined) return { role: "supplementary", buildId: altLink.buildId, altLink };
  if (isUnknown("package") && isSplit(described)) return { role: "package", buildId };
  return undefined;
}
