import { closeSync, openSync } from "node:fs";
import { readAltLink, readDebugLink } from "../elf/debug-links.ts";
import { type ElfFile, readElf } from "../elf/elf-file.ts";
import { bytesAccess, fileAccess } from "../elf/random-access.ts";
import type {
  DebugFileRole,
  DebugFileWanted,
  SentDebugFile,
  SentDebugFiles,
  SentFile,
} from "../worker-protocol.ts";
import { FileSymbols } from "./file-symbols.ts";
import { hasDebugInfo, isSplit } from "./separate-debug-info.ts";

/** Files with debug information that stay open: each may hold some 30 MB of it. */
const OPEN_FILES_MAX = 4;
/** Rows of line tables of each; 9 MB. A window asks for few units of a file. */
const ROWS_MAX = 500_000;

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
    work: (symbols: FileSymbols) => Promise<Result>,
  ): Promise<Result | DebugFileWanted> {
    const key = `${wants.lines} ${sent.buildId} ${sent.key}`;
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
  readonly symbols: FileSymbols;
  readonly #fds: readonly number[];

  constructor(symbols: FileSymbols, fds: readonly number[]) {
    this.symbols = symbols;
    this.#fds = fds;
  }

  get hasDebugInfo(): boolean {
    return this.symbols.hasDebugInfo;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds) closeSync(fd);
  }
}

interface Wants {
  /** Debug information too; else symbol tables alone. */
  readonly lines: boolean;
  /** What was found of the files that it names; undefined when nobody looks. */
  readonly debugFiles: SentDebugFiles | undefined;
}

async function openFile(
  { key, source }: SentFile,
  { lines, debugFiles }: Wants,
): Promise<OpenFile | DebugFileWanted> {
  const fds: number[] = [];
  const open = (fd: number, name: string): ElfFile => {
    // What was sent is closed after the question.
    const own = openSync(`/proc/self/fd/${fd}`, "r");
    fds.push(own);
    return readElf(fileAccess(own, name));
  };
  const openSent = (sent: SentDebugFile | null | undefined): ElfFile | undefined =>
    sent === null || sent === undefined ? undefined : open(sent.fd, sent.name);
  try {
    const elf = "fd" in source ? open(source.fd, key) : readElf(bytesAccess(source.bytes, key));
    if (!lines) return new OpenFile(await FileSymbols.open({ elf, lines: false }), fds);
    const debug = hasDebugInfo(elf) ? undefined : openSent(debugFiles?.debug);
    const wanted = debugFiles && nextWanted(elf, debug, debugFiles);
    if (wanted !== undefined) {
      for (const fd of fds) closeSync(fd);
      return wanted;
    }
    const supplementary = openSent(debugFiles?.supplementary);
    const packageFile = openSent(debugFiles?.package);
    const files = { elf, debug, supplementary, package: packageFile, rowsMax: ROWS_MAX };
    return new OpenFile(await FileSymbols.open(files), fds);
  } catch (error) {
    for (const fd of fds) closeSync(fd);
    throw error;
  }
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
