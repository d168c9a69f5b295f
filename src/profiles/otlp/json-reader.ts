import { decodeUtf8 } from "../../support/byte-reader.ts";
import { type CollectorError, limitExceeded, malformed } from "../../support/errors.ts";

/**
 * A cursor over JSON text (RFC 8259) in UTF-8 that makes no objects: what is not asked for is
 * checked and skipped. JSON.parse takes seconds and a gigabyte for 15 MB of empty objects.
 *
 *   reader.enterObject();
 *   for (let key = reader.firstKey(); key !== undefined; key = reader.nextKey()) …
 */

/** UTF-16 units that a JavaScript string of this engine can hold. */
const STRING_MAX = 2 ** 29;

/** Longer numbers are no one's; a double needs 25 characters, its exact decimals a thousand. */
const NUMBER_BYTES_MAX = 2048;

const TAB = 0x09;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const WORDS: readonly string[] = ["true", "false", "null"];

export type JsonKind = "object" | "list" | "string" | "number" | "true" | "false" | "null";

export class JsonReader {
  readonly #bytes: Uint8Array;
  readonly #name: string;
  readonly #depthMax: number;
  #offset = 0;
  #depth = 0;

  /**
   * @param name      what is read, for errors
   * @param depthMax  objects and lists inside of one another
   */
  constructor(bytes: Uint8Array, name: string, depthMax: number) {
    this.#bytes = bytes;
    this.#name = name;
    this.#depthMax = depthMax;
  }

  /** What the next value is. Only its first character was looked at. */
  kind(): JsonKind {
    const byte = this.#peek();
    if (byte === OPEN_BRACE) return "object";
    if (byte === OPEN_BRACKET) return "list";
    if (byte === QUOTE) return "string";
    if (byte === MINUS || (byte >= 0x30 && byte <= 0x39)) return "number";
    const word = WORDS.find((text) => text.charCodeAt(0) === byte);
    if (word === undefined) throw this.#error("a value is expected");
    return word as JsonKind;
  }

  /** The first name of the object that comes next; undefined when it is empty. */
  firstKey(): string | undefined {
    this.#enter(OPEN_BRACE);
    return this.#isEnd(CLOSE_BRACE) ? undefined : this.#key();
  }

  /** The next name, after the value of the one before; undefined at the object's end. */
  nextKey(): string | undefined {
    return this.#hasNext(CLOSE_BRACE) ? this.#key() : undefined;
  }

  /** Enters the list that comes next; false when it is empty. */
  firstItem(): boolean {
    this.#enter(OPEN_BRACKET);
    return !this.#isEnd(CLOSE_BRACKET);
  }

  /** Whether another item comes; at the list's end it is left. */
  nextItem(): boolean {
    return this.#hasNext(CLOSE_BRACKET);
  }

