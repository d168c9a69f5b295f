import { isMangled, loadDemangler } from "../demangle/demangle.ts";
import { type DebugFrame, type DebugInfo, openDebugInfo } from "../dwarf/debug-info.ts";
import type { SplitFiles } from "../dwarf/split-units.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import { openMiniDebugInfo } from "../elf/mini-debug-info.ts";
import { PltStubs } from "../elf/plt-stubs.ts";
import { functionBounds } from "../elf/symbol-scan.ts";
import { type FunctionAt, findFunctions } from "../elf/symbol-table.ts";
import { isMissing, type Missing, type SymbolFrame } from "../executable-file.ts";
import { displayName } from "./display-name.ts";
import { type GoNames, isGoProgram, openGoNames } from "./go-names.ts";
import { buildSymbolIndex } from "./index-builder.ts";
import { frameOf, isNamed, placesOf } from "./named-place.ts";

/** A file with code, and the files that hold what was taken out of it. */
export interface SymbolFiles extends SplitFiles {
  readonly elf: ElfFile;
  /** Its debug file, when it is not whole itself. */
  readonly debug?: ElfFile | undefined;
  /** The dwz file that the one with the debug information names. */
  readonly supplementary?: ElfFile | undefined;
  /** False: symbol tables alone are looked at. */
  readonly lines?: boolean;
  /** As in DebugInfoOptions. */
  readonly rowsMax?: number | undefined;
}

/** Answers that are kept of a file; beyond it all are found anew. */
const ANSWERS_MAX = 200_000;

export interface NamingOptions {
  /** Calls that were inlined are frames of their own. */
  readonly inlines: boolean;
  /** Names as people read them; else as they are stored. */
  readonly demangle: boolean;
}

/** Milliseconds that debug information is looked at for one question; no end when not given. */
interface Budget {
  readonly debugMs?: number;
}

/** What is at an address. */
export interface FoundFrames {
  /** Innermost first; none where no function is, as between two. */
  readonly frames: readonly SymbolFrame[];
  /** From `low` to before `high` every address has the same; both are 0 when that is not known. */
  readonly low: number;
  readonly high: number;
}

/**
 * Names addresses of one open file. The outermost function is named by the symbol table, which
 * tells apart what the compiler made of it; those that were inlined by the debug information; where
 * there is no other name, a stub of the procedure linkage table by what it leads to.
 */
export class FileSymbols {
  readonly #debugInfo: DebugInfo | undefined;
  /** In the order in which they are asked; of a stripped file and its debug file. */
  readonly #tables: readonly ElfFile[];
  readonly #stubs: PltStubs;
  readonly #elf: ElfFile;
  readonly #lines: boolean;
  #go: GoNames | undefined;
  /** By options, by address. */
  readonly #answers = new Map<number, Map<number, FoundFrames>>();

  private constructor(files: SymbolFiles, tables: readonly ElfFile[]) {
    this.#tables = tables;
    this.#elf = files.elf;
    this.#stubs = new PltStubs(files.elf);
    this.#lines = files.lines !== false;
    this.#debugInfo = this.#lines ? debugInfoOf(files) : undefined;
  }

  /** @throws INPUT_MALFORMED, LIMIT_EXCEEDED  the symbol table that it carries is broken */
  static async open(files: SymbolFiles): Promise<FileSymbols> {
    const { elf, debug } = files;
    const mini = debug === undefined ? await openMiniDebugInfo(elf) : undefined;
    return new FileSymbols(
      files,
      [debug, elf, mini].filter((one) => one !== undefined),
    );
  }

  get hasDebugInfo(): boolean {
    return this.#debugInfo !== undefined;
  }

  /** An index would cost less. */
  get readsDebugInfo(): boolean {
    return this.hasDebugInfo;
  }

