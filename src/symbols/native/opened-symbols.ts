import { type AltLink, readAltLink, readDebugLink } from "../elf/debug-links.ts";
import { type ElfFile, readElf } from "../elf/elf-file.ts";
import { fileAccess } from "../elf/random-access.ts";
import { isMissing, type Missing } from "../executable-file.ts";
import type { FoundDebugFile, MissingDebugFile, WantedDebugFile } from "../sources/debug-file.ts";
import { FileSymbols, type SymbolFiles } from "./file-symbols.ts";
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
}

/** A file with all that belongs to it. Whoever opens it disposes of it. */
export class OpenedSymbols implements Disposable {
  readonly symbols: FileSymbols;
  /** Why there is no debug information, when there is none. */
  readonly missing: Missing | undefined;
  readonly #held: readonly Disposable[];

  constructor(symbols: FileSymbols, missing: Missing | undefined, held: readonly Disposable[]) {
    this.symbols = symbols;
    this.missing = missing;
    this.#held = held;
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
 */
export async function openSymbols(
  target: SymbolTarget,
  finder: () => Promise<DebugFileFinder>,
  splitFile?: SymbolFiles["splitFile"],
): Promise<OpenedSymbols> {
  const opening = new Opening(target, finder);
  return opening.open(splitFile);
}

class Opening {
  readonly #target: SymbolTarget;
  readonly #finder: () => Promise<DebugFileFinder>;
  readonly #held: Disposable[] = [];
  #missing: Missing | undefined;

  constructor(target: SymbolTarget, finder: () => Promise<DebugFileFinder>) {
    this.#target = target;
    this.#finder = finder;
  }

  async open(splitFile: SymbolFiles["splitFile"]): Promise<OpenedSymbols> {
    const { elf, path } = this.#target;
    try {
      const debug = hasDebugInfo(elf) ? undefined : await this.#debugFile();
      const described = debug?.elf ?? elf;
      const alt = readAltLink(described);
      const supplementary = alt && (await this.#altFile(alt, debug?.path ?? path));
      const packageFile = isSplit(described) ? await this.#packageFile() : undefined;
      const symbols = await FileSymbols.open({
        elf,
        debug: debug?.elf,
        supplementary,
        package: packageFile,
        splitFile,
      });
      return new OpenedSymbols(symbols, this.#missing, this.#held);
    } catch (error) {
      for (const one of this.#held) one[Symbol.dispose]();
      throw error;
    }
  }

  async #debugFile(): Promise<{ readonly elf: ElfFile; readonly path: string } | undefined> {
    const { elf } = this.#target;
    const debugLink = readDebugLink(elf);
    if (elf.buildId === "" && debugLink === undefined) {
      this.#missing = { missing: "it has no debug information and no build id to find some by" };
      return undefined;
    }
    return this.#found({ kind: "debuginfo", buildId: elf.buildId, debugLink });
  }

  async #altFile(alt: AltLink, path: string): Promise<ElfFile | undefined> {
    const wanted = { kind: "supplementary", buildId: alt.buildId, altLink: alt, path } as const;
    return (await this.#found(wanted))?.elf;
  }

  async #packageFile(): Promise<ElfFile | undefined> {
    return (await this.#found({ kind: "package", buildId: this.#target.elf.buildId }))?.elf;
  }

  async #found(
    wanted: WantedDebugFile,
  ): Promise<{ readonly elf: ElfFile; readonly path: string } | undefined> {
    const { path, root } = this.#target;
    const finder = await this.#finder();
    const found = await finder.find({ path, root, ...wanted });
    if (isMissing(found)) {
      // A program without a package has its split units in files of their own.
      if (wanted.kind !== "package") this.#missing ??= found;
      return undefined;
    }
    this.#held.push(found);
    return { elf: readElf(fileAccess(found.fd, found.path)), path: found.path };
  }
}
