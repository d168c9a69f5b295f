import { malformed } from "../../support/errors.ts";
import type { RandomAccess } from "../elf/random-access.ts";

const PAGE_BYTES = 16 * 1024;
/** Pages that are kept: 4 MB, as many as a window's addresses of a file need. */
const PAGES_MAX = 256;
/** A number of 2^53 has eight bytes. */
const LEB_BYTES_MAX = 8;

/** Reads numbers and texts of an index from anywhere in it, by pages that are kept. */
export class BlockReader {
  readonly #access: RandomAccess;
  /** The one used last is the last. */
  readonly #pages = new Map<number, Uint8Array>();
  #page: Uint8Array = new Uint8Array(0);
  #pageStart = 0;
  #at = 0;

  constructor(access: RandomAccess) {
    this.#access = access;
  }

  /** Goes to an offset of the index. */
  seek(offset: number): void {
    this.#pageStart = offset - (offset % PAGE_BYTES);
    this.#page = this.#pageAt(this.#pageStart);
    this.#at = offset - this.#pageStart;
  }

  u8(): number {
    if (this.#at >= this.#page.length) this.seek(this.#pageStart + this.#at);
    const byte = this.#page[this.#at++];
    if (byte === undefined) throw malformed(this.#access.name, "ends in the middle of a range");
    return byte;
  }

  uleb(): number {
    let byte = this.u8();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 0x80;
    for (let count = 1; count < LEB_BYTES_MAX; count++) {
      byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw malformed(this.#access.name, "has a number of over eight bytes");
  }

  zigzag(): number {
    const value = this.uleb();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  /** UTF-8 of so many bytes. */
  text(bytes: number): string {
    const start = this.#pageStart + this.#at;
    this.#at += bytes;
    const end = start + bytes - this.#pageStart;
    const whole =
      end <= this.#page.length
        ? this.#page.subarray(end - bytes, end)
        : this.#access.read(start, bytes);
    return Buffer.from(whole.buffer, whole.byteOffset, whole.length).toString("utf8");
  }

  #pageAt(start: number): Uint8Array {
    const known = this.#pages.get(start);
    if (known !== undefined) return known;
    const { size, name } = this.#access;
    if (start >= size) throw malformed(name, `ends before ${start}`);
    const page = this.#access.read(start, Math.min(PAGE_BYTES, size - start));
    if (this.#pages.size >= PAGES_MAX) this.#pages.delete(this.#pages.keys().next().value ?? 0);
    this.#pages.set(start, page);
    return page;
  }
}