  /**
   * The index of the file, in pieces, or why it has none. What symbols and debug information leave
   * without a name is not in it: stubs, and code of a stripped Go program.
   *
   * @param rangesMax  of addresses that have the same answer
   * @throws INPUT_MALFORMED, LIMIT_EXCEEDED  a symbol table is broken; there is too much of it
   */
  buildIndex(rangesMax: number): Uint8Array[] | Missing {
    const debugInfo = this.#debugInfo;
    const code = codeOf(this.#elf);
    if (debugInfo === undefined) return { missing: "the file has no debug information" };
    if (code === undefined || debugInfo.base !== 0n) return { missing: "it is no program" };
    return buildSymbolIndex({
      debugInfo,
      code,
      rangesMax,
      symbolBounds: this.#tables.flatMap(functionBounds),
      symbolsAt: (addresses) => this.#symbolsAt(addresses),
    });
  }

  /**
   * Finds what is at each of some addresses, which are the file's own virtual addresses.
   *
   * @throws INPUT_MALFORMED, LIMIT_EXCEEDED  a symbol table is broken
   */
  async find(
    addresses: ArrayLike<bigint>,
    options: NamingOptions,
    budget: Budget = {},
  ): Promise<FoundFrames[]> {
    const answers = this.#answersFor(options);
    const known = Array.from(addresses, (address) => answers.get(Number(address)));
    const asked = Array.from(addresses).filter((_, index) => known[index] === undefined);
    if (asked.length === 0) return known as FoundFrames[];
    const found = await this.#findNew(asked, options, budget);
    for (const [index, address] of asked.entries()) {
      const answer = found[index] as FoundFrames;
      const place = Number(address);
      // What was not looked at for want of time is asked again.
      if (answer.high > 0 && Number.isSafeInteger(place)) answers.set(place, answer);
    }
    if (answers.size > ANSWERS_MAX) answers.clear();
    let next = 0;
    return known.map((answer) => answer ?? (found[next++] as FoundFrames));
  }

  #answersFor({ inlines, demangle }: NamingOptions): Map<number, FoundFrames> {
    const key = (inlines ? 1 : 0) + (demangle ? 2 : 0);
    return this.#answers.getOrInsertComputed(key, () => new Map());
  }

  async #findNew(
    addresses: readonly bigint[],
    options: NamingOptions,
    { debugMs = Number.POSITIVE_INFINITY }: Budget,
  ): Promise<FoundFrames[]> {
    const symbols = this.#symbolsAt(addresses);
    const debugged = this.#debugFramesAt(addresses, options.inlines, debugMs);
    const others = symbols.map(({ symbol }, index) => {
      const address = addresses[index] as bigint;
      if (symbol !== undefined) return this.#knowsLines ? NO_FRAMES : this.#goAt(address, options);
      const isKnown = isNamed(debugged[index]?.at(-1));
      return isKnown ? NO_FRAMES : this.#otherFrames(address, options);
    });
    if (options.demangle && hasMangled(symbols, debugged, others)) await loadDemangler();
    return symbols.map((symbol, index) =>
      joined(symbol, debugged[index], {
        options,
        address: addresses[index] as bigint,
        others: others[index] ?? NO_FRAMES,
        hasDebugInfo: this.#debugInfo !== undefined,
      }),
    );
  }

  /** What neither symbols nor debug information name: a stub, or code of a stripped Go program. */
  #otherFrames(address: bigint, options: NamingOptions): readonly SymbolFrame[] {
    const stub = this.#stubs.nameAt(address);
    return stub === undefined ? this.#goAt(address, options) : [{ name: stub, systemName: stub }];
  }

  /** False of a Go program that keeps its symbols alone: its lines stand in its own table. */
  get #knowsLines(): boolean {
    return this.#debugInfo !== undefined || !this.#lines || !isGoProgram(this.#elf);
  }

  #goAt(address: bigint, { inlines }: NamingOptions): readonly SymbolFrame[] {
    this.#go ??= openGoNames(this.#elf);
    return this.#go.framesAt(Number(address), inlines);
  }

  /** The tables after the first are asked only about what is still without a name. */
  #symbolsAt(addresses: ArrayLike<bigint>): FunctionAt[] {
    const [first, ...others] = this.#tables;
    const found = first === undefined ? [] : findFunctions(first, addresses);
    for (const table of others) {
      const left = Array.from(found.keys()).filter((index) => found[index]?.symbol === undefined);
      if (left.length === 0) break;
      const more = findFunctions(
        table,
        left.map((index) => addresses[index] as bigint),
      );
      for (const [place, index] of left.entries()) {
        found[index] = narrower(found[index] as FunctionAt, more[place] as FunctionAt);
      }
    }
    return found;
  }

  /** In the order of addresses, so that each unit is read once. */
  #debugFramesAt(
    addresses: ArrayLike<bigint>,
    inlines: boolean,
    debugMs: number,
  ): (readonly DebugFrame[] | undefined)[] {
    const info = this.#debugInfo;
    if (info === undefined) return [];
    const { base } = info;
    const places = Float64Array.from(addresses, (address) => Number(address - base));
    const order = Uint32Array.from(places.keys());
    order.sort((a, b) => (places[a] as number) - (places[b] as number));
    const frames = new Array<readonly DebugFrame[] | undefined>(places.length);
    const endMs = performance.now() + debugMs;
    info.begin();
    for (const index of order) {
      if (info.isOver || performance.now() > endMs) break;
      const place = places[index] as number;
      frames[index] = Number.isSafeInteger(place) ? info.framesAt(place, { inlines }) : [];
    }
    return frames;
  }
}

