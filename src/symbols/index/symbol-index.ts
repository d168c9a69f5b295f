import { malformed } from "../../support/errors.ts";
import { countBefore } from "../../support/sorted-search.ts";
import type { RandomAccess } from "../elf/random-access.ts";
import type { NamedPlace } from "../native/named-place.ts";
import { BlockReader } from "./block-reader.ts";
import {
  blockCount,
  decodeHeader,
  ENTRIES_PER_BLOCK,
  HEADER_BYTES,
  type IndexHeader,
  OFFSET_BYTES,
  RANGE_ENTRY_BYTES,
  RANGE_HAS_CALL,
  RANGE_HAS_COLUMN,
  RANGE_HAS_FILE,
  RANGE_HAS_NAME,
  RANGE_IS_GAP,
  RANGES_PER_BLOCK,
} from "./index-format.ts";
import type { IndexedPlace, IndexedRange } from "./index-writer.ts";

/** Calls inside of one another, as in the debug information that they are from. */
const CHAIN_MAX = 256;
/** Names and paths that are kept, decoded. */
const TEXTS_MAX = 16_384;

/** What an index says of an address. */
export interface IndexedFrames {
  /** Innermost first; none where no function is. */
  readonly places: readonly NamedPlace[];
  /** From `low` to before `high` every address has the same. */
  readonly low: number;
  readonly high: number;
}

/** The symbols of one file, as an index has them. Only what is asked for is read. */
export class SymbolIndex {
  readonly #name: string;
  readonly #header: IndexHeader;
  readonly #reader: BlockReader;
  /** First address and offset of each block of ranges, by turns. */
  readonly #ranges: Uint32Array;
  readonly #calls: Uint32Array;
  readonly #texts: Uint32Array;
  readonly #names: Uint32Array;
  readonly #knownTexts = new Map<number, string>();

  /** @throws INPUT_MALFORMED  it is no index, or not a whole one */
  constructor(access: RandomAccess) {
    this.#name = access.name;
    this.#header = decodeHeader(access.read(0, HEADER_BYTES), access.size, access.name);
    this.#reader = new BlockReader(access);
    const { ranges, calls, names, texts } = this.#header;
    let offset = HEADER_BYTES;
    const words = (count: number, entryBytes: number): Uint32Array => {
      const bytes = Uint8Array.from(access.read(offset, count * entryBytes));
      offset += bytes.length;
      return new Uint32Array(bytes.buffer);
    };
    this.#ranges = words(blockCount(ranges, RANGES_PER_BLOCK), RANGE_ENTRY_BYTES);
    this.#calls = words(blockCount(calls, ENTRIES_PER_BLOCK), OFFSET_BYTES);
    this.#texts = words(blockCount(texts, ENTRIES_PER_BLOCK), OFFSET_BYTES);
    this.#names = words(blockCount(names, ENTRIES_PER_BLOCK), OFFSET_BYTES);
  }

  /**
   * What is at an own virtual address of the file.
   *
   * @throws INPUT_MALFORMED  the index is broken
   */
  framesAt(address: number): IndexedFrames {
    const place = address - this.#header.base;
    const block = this.#blockOf(place);
    if (block < 0) return { places: [], low: 0, high: this.#header.base };
    const { range, end } = this.#rangeAt(block, place);
    const [low, high] = [range.start + this.#header.base, end + this.#header.base];
    return { places: this.#placesOf(range), low, high };
  }

  /** The last block of ranges that does not begin after a place; -1 for none. */
  #blockOf(place: number): number {
    const ranges = this.#ranges;
    return countBefore(ranges.length / 2, (row) => (ranges[2 * row] as number) <= place) - 1;
  }

  /** Of a block, the last range that does not begin after a place, and where the next one does. */
  #rangeAt(block: number, place: number): { range: IndexedRange; end: number } {
    const reader = this.#reader;
    const first = this.#ranges[2 * block] as number;
    reader.seek(this.#ranges[2 * block + 1] as number);
    let [start, name, file, line, column, call] = [first, 0, 0, 0, 0, 0];
    let range: IndexedRange | undefined;
    const left = this.#header.ranges - block * RANGES_PER_BLOCK;
    for (let count = Math.min(left, RANGES_PER_BLOCK); count > 0; count--) {
      start += reader.uleb();
      if (start > place && range !== undefined) return { range, end: start };
      const flags = reader.u8();
      if ((flags & RANGE_IS_GAP) !== 0) {
        range = { start, name: 0, file: 0, line: 0, column: 0, call: 0 };
        continue;
      }
      line += reader.zigzag();
      if ((flags & RANGE_HAS_NAME) !== 0) name += reader.zigzag();
      if ((flags & RANGE_HAS_FILE) !== 0) file += reader.zigzag();
      if ((flags & RANGE_HAS_CALL) !== 0) call += reader.zigzag();
      if ((flags & RANGE_HAS_COLUMN) !== 0) column = reader.uleb();
      range = { start, name, file, line, column, call };
    }
    if (range === undefined) throw malformed(this.#name, `has nothing in block ${block}`);
    const end = this.#ranges[2 * block + 2] ?? Number.MAX_SAFE_INTEGER - this.#header.base;
    return { range, end };
  }

  #placesOf(range: IndexedRange): readonly NamedPlace[] {
    if (range.name === 0) return [];
    const places = [this.#placeOf(range)];
    let next = range.call;
    while (next !== 0 && places.length < CHAIN_MAX) {
      const { around, ...call } = this.#callAt(next);
      places.push(this.#placeOf(call));
      next = around;
    }
    return places;
  }

  #callAt(number: number): IndexedPlace & { readonly around: number } {
    const reader = this.#reader;
    let at = this.#seek(this.#calls, number, this.#header.calls);
    let [name, file, line, column, back] = [0, 0, 0, 0, 0];
    for (; at >= 0; at--) {
      back = reader.uleb();
      name += reader.zigzag();
      file += reader.zigzag();
      line += reader.zigzag();
      column = reader.uleb();
    }
    return { name, file, line, column, around: number - back };
  }

  #placeOf({ name, file, line, column }: IndexedPlace): NamedPlace {
    const reader = this.#reader;
    let at = this.#seek(this.#names, name, this.#header.names);
    let [system, readable] = [0, 0];
    for (; at >= 0; at--) {
      system += reader.zigzag();
      readable = system + reader.zigzag();
    }
    return {
      systemName: this.#text(system),
      readableName: this.#text(readable),
      file: file === 0 ? undefined : this.#text(file),
      line: line === 0 ? undefined : line,
      column: column === 0 ? undefined : column,
    };
  }

  #text(number: number): string {
    if (number === 0) return "";
    const known = this.#knownTexts.get(number);
    if (known !== undefined) return known;
    const reader = this.#reader;
    for (let at = this.#seek(this.#texts, number, this.#header.texts); at > 0; at--) {
      reader.skip(reader.uleb());
    }
    const text = reader.text(reader.uleb());
    if (this.#knownTexts.size >= TEXTS_MAX) this.#knownTexts.clear();
    this.#knownTexts.set(number, text);
    return text;
  }

  /** Goes to the block of an entry. Returns how many entries are before it there. */
  #seek(directory: Uint32Array, number: number, count: number): number {
    if (!(number >= 1 && number <= count)) {
      throw malformed(this.#name, `refers to entry ${number} of ${count}`);
    }
    const index = number - 1;
    this.#reader.seek(directory[Math.floor(index / ENTRIES_PER_BLOCK)] as number);
    return index % ENTRIES_PER_BLOCK;
  }
}
