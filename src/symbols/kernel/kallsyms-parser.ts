/**
 * /proc/kallsyms: `address type name` a line, and for a module or BPF a tab and `[module]`.
 *
 *   ffffffff81000000 T _text
 *   ffffffffc0201000 t ftrace_trampoline\t[__builtin__ftrace]
 *
 * Source: kernel/kallsyms.c, s_show; types as in nm(1).
 */
import { Float64Column, Int32Column } from "../../profiles/columns.ts";
import { decodeUtf8 } from "../../support/byte-reader.ts";
import { limitExceeded, malformed } from "../../support/errors.ts";

/** Functions, which take 100 bytes each while they are read; a desktop has 200,000. */
export const KALLSYMS_FUNCTIONS_MAX = 1_000_000;
/** Modules, and what the kernel lists as such; a desktop has two hundred. */
export const KALLSYMS_MODULES_MAX = 65_536;

/** Of which the errors speak. */
export const KALLSYMS_PATH = "/proc/kallsyms";
/** Of a line without its newline: a name has 511 bytes at most, a module's 56. */
const LINE_BYTES_MAX = 4096;
const NAMES_BYTES_FIRST = 256 * 1024;
const HEX_DIGITS_MAX = 16;
const NEWLINE = 0x0a;
const SPACE = 0x20;
const TAB = 0x09;
const HIGH_WORD = 2 ** 32;
/** Kernels of 64 bits lie above this, and doubles are exact from here to the end. */
const KERNEL_HIGH_WORD = 0xffe00000;

/** By nm's letter: 0 global, 1 weak, 2 local code. */
const BINDINGS: ReadonlyMap<number, number> = new Map(
  Object.entries({ T: 0, W: 1, w: 1, t: 2 }).map(([letter, rank]) => [letter.charCodeAt(0), rank]),
);
/** Symbols that say where the kernel's code begins and ends. */
const BOUND_NAMES: ReadonlyMap<string, keyof CodeBounds> = new Map([
  ["_text", "text"],
  ["_stext", "startText"],
  ["_etext", "endText"],
  ["_sinittext", "startInitText"],
  ["_einittext", "endInitText"],
]);
/** The longest of them. */
const BOUND_NAME_BYTES_MAX = 10;
const UNDERSCORE = 0x5f;

/** Number of the kernel itself among the modules. */
export const CORE = 0;

/** Where the core's code lies; each from `base` on. */
export interface CodeBounds {
  text?: number;
  startText?: number;
  endText?: number;
  startInitText?: number;
  endInitText?: number;
}

/** Columns of code symbols in the order of the file. */
export interface ParsedSymbols {
  /** Their names, one behind the other. */
  names: Uint8Array;
  namesLength: number;
  /** Address of start 0. */
  base: bigint;
  readonly starts: Float64Column;
  /** Where each name ends in `names`; it starts where the one before it ends. */
  readonly nameEnds: Int32Column;
  readonly modules: Int32Column;
  /** 0 global, 1 weak, 2 local. */
  readonly bindings: Int32Column;
  readonly moduleNames: string[];
  readonly bounds: CodeBounds;
}

/** One pass over the bytes, in pieces of any size; of a line only numbers and its name are kept. */
export class KallsymsParser {
  readonly symbols: ParsedSymbols = {
    names: new Uint8Array(NAMES_BYTES_FIRST),
    namesLength: 0,
    base: 0n,
    starts: new Float64Column(),
    nameEnds: new Int32Column(),
    modules: new Int32Column(),
    bindings: new Int32Column(),
    moduleNames: [""],
    bounds: {},
  };
  lineCount = 0;
  anyAddress = false;
  #bytes: Uint8Array = new Uint8Array(0);
  /** The line that the last piece ended in. */
  #rest: Uint8Array = new Uint8Array(0);
  readonly #moduleIndexes = new Map<string, number>();
  /** Bytes of the file before `#bytes`. */
  #bytesBefore = 0;
  #offset = 0;
  #high = 0;
  #low = 0;
  #baseHigh: number | undefined;
  #lastModule = CORE;
  #lastModuleName: Uint8Array = new Uint8Array(0);

  /** Takes the next piece of the file, of which nothing is kept. */
  push(piece: Uint8Array): void {
    const lineEnd = piece.lastIndexOf(NEWLINE) + 1;
    if (lineEnd === 0) {
      this.#keepRest(piece);
      return;
    }
    // The line that began in the last piece, then the whole lines of this one.
    let start = 0;
    if (this.#rest.length > 0) {
      start = piece.indexOf(NEWLINE) + 1;
      this.#keepRest(piece.subarray(0, start));
      this.#parse(this.#rest);
      this.#rest = this.#rest.subarray(0, 0);
    }
    this.#parse(piece.subarray(start, lineEnd));
    this.#keepRest(piece.subarray(lineEnd));
  }

  /** After the last piece: the last line may have no newline. */
  end(): void {
    this.#parse(this.#rest);
  }

