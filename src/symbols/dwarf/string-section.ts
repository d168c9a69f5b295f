import { malformed } from "../../support/errors.ts";
import type { SectionData } from "../elf/section-data.ts";

const PAGE_BYTES = 32 * 1024;
/** 16 MiB of a section: the names of a program's busy part. */
const PAGES_MAX = 512;
/** The longest name of a large C++ program seen has 13,000 bytes. */
const STRING_BYTES_MAX = 32 * 1024;

/** Texts that end in NUL, of a section that is read by pages. */
export class StringSection {
  readonly #section: SectionData;
  readonly #pages = new Map<number, Uint8Array>();

  constructor(section: SectionData) {
    this.#section = section;
  }

  /**
   * The text at an offset; one that is longer than any real name is cut.
   *
   * @throws INPUT_MALFORMED  the offset is beyond the section
   */
  at(offset: number): string {
    const { name, size } = this.#section;
    if (!(offset >= 0 && offset < size)) {
      throw malformed(name, `no text is at ${offset} of ${size} bytes`);
    }
    const page = this.#page(Math.floor(offset / PAGE_BYTES));
    const start = offset % PAGE_BYTES;
    const end = page.indexOf(0, start);
    if (end >= 0) return utf8Text(page, start, end);
    return textIn(this.#section.read(offset, Math.min(STRING_BYTES_MAX, size - offset)), 0);
  }

  #page(number: number): Uint8Array {
    const known = this.#pages.get(number);
    if (known !== undefined) return known;
    if (this.#pages.size >= PAGES_MAX) this.#pages.clear();
    const start = number * PAGE_BYTES;
    const page = this.#section.read(start, Math.min(PAGE_BYTES, this.#section.size - start));
    this.#pages.set(number, page);
    return page;
  }
}

/** The text that begins in bytes, up to its NUL; one longer than any real name is cut. */
export function textIn(bytes: Uint8Array, start: number): string {
  const most = bytes.subarray(start, start + STRING_BYTES_MAX);
  const length = most.indexOf(0);
  return utf8Text(most, 0, length < 0 ? most.length : length);
}

/** Invalid UTF-8 becomes U+FFFD. */
function utf8Text(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
}
