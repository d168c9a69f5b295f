import { type CollectorError, malformed } from "../../support/errors.ts";

/** How the numbers of a unit are written. */
export interface Encoding {
  readonly littleEndian: boolean;
  /** 4 or 8. */
  readonly addressBytes: number;
  /** 4, or 8 in the 64-bit format. */
  readonly offsetBytes: number;
  readonly version: number;
}

/**
 * A bounded cursor for the many small reads of DWARF. A read past the end throws INPUT_MALFORMED.
 * Its fields are open so that hot loops may look at the bytes themselves.
 */
export class DwarfCursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  /** What error messages call the input. */
  readonly name: string;
  readonly littleEndian: boolean;
  at: number;

  constructor(bytes: Uint8Array, name: string, littleEndian: boolean, at = 0) {
    this.bytes = bytes;
    this.end = bytes.length;
    this.name = name;
    this.littleEndian = littleEndian;
    this.at = at;
  }

  u8(): number {
    if (this.at >= this.end) throw this.#past(1);
    return this.bytes[this.at++] as number;
  }

  u16(): number {
    const at = this.#take(2);
    const first = this.bytes[at] as number;
    const second = this.bytes[at + 1] as number;
    return this.littleEndian ? first | (second << 8) : second | (first << 8);
  }

  u24(): number {
    const at = this.#take(3);
    const first = this.bytes[at] as number;
    const middle = (this.bytes[at + 1] as number) << 8;
    const last = this.bytes[at + 2] as number;
    return this.littleEndian ? first | middle | (last << 16) : last | middle | (first << 16);
  }

  u32(): number {
    const at = this.#take(4);
    return this.littleEndian ? littleU32(this.bytes, at) : bigU32(this.bytes, at);
  }

  /** Beyond 2^53 it is rounded: compare with a limit before use. */
  u64(): number {
    const first = this.u32();
    const second = this.u32();
    return this.littleEndian ? second * 2 ** 32 + first : first * 2 ** 32 + second;
  }

  /** Two's complement; far from 0 it is rounded. */
  i64(): number {
    const first = this.u32();
    const second = this.u32();
    const [low, high] = this.littleEndian ? [first, second] : [second, first];
    return (high | 0) * 2 ** 32 + low;
  }

  offset(offsetBytes: number): number {
    return offsetBytes === 8 ? this.u64() : this.u32();
  }

  /** Beyond 2^53 it is rounded: compare with a limit before use. */
  uleb(): number {
    if (this.at >= this.end) throw this.#past(1);
    const first = this.bytes[this.at++] as number;
    return first < 0x80 ? first : this.#lebRest(first, false);
  }

  sleb(): number {
    const first = this.u8();
    if (first < 0x80) return first < 0x40 ? first : first - 0x80;
    return this.#lebRest(first, true);
  }

  /** An unsigned number modulo 2^64, as linkers write differences: one from 2^63 on is below 0. */
  ulebWrapped(): number {
    const start = this.at;
    const value = this.uleb();
    if (value < 2 ** 63) return value;
    let complement = 0;
    // The last of ten bytes has one bit, which is set.
    for (let at = this.at - 2; at >= start; at--) {
      complement = complement * 0x80 + (~(this.bytes[at] as number) & 0x7f);
    }
    return -1 - complement;
  }

  skipLeb(): void {
    const { bytes, end } = this;
    let at = this.at;
    while (at < end && (bytes[at] as number) >= 0x80) at++;
    if (at >= end) throw this.#past(1);
    this.at = at + 1;
  }

  skip(count: number): void {
    this.#take(count);
  }

  /** Moves behind the next NUL, and returns where the text began. */
  skipString(): number {
    const start = this.at;
    const end = this.bytes.indexOf(0, start);
    if (end < 0) throw this.error("a text has no end");
    this.at = end + 1;
    return start;
  }

  error(what: string): CollectorError {
    return malformed(`${this.name} at ${this.at}`, what);
  }

  #lebRest(first: number, isSigned: boolean): number {
    let value = first & 0x7f;
    let scale = 0x80;
    for (let count = 1; count < LEB128_BYTES_MAX; count++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte < 0x80) return isSigned && byte >= 0x40 ? value - scale : value;
    }
    throw this.error("a LEB128 number has no end");
  }

  #take(count: number): number {
    const { at } = this;
    if (!(count >= 0 && count <= this.end - at)) throw this.#past(count);
    this.at = at + count;
    return at;
  }

  #past(count: number): CollectorError {
    return this.error(`${count} bytes are needed and ${this.end - this.at} are left`);
  }
}

/** 64 bits in groups of seven; assemblers pad a little. */
const LEB128_BYTES_MAX = 16;

function littleU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

function bigU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at + 3] as number) |
      ((bytes[at + 2] as number) << 8) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at] as number) << 24)) >>>
    0
  );
}