  #keepRest(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#rest.length + bytes.length > LINE_BYTES_MAX) {
      this.#offset = 0;
      throw this.#error();
    }
    this.#rest = Buffer.concat([this.#rest, bytes]);
  }

  #parse(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#offset = 0;
    while (this.#offset < this.#bytes.length) {
      this.#parseLine();
      this.lineCount++;
    }
    this.#bytesBefore += bytes.length;
  }

  #parseLine(): void {
    const bytes = this.#bytes;
    this.#parseAddress();
    const type = bytes[this.#offset + 1] ?? 0;
    const nameStart = this.#offset + 3;
    if (bytes[this.#offset] !== SPACE || bytes[this.#offset + 2] !== SPACE) throw this.#error();
    let nameEnd = nameStart;
    while (nameEnd < bytes.length && bytes[nameEnd] !== NEWLINE && bytes[nameEnd] !== TAB) {
      nameEnd++;
    }
    if (nameEnd === nameStart) throw this.#error();
    this.#offset = nameEnd;
    const module = bytes[nameEnd] === TAB ? this.#parseModule() : CORE;
    if (this.#offset < bytes.length && bytes[this.#offset] !== NEWLINE) throw this.#error();
    this.#offset++;
    if (this.#high === 0 && this.#low === 0) return;
    this.anyAddress = true;
    this.#keep(nameStart, nameEnd, module, BINDINGS.get(type));
  }

  #parseAddress(): void {
    this.#high = 0;
    this.#low = 0;
    const start = this.#offset;
    for (; this.#offset < start + HEX_DIGITS_MAX; this.#offset++) {
      const digit = hexDigit(this.#bytes[this.#offset] ?? 0);
      if (digit < 0) break;
      this.#high = ((this.#high << 4) | (this.#low >>> 28)) >>> 0;
      this.#low = ((this.#low << 4) | digit) >>> 0;
    }
    if (this.#offset === start) throw this.#error();
  }

  /** The number of the module in `\t[name]`; lines of one module stand together. */
  #parseModule(): number {
    const bytes = this.#bytes;
    const start = this.#offset + 2;
    let end = start;
    while (end < bytes.length && bytes[end] !== 0x5d && bytes[end] !== NEWLINE) end++;
    if (bytes[start - 1] !== 0x5b || bytes[end] !== 0x5d) throw this.#error();
    this.#offset = end + 1;
    const last = this.#lastModuleName;
    if (last.length === end - start && startsWith(bytes, start, last)) return this.#lastModule;
    this.#lastModuleName = bytes.slice(start, end);
    this.#lastModule = this.#internModule(decodeUtf8(this.#lastModuleName));
    return this.#lastModule;
  }

  #internModule(name: string): number {
    const known = this.#moduleIndexes.get(name);
    if (known !== undefined) return known;
    const index = this.symbols.moduleNames.length;
    if (index > KALLSYMS_MODULES_MAX) {
      throw limitExceeded(KALLSYMS_PATH, "modules", index, KALLSYMS_MODULES_MAX);
    }
    this.symbols.moduleNames.push(name);
    this.#moduleIndexes.set(name, index);
    return index;
  }

  #keep(nameStart: number, nameEnd: number, module: number, binding: number | undefined): void {
    const { symbols } = this;
    if (this.#baseHigh === undefined) {
      // Linux 6.12 and older list the offsets of per-CPU data first, which are no addresses.
      if (binding === undefined) return;
      this.#baseHigh = this.#high >= KERNEL_HIGH_WORD ? KERNEL_HIGH_WORD : 0;
      symbols.base = BigInt(this.#baseHigh) << 32n;
    }
    const start = (this.#high - this.#baseHigh) * HIGH_WORD + this.#low;
    // What lies in the other half of the address space is no kernel code.
    if (start < 0 || start > Number.MAX_SAFE_INTEGER) return;
    if (module === CORE) this.#noteBound(nameStart, nameEnd, start);
    if (binding === undefined) return;
    if (symbols.starts.length >= KALLSYMS_FUNCTIONS_MAX) {
      const count = symbols.starts.length + 1;
      throw limitExceeded(KALLSYMS_PATH, "functions", count, KALLSYMS_FUNCTIONS_MAX);
    }
    symbols.starts.push(start);
    symbols.modules.push(module);
    symbols.bindings.push(binding);
    this.#keepName(nameStart, nameEnd);
  }

  #keepName(start: number, end: number): void {
    const { symbols } = this;
    const at = symbols.namesLength;
    symbols.namesLength += end - start;
    if (symbols.namesLength > symbols.names.length) {
      const larger = new Uint8Array(2 * symbols.names.length);
      larger.set(symbols.names);
      symbols.names = larger;
    }
    // A name is short: a loop costs less than a view of it.
    for (let i = start; i < end; i++) symbols.names[at + i - start] = this.#bytes[i] as number;
    symbols.nameEnds.push(symbols.namesLength);
  }

  #noteBound(nameStart: number, nameEnd: number, start: number): void {
    const length = nameEnd - nameStart;
    if (this.#bytes[nameStart] !== UNDERSCORE || length > BOUND_NAME_BYTES_MAX) return;
    const bound = BOUND_NAMES.get(decodeUtf8(this.#bytes.subarray(nameStart, nameEnd)));
    if (bound !== undefined) this.symbols.bounds[bound] ??= start;
  }

  #error(): Error {
    return malformed(
      `${KALLSYMS_PATH} at offset ${this.#bytesBefore + this.#offset}`,
      "is not an address, a type and a name",
    );
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}

function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix[i]) return false;
  return true;
}