/** Undefined for what is never run, or lies too high. */
function codeOf({
  segments,
}: ElfFile): { readonly start: number; readonly end: number } | undefined {
  const code = segments.filter(({ executable }) => executable);
  const start = Math.min(...code.map(({ address }) => Number(address)));
  const end = Math.max(...code.map(({ address, memorySize }) => Number(address + memorySize)));
  return code.length > 0 && Number.isSafeInteger(end) ? { start, end } : undefined;
}

function debugInfoOf({ elf, debug, ...others }: SymbolFiles): DebugInfo | undefined {
  for (const file of [elf, debug]) {
    const info = file && openDebugInfo(file, others);
    if (info !== undefined && !isMissing(info)) return info;
  }
  return undefined;
}

/** Both say where they hold; what holds for both is where they meet. */
function narrower(first: FunctionAt, second: FunctionAt): FunctionAt {
  const isKnown = first.high > 0 && second.high > 0;
  return {
    symbol: second.symbol,
    low: isKnown ? Math.max(first.low, second.low) : 0,
    high: isKnown ? Math.min(first.high, second.high) : 0,
  };
}

function hasMangled(
  symbols: readonly FunctionAt[],
  debugged: readonly (readonly DebugFrame[] | undefined)[],
  others: readonly (readonly SymbolFrame[])[],
): boolean {
  return (
    others.some((frames) => frames.some(({ systemName }) => isMangled(systemName))) ||
    symbols.some(({ symbol }) => symbol !== undefined && isMangled(symbol.name)) ||
    debugged.some((frames = []) => frames.some(({ linkageName = "" }) => isMangled(linkageName)))
  );
}

interface Joining {
  readonly options: NamingOptions;
  readonly address: bigint;
  /** Of what has no other name. */
  readonly others: readonly SymbolFrame[];
  readonly hasDebugInfo: boolean;
}

function joined(
  { symbol, low, high }: FunctionAt,
  debugged: readonly DebugFrame[] | undefined,
  { options, address, others, hasDebugInfo }: Joining,
): FoundFrames {
  const { demangle } = options;
  const frames = placesOf(symbol, debugged ?? []).map((place) => frameOf(place, demangle));
  if (symbol !== undefined && others.length > 0) {
    const { name, systemName } = frames.at(-1) as SymbolFrame;
    const around = { ...(others.at(-1) as SymbolFrame), name, systemName };
    return { frames: [...others.slice(0, -1), around], ...oneAddress(address, true) };
  }
  if (frames.length === 0) {
    // A stub may be the next address, though no symbol begins there.
    const shown = others.map((frame) => shownOther(frame, demangle));
    return { frames: shown, ...oneAddress(address, true) };
  }
  const range = hasDebugInfo ? oneAddress(address, debugged !== undefined) : { low, high };
  return { frames, ...range };
}

/** The next address may be of another line; what was not looked at is not known at all. */
function oneAddress(address: bigint, isKnown: boolean): { low: number; high: number } {
  const low = Number(address);
  return isKnown && Number.isSafeInteger(low) ? { low, high: low + 1 } : { low: 0, high: 0 };
}

const NO_FRAMES: readonly SymbolFrame[] = [];
const STUB_MARK = "@plt";

function shownOther(frame: SymbolFrame, demangles: boolean): SymbolFrame {
  const { systemName } = frame;
  if (!demangles || !systemName.endsWith(STUB_MARK)) return frame;
  const target = systemName.slice(0, -STUB_MARK.length);
  const name = displayName({ systemName: target, readableName: target });
  return { ...frame, name: `${name}${STUB_MARK}` };
}
