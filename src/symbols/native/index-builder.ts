import type { DebugFrame, DebugInfo } from "../dwarf/debug-info.ts";
import { lastAtOrBefore } from "../dwarf/unit-scan.ts";
import type { FunctionAt, FunctionSymbol } from "../elf/symbol-table.ts";
import type { Missing } from "../executable-file.ts";
import { type IndexedPlace, IndexWriter } from "../index/index-writer.ts";
import { inlinedPlace, type NamedPlace, placesOf } from "./named-place.ts";
import { RangeColumns } from "./range-columns.ts";

/** Addresses whose symbols are looked up in one pass over the symbol tables. */
const SYMBOLS_AT_ONCE = 32_768;
/** Addresses of an index are 32 bits from its base on. */
const SPAN_MAX = 2 ** 32;

/** What an index is made of. */
export interface IndexedFile {
  readonly debugInfo: DebugInfo;
  /** Where symbols begin and end, in any order. */
  readonly symbolBounds: readonly number[];
  /** The symbol around each address, which are in order. */
  symbolsAt(addresses: BigUint64Array): readonly FunctionAt[];
  /** All code is from `start` to before `end`. */
  readonly code: { readonly start: number; readonly end: number };
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
  const answers = new Answers();
  const addAll = (bounds: Float64Array): void => {
    for (const address of sortedOnce(bounds)) {
      if (!(address >= code.start && address < code.end)) continue;
      answers.add(address, symbols.at(address), debugInfo.framesAt(address));
    }
  };
  addAll(symbols.starts);
  for (const bounds of debugInfo.bounds()) addAll(bounds);
  return answers.finish(code.start);
}

/** The symbol around every address, found at once for all. */
class SymbolRanges {
  readonly starts: Float64Array;
  readonly #symbols: (FunctionSymbol | undefined)[] = [];

  constructor({ symbolBounds, symbolsAt, code }: IndexedFile) {
    const { start, end } = code;
    const inside = symbolBounds.filter((bound) => bound >= start && bound < end);
    this.starts = sortedOnce(Float64Array.from([start, ...inside]));
    for (let first = 0; first < this.starts.length; first += SYMBOLS_AT_ONCE) {
      const asked = this.starts.subarray(first, first + SYMBOLS_AT_ONCE);
      for (const { symbol } of symbolsAt(BigUint64Array.from(asked, BigInt))) {
        this.#symbols.push(symbol);
      }
    }
  }

  at(address: number): FunctionSymbol | undefined {
    return this.#symbols[lastAtOrBefore(this.starts, address)];
  }
}

/** What is at each address, as numbers of an index. */
class Answers {
  readonly #writer = new IndexWriter();
  readonly #ranges = new RangeColumns();
  /** The call around what was inlined, by its own frame and the symbol around all of them. */
  readonly #calls = new Map<DebugFrame, Map<FunctionSymbol | undefined, number>>();

  add(start: number, symbol: FunctionSymbol | undefined, debugged: readonly DebugFrame[]): void {
    const [innermost, around] = debugged;
    if (innermost === undefined || around === undefined) {
      const [place] = placesOf(symbol, debugged);
      if (place === undefined) this.#ranges.addGap(start);
      else this.#ranges.add({ start, ...this.#placeOf(place), call: 0 });
      return;
    }
    const call = this.#callOf(around, symbol, debugged);
    this.#ranges.add({ start, ...this.#placeOf(inlinedPlace(innermost)), call });
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
    const bySymbol = this.#calls.getOrInsertComputed(around, () => new Map());
    return bySymbol.getOrInsertComputed(symbol, () => {
      const [, ...outer] = placesOf(symbol, debugged);
      return outer.reduceRight((call, place) => this.#writer.call(this.#placeOf(place), call), 0);
    });
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

/** Ascending, each once. */
function sortedOnce(values: Float64Array): Float64Array {
  const sorted = values.toSorted();
  let count = 0;
  for (const value of sorted) {
    if (count === 0 || sorted[count - 1] !== value) sorted[count++] = value;
  }
  return sorted.subarray(0, count);
}
