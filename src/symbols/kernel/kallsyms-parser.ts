/**
 * /proc/kallsyms: `address type name` a line, and for a module or BPF a tab and `[module]`.
 *
 *   ffffffff81000000 T _text
 *   ffffffffc0201000 t ftrace_trampoline\t[__builtin__ftrace]
 *
 * Source: kernel/kallsyms.c, s_show; types as in nm(1).
 */
import { decodeUtf8 } from "../../support/byte-reader.ts";
import { limitExceeded, malformed } from "../../support/errors.ts";

/** Modules, and what the kernel lists as such; a desktop has two hundred. */
export const KALLSYMS_MODULES_MAX = 65_536;

/** Of which the errors speak. */
export const KALLSYMS_PATH = "/proc/kallsyms";
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
  /** The text that names are taken from. */
  readonly bytes: Uint8Array;
  /** Address of start 0. */
  base: bigint;
  readonly starts: Float64Array;
  readonly nameStarts: Uint32Array;
  readonly nameEnds: Uint32Array;
  readonly modules: Uint32Array;
  /** 0 global, 1 weak, 2 local. */
  readonly bindings: Uint8Array;
  readonly moduleNames: string[];
  readonly bounds: CodeBounds;
  count: number;
}

/** One pass over the bytes; of a line only numbers are made. */
export class KallsymsParser {
  readonly symbols: ParsedSymbols;
  lineCount = 0;
  anyAddress = false;
  readonly #bytes: Uint8Array;
  readonly #moduleIndexes = new Map<string, number>();
  #offset = 0;
  #high = 0;
  #low = 0;
  #baseHigh: number | undefined;
  #lastModule = CORE;
  #lastModuleStart = 0;
  #lastModuleEnd = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    const capacity = countLines(bytes);
    this.symbols = {
      bytes,
      base: 0n,
      starts: new Float64Array(capacity),
      nameStarts: new Uint32Array(capacity),
      nameEnds: new Uint32Array(capacity),
      modules: new Uint32Array(capacity),
      bindings: new Uint8Array(capacity),
      moduleNames: [""],
      bounds: {},
      count: 0,
    };
  }

  parse(): void {
    while (this.#offset < this.#bytes.length) {
      this.#parseLine();
      this.lineCount++;
    }
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
    if (sameBytes(bytes, start, end, this.#lastModuleStart, this.#lastModuleEnd)) {
      return this.#lastModule;
    }
    this.#lastModuleStart = start;
    this.#lastModuleEnd = end;
    this.#lastModule = this.#internModule(decodeUtf8(bytes.subarray(start, end)));
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
      this.#baseHigh = this.#high >= KERNEL_HIGH_WORD ? KERNEL_HIGH_WORD : 0;
      symbols.base = BigInt(this.#baseHigh) << 32n;
    }
    const start = (this.#high - this.#baseHigh) * HIGH_WORD + this.#low;
    // What lies in the other half of the address space is no kernel code.
    if (start < 0 || start > Number.MAX_SAFE_INTEGER) return;
    if (module === CORE) this.#noteBound(nameStart, nameEnd, start);
    if (binding === undefined) return;
    const row = symbols.count++;
    symbols.starts[row] = start;
    symbols.nameStarts[row] = nameStart;
    symbols.nameEnds[row] = nameEnd;
    symbols.modules[row] = module;
    symbols.bindings[row] = binding;
  }

  #noteBound(nameStart: number, nameEnd: number, start: number): void {
    const length = nameEnd - nameStart;
    if (this.#bytes[nameStart] !== UNDERSCORE || length > BOUND_NAME_BYTES_MAX) return;
    const bound = BOUND_NAMES.get(decodeUtf8(this.#bytes.subarray(nameStart, nameEnd)));
    if (bound !== undefined) this.symbols.bounds[bound] ??= start;
  }

  #error(): Error {
    return malformed(
      `${KALLSYMS_PATH} at offset ${this.#offset}`,
      "is not an address, a type and a name",
    );
  }
}

function countLines(bytes: Uint8Array): number {
  let count = 1;
  for (let i = 0; i < bytes.length; i++) if (bytes[i] === NEWLINE) count++;
  return count;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}

function sameBytes(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): boolean {
  if (aEnd - a !== bEnd - b) return false;
  for (let i = 0; i < aEnd - a; i++) if (bytes[a + i] !== bytes[b + i]) return false;
  return true;
}
