import { CollectorError } from "../../support/errors.ts";
import { type AltLink, readAltLink, readDebugLink } from "../elf/debug-links.ts";
import { type ElfFile, readElf } from "../elf/elf-file.ts";
import { fileAccess } from "../elf/random-access.ts";
import { isMissing, type Missing } from "../executable-file.ts";
import { hasIndexes, openIndexCache } from "../index/index-cache.ts";
import type { FoundDebugFile, MissingDebugFile, WantedDebugFile } from "../sources/debug-file.ts";
import { FileSymbols, type SymbolFiles } from "./file-symbols.ts";
import { indexFile } from "./index-file.ts";
import { IndexedSymbols } from "./indexed-symbols.ts";
import { hasDebugInfo, isSplit } from "./separate-debug-info.ts";

/** What finds the files that have the debug information of others: DebugFiles is one. */
export interface DebugFileFinder {
  find(wanted: WantedDebugFile): Promise<FoundDebugFile | MissingDebugFile>;
}

/** An open file whose addresses are to be named. */
export interface SymbolTarget {
  readonly elf: ElfFile;
  /** Where it is, as `root` has it. */
  readonly path: string;
  /** `/proc/PID/root` of a live process; absent for this host. */
  readonly root?: string | undefined;
  /** Of `elf`; absent for what is no file. */
  readonly fd?: number | undefined;
}

/** How a file's index is used; without a folder it is not. */
export interface IndexUse {
  /** Of all that is kept; undefined when there is none. */
  readonly folder: string | undefined;
  /** Makes the index anew. */
  readonly makes: boolean;
}

/** A file with all that belongs to it. Whoever opens it disposes of it. */
export class OpenedSymbols implements Disposable {
  readonly symbols: FileSymbols | IndexedSymbols;
  /** Why there is no debug information, when there is none. */
  readonly missing: Missing | undefined;
  readonly #held: readonly Disposable[];

  constructor(
    symbols: FileSymbols | IndexedSymbols,
    missing: Missing | undefined,
    held: readonly Disposable[],
  ) {
    this.symbols = symbols;
    this.missing = missing;
    this.#held = symbols instanceof IndexedSymbols ? [symbols, ...held] : held;
  }

  [Symbol.dispose](): void {
    for (const one of this.#held) one[Symbol.dispose]();
  }
}

/**
 * Opens what belongs to a file: its debug file when it has no debug information itself, the dwz
 * file that this names, the .dwp file of a split program.
 *
 * @param finder  made when something has to be found
 * @param splitFile  opens a .dwo file; not given where that is not allowed
 * @throws CollectorError  an index that is to be made cannot be
 */
export async function openSymbols(
  target: SymbolTarget,
  finder: () => Promise<DebugFileFinder>,
  { splitFile, index = NO_INDEX }: OpeningOptions = {},
): Promise<OpenedSymbols> {
  const opening = new Opening(target, finder);
  return opening.open(splitFile, index);
}

interface OpeningOptions {
  readonly splitFile?: SymbolFiles["splitFile"];
  readonly index?: IndexUse;
}

const NO_INDEX: IndexUse = { folder: undefined, makes: false };

class Opening {
  readonly #target: SymbolTarget;
  readonly #finder: () => Promise<DebugFileFinder>;
  readonly #held: Disposable[] = [];
  #missing: Missing | undefined;

  constructor(target: SymbolTarget, finder: () => Promise<DebugFileFinder>) {
    this.#target = target;
    this.#finder = finder;
  }

  async open(splitFile: SymbolFiles["splitFile"], index: IndexUse): Promise<OpenedSymbols> {
    const { elf, path } = this.#target;
    try {
      const debug = hasDebugInfo(elf) ? undefined : await this.#debugFile();
      const described = debug?.elf ?? elf;
      const alt = readAltLink(described);
      const supplementary = alt && (await this.#altFile(alt, debug?.path ?? path));
      const packageFile = isSplit(described) ? await this.#packageFile() : undefined;
      const files = {
        debug: debug?.elf,
        supplementary: supplementary?.elf,
        package: packageFile?.elf,
      };
      const others = [debug?.fd, supplementary?.fd, packageFile?.fd];
      const indexed = await this.#indexOf(files, others, index);
      const symbols = indexed ?? (await FileSymbols.open({ elf, ...files, splitFile }));
      return new OpenedSymbols(symbols, this.#missing, this.#held);
    } catch (error) {
      for (const one of this.#held) one[Symbol.dispose]();
      throw error;
    }
  }

  async #indexOf(
    files: Pick<SymbolFiles, "debug" | "supplementary" | "package">,
    others: readonly (number | undefined)[],
    { folder, makes }: IndexUse,
  ): Promise<IndexedSymbols | undefined> {
    const { elf, path, fd } = this.#target;
    if (folder === undefined || fd === undefined) {
      if (makes) throw new CollectorError("NOT_FOUND", "there is no folder to keep an index in");
      return undefined;
    }
    if (!makes && !hasIndexes(folder)) return undefined;
    const cache = openIndexCache(folder);
    if (isMissing(cache)) {
      if (makes) throw new CollectorError("NOT_FOUND", cache.missing);
      return undefined;
    }
    if (makes) {
      const kept = await indexFile({ fd, name: path, others, ...files }, cache);
      if (isMissing(kept)) {
        throw new CollectorError("NOT_FOUND", `${path} has no index: ${kept.missing}`);
      }
    }
    const index = cache.find({ elf, others });
    return index && new IndexedSymbols(index, elf);
  }

  async #debugFile(): Promise<OpenedDebugFile | undefined> {
    const { elf } = this.#target;
    const debugLink = readDebugLink(elf);
    if (elf.buildId === "" && debugLink === undefined) {
      this.#missing = { missing: "it has no debug information and no build id to find some by" };
      return undefined;
    }
    return this.#found({ kind: "debuginfo", buildId: elf.buildId, debugLink });
  }

  async #altFile(alt: AltLink, path: string): Promise<OpenedDebugFile | undefined> {
    const wanted = { kind: "supplementary", buildId: alt.buildId, altLink: alt, path } as const;
    return this.#found(wanted);
  }

  async #packageFile(): Promise<OpenedDebugFile | undefined> {
    return this.#found({ kind: "package", buildId: this.#target.elf.buildId });
  }

  async #found(wanted: WantedDebugFile): Promise<OpenedDebugFile | undefined> {
    const { path, root } = this.#target;
    const finder = await this.#finder();
    const found = await finder.find({ path, root, ...wanted });
    if (isMissing(found)) {
      // A program without a package has its split units in files of their own.
      if (wanted.kind !== "package") this.#missing ??= found;
      return undefined;
    }
    this.#held.push(found);
    const { fd } = found;
    return { elf: readElf(fileAccess(fd, found.path)), path: found.path, fd };
  }
}

interface OpenedDebugFile {
  readonly elf: ElfFile;
  readonly path: string;
  /** Held until all is disposed of. */
  readonly fd: number;
}
