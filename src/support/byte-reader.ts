import { type CollectorError, malformed } from "./errors.ts";

/**
 * A bounded little- or big-endian cursor over foreign bytes: no read goes past the end, and a
 * read that would throws INPUT_MALFORMED with the name of the input and the offset.
 */
export class ByteReader {
  readonly name: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  #offset = 0;

  constructor(bytes: Uint8Array, name: string, littleEndian = true) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#littleEndian = littleEndian;
    this.name = name;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  seek(offset: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > this.#bytes.length) {
      throw this.error(`offset ${offset} is outside of ${this.#bytes.length} bytes`);
    }
    this.#offset = offset;
  }

  skip(byteCount: number): void {
    this.#take(byteCount);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), this.#littleEndian);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), this.#littleEndian);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), this.#littleEndian);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), this.#littleEndian);
  }

  /** A 64-bit count, size or file offset: one above 2^53 is malformed, not rounded. */
  u64Number(what: string): number {
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw this.error(`${what} ${value} is out of range`);
    return Number(value);
  }

  /** The next bytes as a view, not a copy. */
  bytes(byteCount: number): Uint8Array {
    const start = this.#take(byteCount);
    return this.#bytes.subarray(start, start + byteCount);
  }

  /** The bytes up to the next NUL, which is consumed; the whole rest when there is none. */
  cString(): string {
    const end = this.#bytes.indexOf(0, this.#offset);
    const stop = end < 0 ? this.#bytes.length : end;
    const text = decodeUtf8(this.#bytes.subarray(this.#offset, stop));
    this.#offset = end < 0 ? stop : stop + 1;
    return text;
  }

  /** An error at the present offset, to be thrown by the caller. */
  error(what: string): CollectorError {
    return malformed(`${this.name} at offset ${this.#offset}`, what);
  }

  #take(byteCount: number): number {
    if (!(byteCount >= 0 && byteCount <= this.remaining)) {
      throw this.error(`${byteCount} bytes are needed and ${this.remaining} are left`);
    }
    const start = this.#offset;
    this.#offset += byteCount;
    return start;
  }
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Invalid UTF-8 becomes U+FFFD; nothing throws. */
export function decodeUtf8(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}
