import { malformed } from "../../support/errors.ts";
import { type Section, SHT_NOBITS } from "./elf-file.ts";
import type { RandomAccess } from "./random-access.ts";

/** Read at once: some fifty names, of which one function's aliases mostly need one. */
const WINDOW_BYTES = 4096;

/** The names of a symbol table, read where they are asked for and never as a whole. */
export class NameSection {
  /** Bytes; 0 when there are no names. */
  readonly size: number;
  readonly #access: RandomAccess;
  readonly #offset: number;
  /** For windows of the usual size: a million names may each need another one. */
  readonly #buffer = new Uint8Array(WINDOW_BYTES);
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;

  /**
   * @param where  what error messages call the symbol table
   * @throws CollectorError INPUT_MALFORMED  the file does not hold the section, or its last name
   *   does not end
   */
  constructor(access: RandomAccess, section: Section, where: string) {
    this.#access = access;
    this.#offset = section.offset;
    this.size = section.type === SHT_NOBITS ? 0 : section.size;
    if (this.size > 0 && access.read(section.offset + this.size - 1, 1)[0] !== 0) {
      throw malformed(where, "the last of its names does not end");
    }
  }

  /**
   * The bytes of the name at an offset without its NUL, at most `bytesMax` of it. They are the
   * caller's only until the next call.
   */
  at(offset: number, bytesMax: number): Uint8Array {
    const windowEnd = this.#windowStart + this.#window.length;
    if (offset < this.#windowStart || offset >= windowEnd) this.#load(offset, WINDOW_BYTES);
    const found = this.#inWindow(offset, bytesMax);
    if (found !== undefined) return found;
    this.#load(offset, bytesMax);
    return this.#inWindow(offset, bytesMax) ?? this.#window;
  }

  #inWindow(offset: number, bytesMax: number): Uint8Array | undefined {
    const bytes = this.#window.subarray(offset - this.#windowStart).subarray(0, bytesMax);
    const length = bytes.indexOf(0);
    if (length >= 0) return bytes.subarray(0, length);
    return bytes.length === bytesMax ? bytes : undefined;
  }

  #load(offset: number, bytes: number): void {
    const length = Math.min(bytes, this.size - offset);
    const isUsual = length <= WINDOW_BYTES;
    const window = isUsual ? this.#buffer.subarray(0, length) : new Uint8Array(length);
    this.#access.readInto(window, this.#offset + offset);
    this.#window = window;
    this.#windowStart = offset;
  }
}