  /** A string; what is not UTF-8 in it becomes U+FFFD, and so does half a surrogate pair. */
  string(): string {
    const start = this.#offset;
    const hasEscapes = this.#skipString();
    const length = this.#offset - start;
    if (length > STRING_MAX)
      throw limitExceeded(this.#name, "bytes of a string", length, STRING_MAX);
    if (!hasEscapes) return this.#text(start + 1, this.#offset - 1);
    try {
      // One string, of which the limits above hold: no nesting and no objects come of it.
      const text: unknown = JSON.parse(this.#text(start, this.#offset));
      return (text as string).toWellFormed();
    } catch {
      throw this.#error("a string has an escape that does not exist");
    }
  }

  /** A number as it is written. */
  number(): string {
    const start = this.#offset;
    while (this.#offset < this.#bytes.length && isOfNumber(this.#bytes[this.#offset] as number)) {
      this.#offset++;
    }
    const length = this.#offset - start;
    if (length > NUMBER_BYTES_MAX) {
      throw limitExceeded(this.#name, "digits of a number", length, NUMBER_BYTES_MAX);
    }
    const text = this.#text(start, this.#offset);
    if (!NUMBER.test(text)) throw this.#error(`${text} is not a number`);
    return text;
  }

  /** Reads over the next value, whatever it is. */
  skip(): void {
    const kind = this.kind();
    switch (kind) {
      case "object":
        for (let is = this.#firstKeySkipped(); is; is = this.#nextKeySkipped()) this.skip();
        return;
      case "list":
        for (let is = this.firstItem(); is; is = this.nextItem()) this.skip();
        return;
      case "string":
        this.#skipString();
        return;
      case "number":
        this.number();
        return;
      default:
        this.#word(kind);
    }
  }

  /** Nothing but white space may follow. */
  end(): void {
    this.#skipSpace();
    if (this.#offset < this.#bytes.length) throw this.#error("text follows the value");
  }

  #enter(open: number): void {
    if (this.#peek() !== open) throw this.#error(`${String.fromCharCode(open)} is expected`);
    this.#offset++;
    if (++this.#depth > this.#depthMax) {
      throw limitExceeded(this.#name, "depth of nesting", this.#depth, this.#depthMax);
    }
  }

  #isEnd(close: number): boolean {
    if (this.#peek() !== close) return false;
    this.#offset++;
    this.#depth--;
    return true;
  }

  #hasNext(close: number): boolean {
    if (this.#isEnd(close)) return false;
    if (this.#peek() !== COMMA) throw this.#error("a comma is expected");
    this.#offset++;
    return true;
  }

  #key(): string {
    if (this.#peek() !== QUOTE) throw this.#error("a name in quotes is expected");
    const key = this.string();
    this.#colon();
    return key;
  }

  #firstKeySkipped(): boolean {
    this.#enter(OPEN_BRACE);
    return !this.#isEnd(CLOSE_BRACE) && this.#skipKey();
  }

  #nextKeySkipped(): boolean {
    return this.#hasNext(CLOSE_BRACE) && this.#skipKey();
  }

  #skipKey(): true {
    if (this.#peek() !== QUOTE) throw this.#error("a name in quotes is expected");
    this.#skipString();
    this.#colon();
    return true;
  }

  #colon(): void {
    if (this.#peek() !== COLON) throw this.#error("a colon is expected");
    this.#offset++;
  }

  #word(word: string): void {
    if (this.#text(this.#offset, this.#offset + word.length) !== word) {
      throw this.#error("a value is expected");
    }
    this.#offset += word.length;
  }

  /** Reads over the string that begins here; tells whether it has escapes. */
  #skipString(): boolean {
    const bytes = this.#bytes;
    let hasEscapes = false;
    for (let at = this.#offset + 1; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte === QUOTE) {
        this.#offset = at + 1;
        return hasEscapes;
      }
      if (byte < SPACE) throw this.#error("a string has a control character");
      if (byte === BACKSLASH) {
        hasEscapes = true;
        at++;
      }
    }
    throw this.#error("a string has no end");
  }

  /** The first byte that is no white space. */
  #peek(): number {
    this.#skipSpace();
    if (this.#offset >= this.#bytes.length) throw this.#error("the text ends too early");
    return this.#bytes[this.#offset] as number;
  }

  #text(start: number, end: number): string {
    return decodeUtf8(this.#bytes.subarray(start, end));
  }

  #skipSpace(): void {
    const bytes = this.#bytes;
    for (; this.#offset < bytes.length; this.#offset++) {
      const byte = bytes[this.#offset];
      if (byte !== SPACE && byte !== LINE_FEED && byte !== RETURN && byte !== TAB) return;
    }
  }

  #error(what: string): CollectorError {
    return malformed(`${this.#name} at byte ${this.#offset}`, `not JSON: ${what}`);
  }
}

function isOfNumber(byte: number): boolean {
  // Digits, + - . and e E.
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    byte === MINUS ||
    byte === 0x2b ||
    byte === 0x2e ||
    byte === 0x65 ||
    byte === 0x45
  );
}
