import { decodeUtf8 } from "../../support/byte-reader.ts";
import { lastAtOrBefore } from "../../support/sorted-search.ts";
import type { ElfFile } from "./elf-file.ts";
import { type FoundFunctions, NO_NAME, nameBytes, scanSymbols } from "./symbol-scan.ts";

/** A longer name is not given out; the longest of a large C++ program seen has 13,000 bytes. */
export const SYMBOL_NAME_BYTES_MAX: number = 32 * 1024;
/** Symbols around one address that are looked at; real code nests three deep. */
export const NESTING_MAX = 64;
const NONE = 0xffffffff;

export interface FunctionSymbol {
  /** As it is stored: of several at one place the one that llvm-symbolizer takes too. */
  readonly name: string;
  /** Which of them people expect to read. */
  readonly readableName: string;
  /** The source file that it stands under, without folders; undefined when none is said. */
  readonly file: string | undefined;
  readonly start: bigint;
  readonly size: bigint;
}

/** What covers an address. */
export interface FunctionAt {
  /** The innermost function around it; undefined where there is none. Equal ones are one object. */
  readonly symbol: FunctionSymbol | undefined;
  /**
   * The addresses from `low` to before `high` have the same answer. Both are 0 in a file that
   * lies above 2^53.
   */
  readonly low: number;
  readonly high: number;
}

/**
 * Finds the functions of .symtab and .dynsym that cover addresses. Between functions there is
 * no name: what the nearest function before a gap is called says nothing of the gap.
 *
 * Nothing is kept of the file and hardly anything read of its names, so a file of a million
 * symbols costs one pass over them and no memory.
 *
 * @returns one for each address, in their order
 * @throws INPUT_MALFORMED, LIMIT_EXCEEDED  as scanSymbols does
 */
export function findFunctions(elf: ElfFile, addresses: ArrayLike<bigint>): FunctionAt[] {
  const asked = Array.from(addresses);
  const found = scanSymbols(elf, asked);
  const outer = outerRows(found);
  const symbols = new Map<number, FunctionSymbol | undefined>();
  return asked.map((address) => {
    const place = Number(address - found.base);
    if (!(place >= 0 && place <= Number.MAX_SAFE_INTEGER)) return NOWHERE;
    const row = rowAround(found, outer, place);
    const range = found.ranges.around(place);
    const symbol =
      row === NONE
        ? unsizedAt(found, range.low)
        : symbols.getOrInsertComputed(row, () => symbolOf(found, row));
    return { symbol, ...(found.base === 0n ? range : NO_RANGE) };
  });
}

const NO_RANGE = { low: 0, high: 0 };
const NOWHERE: FunctionAt = { symbol: undefined, ...NO_RANGE };

function rowAround({ starts, sizes }: FoundFunctions, outer: Uint32Array, place: number): number {
  const last = lastAtOrBefore(starts, place);
  let row = last < 0 ? NONE : last;
  for (let depth = 0; depth < NESTING_MAX && row !== NONE; depth++) {
    if (place - (starts[row] as number) < (sizes[row] as number)) return row;
    row = outer[row] as number;
  }
  return NONE;
}

function symbolOf(found: FoundFunctions, row: number): FunctionSymbol | undefined {
  const { base, starts, sizes, names, readableNames, files } = found;
  const name = nameOf(found, names[row] as number);
  if (name === undefined) return undefined;
  const start = base + BigInt(starts[row] as number);
  const isOnly = readableNames[row] === names[row];
  const readableName = isOnly ? name : (nameOf(found, readableNames[row] as number) ?? name);
  const file = files[row] === NO_NAME ? undefined : nameOf(found, files[row] as number);
  return { name, readableName, file, start, size: BigInt(sizes[row] as number) };
}

/** The function without a size that is the last thing to begin or end before an address. */
function unsizedAt(found: FoundFunctions, low: number): FunctionSymbol | undefined {
  const unsized = found.unsized.get(low);
  const name = unsized && nameOf(found, unsized.name);
  if (unsized === undefined || name === undefined) return undefined;
  const file = unsized.file === NO_NAME ? undefined : nameOf(found, unsized.file);
  return { name, readableName: name, file, start: found.base + BigInt(low), size: 0n };
}

function nameOf({ tables }: FoundFunctions, name: number): string | undefined {
  const bytes = nameBytes(tables, name, SYMBOL_NAME_BYTES_MAX + 1);
  return bytes.length > SYMBOL_NAME_BYTES_MAX ? undefined : decodeUtf8(bytes);
}

/**
 * When a symbol ends before an address, whatever covers it begins earlier and ends later: the
 * nearest such row is the next to be tried.
 */
function outerRows({ starts, sizes }: FoundFunctions): Uint32Array {
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
