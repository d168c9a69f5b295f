import { ByteSink } from "./byte-sink.ts";
import {
  ENTRIES_PER_BLOCK,
  encodeHeader,
  HEADER_BYTES,
  OFFSET_BYTES,
  RANGE_ENTRY_BYTES,
  RANGE_HAS_CALL,
  RANGE_HAS_COLUMN,
  RANGE_HAS_FILE,
  RANGE_HAS_NAME,
  RANGE_IS_GAP,
  RANGES_PER_BLOCK,
} from "./index-format.ts";

/** A place in a function: of the name, and of the file's text; 0 for none. */
export interface IndexedPlace {
  readonly name: number;
  readonly file: number;
  /** 0 when it is not known; so is the column. */
  readonly line: number;
  readonly column: number;
}

/** What holds from an address on: the innermost place, and the call that it is inlined by. */
export interface IndexedRange extends IndexedPlace {
  readonly start: number;
  /** 0 when nothing was inlined. */
  readonly call: number;
}

/** Gathers the parts of an index. Numbers are given out in the order in which things come. */
export class IndexWriter {
  readonly #texts = new Map<string, number>();
  readonly #textBlocks = new BlockSink(ENTRIES_PER_BLOCK);
  readonly #names = new Map<string, number>();
  readonly #nameBlocks = new BlockSink(ENTRIES_PER_BLOCK);
  #calls = 0;
  readonly #callBlocks = new BlockSink(ENTRIES_PER_BLOCK);
  readonly #rangeBlocks = new BlockSink(RANGES_PER_BLOCK);
  readonly #blockStarts: number[] = [];
  #lastCall: IndexedPlace = NO_PLACE;
  #lastRange: IndexedRange = NO_RANGE;
  #lastName: readonly [number, number] = [0, 0];

  /** The number of a text; 0 for the empty one. */
  text(text: string): number {
    if (text === "") return 0;
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const number = this.#texts.size + 1;
    this.#texts.set(text, number);
    this.#textBlocks.begin();
    const bytes = Buffer.from(text);
    this.#textBlocks.sink.uleb(bytes.length);
    this.#textBlocks.sink.append(bytes);
    return number;
  }

  /** The number of a function's names. */
  name(systemName: string, readableName: string): number {
    const key = systemName === readableName ? systemName : `${systemName}\0${readableName}`;
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const system = this.text(systemName);
    const readable = this.text(readableName);
    const number = this.#names.size + 1;
    this.#names.set(key, number);
    if (this.#nameBlocks.begin()) this.#lastName = [0, 0];
    this.#nameBlocks.sink.zigzag(system - this.#lastName[0]);
    this.#nameBlocks.sink.zigzag(readable - system);
    this.#lastName = [system, readable];
    return number;
  }

  /**
   * The number of a call, which others are inlined into; a new one each time.
   *
   * @param around  the call that it is inlined into itself; 0 for none
   */
  call(place: IndexedPlace, around: number): number {
    const { name, file, line, column } = place;
    const number = ++this.#calls;
    if (this.#callBlocks.begin()) this.#lastCall = NO_PLACE;
    const { sink } = this.#callBlocks;
    sink.uleb(number - around);
    sink.zigzag(name - this.#lastCall.name);
    sink.zigzag(file - this.#lastCall.file);
    sink.zigzag(line - this.#lastCall.line);
    sink.uleb(column);
    this.#lastCall = place;
    return number;
  }

  /** The next range; its start is above those before it. */
  range(range: IndexedRange): void {
    if (this.#rangeBlocks.begin()) {
      this.#blockStarts.push(range.start);
      this.#lastRange = { ...NO_RANGE, start: range.start };
    }
    const last = this.#lastRange;
    const { sink } = this.#rangeBlocks;
    sink.uleb(range.start - last.start);
    if (range.name === 0) {
      sink.u8(RANGE_IS_GAP);
      this.#lastRange = { ...last, start: range.start };
      return;
    }
    const has = (bit: number, isSo: boolean): number => (isSo ? bit : 0);
    const flags =
      has(RANGE_HAS_NAME, range.name !== last.name) |
      has(RANGE_HAS_FILE, range.file !== last.file) |
      has(RANGE_HAS_CALL, range.call !== last.call) |
      has(RANGE_HAS_COLUMN, range.column !== last.column);
    sink.u8(flags);
    sink.zigzag(range.line - last.line);
    if ((flags & RANGE_HAS_NAME) !== 0) sink.zigzag(range.name - last.name);
    if ((flags & RANGE_HAS_FILE) !== 0) sink.zigzag(range.file - last.file);
    if ((flags & RANGE_HAS_CALL) !== 0) sink.zigzag(range.call - last.call);
    if ((flags & RANGE_HAS_COLUMN) !== 0) sink.uleb(range.column);
    this.#lastRange = range;
  }

  /**
   * The whole index, in pieces to be written one after the other.
   *
   * @param base  no range begins below it, and none 4 GiB above it
   */
  finish(base: number): Uint8Array[] {
    const parts = [this.#rangeBlocks, this.#callBlocks, this.#nameBlocks, this.#textBlocks];
    const [ranges = NO_PART, calls = NO_PART, names = NO_PART, texts = NO_PART] = parts;
    const directoryBytes =
      ranges.starts.length * RANGE_ENTRY_BYTES +
      (calls.starts.length + texts.starts.length + names.starts.length) * OFFSET_BYTES;
    const directory = new Uint32Array(directoryBytes / OFFSET_BYTES);
    let offset = HEADER_BYTES + directoryBytes;
    const offsets = parts.map((part) => {
      const found = part.starts.map((start) => offset + start);
      offset += part.sink.length;
      return found;
    });
    const [rangeOffsets = [], callOffsets = [], nameOffsets = [], textOffsets = []] = offsets;
    const words = rangeOffsets.flatMap((at, index) => [
      (this.#blockStarts[index] as number) - base,
      at,
    ]);
    directory.set([...words, ...callOffsets, ...textOffsets, ...nameOffsets]);
    const header = encodeHeader({
      base,
      ranges: ranges.count,
      calls: calls.count,
      names: names.count,
      texts: texts.count,
      bytes: offset,
    });
    return [header, new Uint8Array(directory.buffer), ...parts.map(({ sink }) => sink.bytes)];
  }
}

const NO_PLACE: IndexedPlace = { name: 0, file: 0, line: 0, column: 0 };
const NO_RANGE: IndexedRange = { start: 0, call: 0, ...NO_PLACE };

/** Entries in blocks, each of which can be read without those before it. */
class BlockSink {
  readonly sink = new ByteSink();
  readonly starts: number[] = [];
  readonly #perBlock: number;
  count = 0;

  constructor(perBlock: number) {
    this.#perBlock = perBlock;
  }

  /** Before each entry. True when it is the first of its block. */
  begin(): boolean {
    const isFirst = this.count++ % this.#perBlock === 0;
    if (isFirst) this.starts.push(this.sink.length);
    return isFirst;
  }
}

const NO_PART = new BlockSink(1);
