import { decodeUtf8 } from "../../support/byte-reader.ts";
import type { ElfFile } from "./elf-file.ts";
import { readSymbolColumns, type SymbolColumns } from "./symbol-columns.ts";

/** A longer name is not given out; the longest of a large C++ program seen has 13,000 bytes. */
export const SYMBOL_NAME_BYTES_MAX: number = 32 * 1024;
/** Symbols around one address that are looked at; real code nests three deep. */
export const NESTING_MAX = 64;
/** Answers that are kept, so that hot functions are decoded once. */
const ANSWERS_MAX = 4096;
/** What a row takes in the columns: start and size 8 each, name and outer 4 each. */
const ROW_BYTES = 24;
const NONE = 0xffffffff;

export interface FunctionSymbol {
  readonly name: string;
  readonly start: bigint;
  readonly size: bigint;
}

/**
 * Reads the functions of .symtab and .dynsym; an empty table when the file has neither.
 *
 * @throws INPUT_MALFORMED, LIMIT_EXCEEDED  as readSymbolColumns does
 */
export function readSymbolTable(elf: ElfFile): SymbolTable {
  return new SymbolTable(readSymbolColumns(elf));
}

/**
 * Finds the function that covers an address. Between functions there is no name: what the
 * nearest function before a gap is called says nothing of the gap.
 */
export class SymbolTable {
  /** Functions with a range of their own. */
  readonly count: number;
  /** Bytes of the columns and the strings under them, for who keeps many tables. */
  readonly byteSize: number;
  readonly #columns: SymbolColumns;
  /** Row of the nearest symbol before that ends later, NONE when none does. */
  readonly #outer: Uint32Array;
  readonly #answers = new Map<number, FunctionSymbol>();

  constructor(columns: SymbolColumns) {
    this.#columns = columns;
    this.count = columns.starts.length;
    this.#outer = outerRows(columns);
    this.byteSize = this.count * ROW_BYTES + columns.strings[0].length + columns.strings[1].length;
  }

  /** The innermost function around the address. Equal answers may be the same object. */
  lookup(address: bigint): FunctionSymbol | undefined {
    const { base, starts, sizes } = this.#columns;
    const place = Number(base === 0n ? address : address - base);
    if (!Number.isSafeInteger(place)) return undefined;
    let row = lastAtOrBefore(starts, place);
    for (let depth = 0; depth < NESTING_MAX && row !== NONE; depth++) {
      if (place - (starts[row] as number) < (sizes[row] as number)) return this.#answer(row);
      row = this.#outer[row] as number;
    }
    return undefined;
  }

  #answer(row: number): FunctionSymbol | undefined {
    const known = this.#answers.get(row);
    if (known !== undefined) return known;
    const { base, starts, sizes, names, strings } = this.#columns;
    const name = nameAt(strings, names[row] as number);
    if (name === undefined) return undefined;
    const start = base + BigInt(starts[row] as number);
    const answer = { name, start, size: BigInt(sizes[row] as number) };
    if (this.#answers.size >= ANSWERS_MAX) this.#answers.clear();
    this.#answers.set(row, answer);
    return answer;
  }
}

/** Row of the last start that is not after `place`; NONE when there is none. */
function lastAtOrBefore(starts: Float64Array, place: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] as number) <= place) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? NONE : low - 1;
}

/**
 * When a symbol ends before an address, whatever covers it begins earlier and ends later: the
 * nearest such row is the next to be tried.
 */
function outerRows({ starts, sizes }: SymbolColumns): Uint32Array {
  const outer = new Uint32Array(starts.length);
  const endOf = (row: number): number => (starts[row] as number) + (sizes[row] as number);
  for (let row = 0; row < starts.length; row++) {
    let candidate = row === 0 ? NONE : row - 1;
    while (candidate !== NONE && endOf(candidate) <= endOf(row)) {
      candidate = outer[candidate] as number;
    }
    outer[row] = candidate;
  }
  return outer;
}

function nameAt(strings: readonly [Uint8Array, Uint8Array], offset: number): string | undefined {
  const [first, second] = strings;
  const bytes = offset < first.length ? first : second;
  const start = offset < first.length ? offset : offset - first.length;
  const longest = bytes.subarray(start, start + SYMBOL_NAME_BYTES_MAX + 1);
  const length = longest.indexOf(0);
  return length < 0 ? undefined : decodeUtf8(longest.subarray(0, length));
}
