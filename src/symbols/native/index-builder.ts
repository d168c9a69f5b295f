import { lastAtOrBefore } from "../../support/sorted-search.ts";
import type { DebugFrame, DebugInfo } from "../dwarf/debug-info.ts";
import type { FunctionAt, FunctionSymbol } from "../elf/symbol-table.ts";
import type { Missing } from "../executable-file.ts";
import { type IndexedPlace, IndexWriter } from "../index/index-writer.ts";
import { inlinedPlace, isNamed, type NamedPlace, placesOf } from "./named-place.ts";
import { RangeColumns } from "./range-columns.ts";

/** Addresses whose symbols are looked up in one pass over the symbol tables. */
const SYMBOLS_AT_ONCE = 32_768;
/** Addresses of an index are 32 bits from its base on. */
const SPAN_MAX = 2 ** 32;

/** What an index is made of. */
export interface IndexedFile {
  readonly debugInfo: Pick<DebugInfo, "bounds" | "framesAt">;
  /** Where symbols begin and end, in any order. */
  readonly symbolBounds: readonly number[];
  /** The symbol around each address, which are in order. */
  symbolsAt(addresses: BigUint64Array): readonly FunctionAt[];
  /** All code is from `start` to before `end`. */
  readonly code: { readonly start: number; readonly end: number };
  /** More than so many are not kept while the index is made. */
  readonly rangesMax: number;
}

/**
 * Says once for all addresses of a file what is there, in the bytes of an index. What holds for
 * the first address of a range holds for all of it: ranges begin wherever anything does that an
 * answer depends on.
 *
 * @throws INPUT_MALFORMED, LIMIT_EXCEEDED  a symbol table is broken; there is too much of it
 */
export function buildSymbolIndex(file: IndexedFile): Uint8Array[] | Missing {
  const { code, debugInfo } = file;
  if (code.end - code.start >= SPAN_MAX) return { missing: "its code is spread over 4 GiB" };
  const symbols = new SymbolRanges(file);
  const answers = new Answers(file.rangesMax);
  const addAll = (bounds: readonly Float64Array[]): void => {
    for (const address of sortedOnce(bounds, code)) {
      answers.add(address, symbols.at(address), debugInfo.framesAt(address));
    }
  };
  for (const bounds of debugInfo.bounds()) addAll(bounds);
  // Most are where functions of units begin and end, and were asked about with them.
  addAll([symbols.startsLeft()]);
  answers.addEnd(code.end);
  return answers.finish(code.start);
}

/** The symbol around every address, found at once for all. */
class SymbolRanges {
  readonly #starts: Float64Array;
  readonly #symbols: (FunctionSymbol | undefined)[] = [];
  /** 1 for a start that was asked about. */
  readonly #wasAsked: Uint8Array;

  constructor({ symbolBounds, symbolsAt, code }: IndexedFile) {
    const bounds = [Float64Array.of(code.start), Float64Array.from(symbolBounds)];
    this.#starts = sortedOnce(bounds, code);
    this.#wasAsked = new Uint8Array(this.#starts.length);
    for (let first = 0; first < this.#starts.length; first += SYMBOLS_AT_ONCE) {
      const asked = this.#starts.subarray(first, first + SYMBOLS_AT_ONCE);
      for (const { symbol } of symbolsAt(BigUint64Array.from(asked, BigInt))) {
        this.#symbols.push(symbol);
      }
    }
  }

  at(address: number): FunctionSymbol | undefined {
    const index = lastAtOrBefore(this.#starts, address);
    if (this.#starts[index] === address) this.#wasAsked[index] = 1;
    return this.#symbols[index];
  }

  startsLeft(): Float64Array {
    return this.#starts.filter((_, index) => this.#wasAsked[index] === 0);
  }
}

/** What is at each address, as numbers of an index. */
class Answers {
  readonly #writer = new IndexWriter();
  readonly #ranges: RangeColumns;
  /** The call around what was inlined, by its own frame; with the symbol around all of them. */
  readonly #calls = new WeakMap<DebugFrame, KnownCall>();

  constructor(rangesMax: number) {
    this.#ranges = new RangeColumns(rangesMax);
  }

  add(start: number, symbol: FunctionSymbol | undefined, debugged: readonly DebugFrame[]): void {
    const [innermost, around] = debugged;
    const isInlined = innermost !== undefined && around !== undefined;
    if (!isInlined || !isNamed(debugged.at(-1))) {
      const [place] = placesOf(symbol, debugged);
      if (place === undefined) this.#ranges.addGap(start);
      else this.#ranges.add({ start, ...this.#placeOf(place), call: 0 });
      return;
    }
    const call = this.#callOf(around, symbol, debugged);
    this.#ranges.add({ start, ...this.#placeOf(inlinedPlace(innermost)), call });
  }

  /** From there on there is no code. */
  addEnd(end: number): void {
    this.#ranges.addGap(end);
  }

  finish(base: number): Uint8Array[] {
    for (const range of this.#ranges.merged()) this.#writer.range(range);
    return this.#writer.finish(base);
  }

  /** The same chain of calls has the same frames, from the first one around on. */
  #callOf(
    around: DebugFrame,
    symbol: FunctionSymbol | undefined,
    debugged: readonly DebugFrame[],
  ): number {
    const known = this.#calls.get(around);
    if (known !== undefined && known.symbol === symbol) return known.call;
    const [, ...outer] = placesOf(symbol, debugged);
    const call = outer.reduceRight(
      (next, place) => this.#writer.call(this.#placeOf(place), next),
      0,
    );
    this.#calls.set(around, { symbol, call });
    return call;
  }

  #placeOf({ systemName, readableName, file, line, column }: NamedPlace): IndexedPlace {
    return {
      name: this.#writer.name(systemName, readableName),
      file: this.#writer.text(file ?? ""),
      line: line ?? 0,
      column: column ?? 0,
    };
  }
}

interface KnownCall {
  readonly symbol: FunctionSymbol | undefined;
  readonly call: number;
}

/** Those in the code: ascending, each once. */
function sortedOnce(
  lists: readonly Float64Array[],
  { start, end }: IndexedFile["code"],
): Float64Array {
  const all = new Float64Array(lists.reduce((sum, { length }) => sum + length, 0));
  let count = 0;
  for (const list of lists) {
    for (const value of list) if (value >= start && value < end) all[count++] = value;
  }
  const sorted = all.subarray(0, count).sort();
  count = 0;
  for (const value of sorted) {
    if (count === 0 || sorted[count - 1] !== value) sorted[count++] = value;
  }
  return sorted.subarray(0, count);
}
