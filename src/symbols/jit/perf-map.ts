/**
 * The names of code that a runtime made, as it writes them while it runs: one line each,
 * `START SIZE name` with hexadecimal numbers. Source: the kernel's
 * tools/perf/Documentation/jit-interface.txt; JVMs write 0x before both.
 */

import { CodeMap, type JitCode, NONE } from "./code-map.ts";

/** A map of a day has 100 MB. */
export const PERF_MAP_BYTES_MAX: number = 1024 * 1024 * 1024;
/** A longer line is no line of a map. */
const LINE_BYTES_MAX = 64 * 1024;

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;

/** A map that grows. What is no line is skipped and counted. */
export class PerfMap {
  readonly #codes = new CodeMap();
  /** What came without its end. */
  #rest: Uint8Array = new Uint8Array(0);
  #skipped = 0;

  get lineCount(): number {
    return this.#codes.count;
  }

  /** Memory that it takes. */
  get bytes(): number {
    return this.#codes.bytes;
  }

  /** Lines that were none, or beyond the limits. */
  get skippedLines(): number {
    return this.#skipped;
  }

  /** Takes in what was written next, wherever it was cut. The bytes stay the caller's. */
  append(bytes: Uint8Array): void {
    const text = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let start = 0;
    for (;;) {
      // A file of nothing but line ends would else cost a search for each.
      while (text[start] === NEWLINE) start++;
      const end = text.indexOf(NEWLINE, start);
      if (end < 0) break;
      this.#addLine(text, start, text[end - 1] === RETURN ? end - 1 : end);
      start = end + 1;
    }
    this.#rest = text.slice(start);
    if (this.#rest.length > LINE_BYTES_MAX) {
      this.#skipped++;
      this.#rest = new Uint8Array(0);
    }
  }

  /** What is at an address; of a line without a size only its start. */
  lookup(address: number): JitCode | undefined {
    const row = this.#codes.rowAt(address);
    return row === NONE ? undefined : this.#codes.code(row);
  }

  #addLine(text: Uint8Array, lineStart: number, lineEnd: number): void {
    const start = readHex(text, skipBlank(text, lineStart, lineEnd), lineEnd);
    const size = readHex(text, skipBlank(text, start.end, lineEnd), lineEnd);
    const nameStart = skipBlank(text, size.end, lineEnd);
    const isLine = start.isNumber && size.isNumber;
    const name = text.subarray(nameStart, lineEnd);
    const isAdded = isLine && this.#addCode(start.value, size.value, name);
    if (!isAdded && lineEnd > lineStart) this.#skipped++;
  }

  #addCode(start: number, size: number, name: Uint8Array): boolean {
    if (this.#codes.add(start, size, name) !== NONE) return true;
    if (!this.#codes.isFull) return false;
    this.#codes.forget();
    return this.#codes.add(start, size, name) !== NONE;
  }
}

function skipBlank(text: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (text[at] === SPACE || text[at] === TAB)) at++;
  return at;
}

/** A hexadecimal number that a blank follows, with or without 0x. */
function readHex(
  text: Uint8Array,
  start: number,
  end: number,
): { readonly value: number; readonly end: number; readonly isNumber: boolean } {
  let at = start;
  if (text[at] === 0x30 && ((text[at + 1] as number) | 0x20) === 0x78) at += 2;
  const first = at;
  let value = 0;
  for (; at < end; at++) {
    const digit = hexDigit(text[at] as number);
    if (digit < 0) break;
    value = value * 16 + digit;
  }
  const isEnded = at >= end || text[at] === SPACE || text[at] === TAB;
  return { value, end: at, isNumber: at > first && isEnded };
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
