import { limitExceeded } from "../../support/errors.ts";

/** One part of an index: offsets are words of 32 bits. */
const BYTES_MAX = 512 * 1024 * 1024;

/** Bytes that are written one after the other, numbers as LEB128. */
export class ByteSink {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(64 * 1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was written; a view, until more is. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  u8(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.#length++] = value;
  }

  /** @param value  from 0 to 2^53 */
  uleb(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.u8(rest);
  }

  /** Small numbers of both signs take few bytes. */
  zigzag(value: number): void {
    this.uleb(value < 0 ? -2 * value - 1 : 2 * value);
  }

  append(bytes: Uint8Array): void {
    if (this.#length + bytes.length > this.#bytes.length) this.#grow(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #grow(more: number): void {
    const wanted = Math.max(2 * this.#bytes.length, this.#length + more);
    if (wanted > BYTES_MAX) throw limitExceeded("a symbol index", "bytes", wanted, BYTES_MAX);
    const bytes = new Uint8Array(wanted);
    bytes.set(this.bytes);
    this.#bytes = bytes;
  }
}
