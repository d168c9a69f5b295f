import { decodeUtf8 } from "../../support/byte-reader.ts";
import { malformed } from "../../support/errors.ts";
import type { RandomAccess } from "../elf/random-access.ts";

/** What is read at once, and kept. */
const BLOCK_BYTES = 32 * 1024;
/** 4 MiB, which hold the index of a table of 500,000 functions. */
const BLOCKS_MAX = 128;
/** Of a name, or a path; generic types make long ones. */
const TEXT_BYTES_MAX = 4096;

export interface WordOrder {
  readonly littleEndian: boolean;
  /** 4 or 8. */
  readonly pointerBytes: number;
}

/** Bytes of a file. */
export interface ByteRange {
  readonly offset: number;
  readonly byteCount: number;
}

/**
 * Numbers and texts of a Go program's data, by their place in a range of its file, of which no more
 * is held than what is asked about. What reads outside of the range throws INPUT_MALFORMED.
 */
export class GoBytes {
  readonly order: WordOrder;
  readonly length: number;
  readonly #access: RandomAccess;
  readonly #offset: number;
  readonly #blocks = new Map<number, DataView>();
  /** The block that was asked for last, or a number that lies in two. */
  #view: DataView = new DataView(new ArrayBuffer(0));
  #viewStart = 0;

  constructor(access: RandomAccess, { offset, byteCount }: ByteRange, order: WordOrder) {
    this.#access = access;
    this.#offset = offset;
    this.length = byteCount;
    this.order = order;
  }

  u8(at: number): number {
    const place = this.#find(at, 1);
    return this.#view.getUint8(place);
  }

  u32(at: number): number {
    const place = this.#find(at, 4);
    return this.#view.getUint32(place, this.order.littleEndian);
  }

  i32(at: number): number {
    return this.u32(at) | 0;
  }

  /** As long as a pointer. Beyond 2^53 it is rounded, so compare with limits before use. */
  word(at: number): number {
    const { littleEndian, pointerBytes } = this.order;
    if (pointerBytes === 4) return this.u32(at);
    const place = this.#find(at, 8);
    return Number(this.#view.getBigUint64(place, littleEndian));
  }

  /** Up to the next zero, of TEXT_BYTES_MAX at most. */
  text(at: number): string {
    const length = Math.min(TEXT_BYTES_MAX, this.length - at);
    const place = this.#find(at, 1);
    const { buffer, byteOffset, byteLength } = this.#view;
    const here = Math.min(length, byteLength - place);
    const bytes = new Uint8Array(buffer, byteOffset + place, here);
    const end = bytes.indexOf(0);
    if (end >= 0) return decodeUtf8(bytes.subarray(0, end));
    const whole = this.#access.read(this.#offset + at, length);
    const wholeEnd = whole.indexOf(0);
    return decodeUtf8(wholeEnd < 0 ? whole : whole.subarray(0, wholeEnd));
  }

  /** Has `#view` hold some bytes, and gives their place in it. */
  #find(at: number, byteCount: number): number {
    const place = at - this.#viewStart;
    if (place >= 0 && place + byteCount <= this.#view.byteLength) return place;
    if (!(at >= 0 && at + byteCount <= this.length)) {
      const where = `place ${at} is outside of ${this.length} bytes at ${this.#offset}`;
      throw malformed(this.#access.name, where);
    }
    const block = Math.floor(at / BLOCK_BYTES);
    const start = block * BLOCK_BYTES;
    const isWhole = at + byteCount <= start + BLOCK_BYTES;
    this.#view = isWhole ? this.#blockOf(block) : this.#read(at, byteCount);
    this.#viewStart = isWhole ? start : at;
    return at - this.#viewStart;
  }

  #blockOf(block: number): DataView {
    const known = this.#blocks.get(block);
    if (known !== undefined) return known;
    if (this.#blocks.size >= BLOCKS_MAX) this.#blocks.clear();
    const start = block * BLOCK_BYTES;
    const length = Math.min(BLOCK_BYTES, this.length - start);
    const view = this.#read(start, length);
    this.#blocks.set(block, view);
    return view;
  }

  #read(at: number, byteCount: number): DataView {
    const bytes = this.#access.read(this.#offset + at, byteCount);
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}
