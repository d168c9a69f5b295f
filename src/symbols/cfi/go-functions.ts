/**
 * What Go's own table tells of its functions, which stripping leaves in a file: where each begins,
 * what it is called, and how far its stack pointer has moved. Of a 64-bit little-endian file:
 *
 *   header     magic u32 (0xfffffff0 Go 1.18, 0xfffffff1 Go 1.20), 2 zeros, unit of code u8,
 *              pointer size u8; then words: functions, files, start of the text, and the offsets
 *              of names, units, files, tables of places, functions
 *   functions  entry u32 from the text's start and offset u32 of its record, for each; the end
 *   record     entry u32, name u32, …, at 16 the table of places of the stack pointer
 *   table      pairs of how the value changes (zigzag, from −1 on) and how many units of code it
 *              holds for; a change of 0 behind the first ends it
 *
 * Since Go 1.26 the text's start is 0 here and stands in the module's data: its word 22.
 * Source: Go's src/internal/abi/symtab.go, src/runtime/symtab.go and design "go1.2 symtab".
 */
import { decodeUtf8 } from "../../support/byte-reader.ts";
import { type ElfFile, readSectionBytes, type Section } from "../elf/elf-file.ts";
import { CfiCursor } from "./cfi-cursor.ts";
import type { FileSegments } from "./file-segments.ts";

/** Kubernetes' kubelet has 30 MB. */
const TABLE_BYTES_MAX = 64 * 1024 * 1024;
/** The same has 150,000. */
const FUNCTIONS_MAX = 2_000_000;
/** Places of all functions; the same has 1.5 million. */
const PLACES_MAX = 4_000_000;
const HEADER_BYTES = 72;
const MODULE_TEXT_AT = 22 * 8;
const MAGICS: readonly number[] = [0xffff_fff0, 0xffff_fff1];
const MERGED_SECTIONS: readonly string[] = [".data.rel.ro", ".rodata"];
/** Of the magics, with the unit of code of both machines and the size of a pointer. */
const HEADER_STARTS: readonly Buffer[] = [0xf0, 0xf1].flatMap((low) =>
  [1, 4].map((unit) => Buffer.from([low, 0xff, 0xff, 0xff, 0, 0, unit, 8])),
);
/** How functions begin that have more than little on the stack, of which most do. */
const STACK_CHECKS: readonly { readonly mask: number; readonly bits: number }[] = [
  // cmp rsp, [r14 + 16]; lea r12, [rsp − n]; push rbp; mov rbp, rsp
  { mask: 0xffff_ffff, bits: 0x1066_3b49 },
  { mask: 0xffff_ffff, bits: 0x2464_8d4c },
  { mask: 0x00ff_ffff, bits: 0x0089_4855 },
  // ldr x16, [x28, #16]
  { mask: 0xffff_ffff, bits: 0xf940_0b90 },
];
/** Enough to tell one share of functions from another. */
const SAMPLED_FUNCTIONS = 64;
const USUAL_SHARE_MIN = 0.25;
const WORD_BYTES = 8;
const PLACES_AT = 16;
const NAME_AT = 4;
/** The point of ".abi0". */
const CONVENTION_MARK = 0x2e;
/** Only its start is compared. */
const NAME_BYTES_MAX = 32;
/** Of a whole name, or path; generic types make long ones. */
const WHOLE_NAME_BYTES_MAX = 4096;
const FILE_PLACES_AT = 20;
const LINE_PLACES_AT = 24;
const UNIT_AT = 32;
/** A unit's file that has no code left. */
const NO_FILE = 0xffff_ffff;

/** Where code comes from. */
export interface GoPlace {
  readonly file: string;
  /** From 1 on. */
  readonly line: number;
}

export interface GoFunction {
  readonly start: number;
  /** The start of the next. */
  readonly end: number;
}

export class GoFunctions {
  readonly #cursor: CfiCursor;
  readonly #text: number;
  readonly #unit: number;
  readonly #count: number;
  readonly #names: number;
  readonly #units: number;
  readonly #files: number;
  readonly #places: number;
  readonly #functions: number;
  #placesLeft = PLACES_MAX;

  /** Undefined when the file has no such table, or one of a Go before 1.18. */
  static read(elf: ElfFile, segments: FileSegments): GoFunctions | undefined {
    const bytes = tableBytes(elf);
    if (bytes === undefined || bytes.length < HEADER_BYTES) return undefined;
    const functions = new GoFunctions(bytes, textStart(elf, segments));
    const isSound = functions.#isUsual() && functions.#areWhereTheySay(elf, segments);
    return isSound ? functions : undefined;
  }

  private constructor(bytes: Uint8Array, text: number) {
    const cursor = new CfiCursor(bytes);
    this.#cursor = cursor;
    cursor.position = 6;
    this.#unit = cursor.u8();
    const pointerBytes = cursor.u8();
    const count = cursor.i64();
    cursor.skip(8);
    const start = cursor.i64();
    this.#text = start === 0 ? text : start;
    this.#names = cursor.i64();
    this.#units = cursor.i64();
    this.#files = cursor.i64();
    this.#places = cursor.i64();
    this.#functions = cursor.i64();
    this.#count = pointerBytes === 8 ? count : 0;
  }

  get count(): number {
    return this.#count;
  }

  at(index: number): GoFunction {
    return { start: this.#entry(index), end: this.#entry(index + 1) };
  }

  /** The number of the first function that ends behind the address. */
  firstBehind(address: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entry(middle + 1) <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Its first NAME_BYTES_MAX characters. */
  nameOf(index: number): string {
    const { bytes } = this.#cursor;
    const start = this.#names + this.#word(this.#recordOf(index) + NAME_AT);
    const name = bytes.subarray(start, start + NAME_BYTES_MAX);
    const end = name.indexOf(0);
    return String.fromCharCode(...(end < 0 ? name : name.subarray(0, end)));
  }

  /** Its whole name, with its package. */
  wholeNameOf(index: number): string {
    return this.#textAt(this.#names + this.#word(this.#recordOf(index) + NAME_AT));
  }

  /** Where the code at an address of a function comes from; of an inlined call its own place. */
  placeAt(index: number, address: number): GoPlace | undefined {
    const record = this.#recordOf(index);
    const file = this.#valueAt(index, this.#word(record + FILE_PLACES_AT), address);
    const line = this.#valueAt(index, this.#word(record + LINE_PLACES_AT), address);
    if (file === undefined || file < 0 || line === undefined || line < 1) return undefined;
    const offset = this.#word(this.#units + 4 * (this.#word(record + UNIT_AT) + file));
    return offset === NO_FILE ? undefined : { file: this.#textAt(this.#files + offset), line };
  }

  /** What a table of places says of an address. */
  #valueAt(index: number, places: number, address: number): number | undefined {
    const cursor = this.#cursor;
    const { start, end } = this.at(index);
    cursor.window(this.#places + places, cursor.bytes.length);
    let value = -1;
    for (let at = start, count = 0; at < end; count++) {
      const change = cursor.uleb128();
      if (cursor.overrun || (change === 0 && count > 0)) return undefined;
      value += change % 2 === 0 ? change / 2 : -(change + 1) / 2;
      const length = cursor.uleb128() * this.#unit;
      // One that is empty would not end.
      if (!(length > 0)) return undefined;
      at += length;
      if (address < at) return value;
    }
    return undefined;
  }

  #textAt(start: number): string {
    const bytes = this.#cursor.bytes.subarray(start, start + WHOLE_NAME_BYTES_MAX);
    const end = bytes.indexOf(0);
    return decodeUtf8(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** As assembly has it: exactly, or with the mark of its calling convention behind it. */
  hasAssemblyName(index: number, name: Uint8Array): boolean {
    const { bytes } = this.#cursor;
    const start = this.#names + this.#word(this.#recordOf(index) + NAME_AT);
    for (let at = 0; at < name.length; at++) if (bytes[start + at] !== name[at]) return false;
    const behind = bytes[start + name.length];
    return behind === 0 || behind === CONVENTION_MARK;
  }

  /** Calls back with each place and how many bytes the stack pointer is below its entry there. */
  forEachPlace(index: number, onPlace: (address: number, byteCount: number) => void): void {
    const cursor = this.#cursor;
    const { start, end } = this.at(index);
    const table = this.#places + this.#word(this.#recordOf(index) + PLACES_AT);
    cursor.window(table, cursor.bytes.length);
    let address = start;
    let value = -1;
    for (let count = 0; address < end; count++) {
      const change = cursor.uleb128();
      if (cursor.overrun || (change === 0 && count > 0) || this.#placesLeft-- <= 0) return;
      value += change % 2 === 0 ? change / 2 : -(change + 1) / 2;
      onPlace(address, value);
      address += cursor.uleb128() * this.#unit;
    }
  }

  #isUsual(): boolean {
    const { bytes } = this.#cursor;
    const magic = this.#word(0);
    return (
      MAGICS.includes(magic) &&
      this.#count > 0 &&
      this.#count <= FUNCTIONS_MAX &&
      this.#unit > 0 &&
      Number.isSafeInteger(this.#text) &&
      this.#functions + (this.#count + 1) * 8 <= bytes.length
    );
  }

  /** The text's start is not always in the file, and may be guessed wrong. */
  #areWhereTheySay({ access }: ElfFile, segments: FileSegments): boolean {
    let count = 0;
    let usual = 0;
    const step = Math.ceil(this.#count / SAMPLED_FUNCTIONS);
    for (let index = 0; index < this.#count; index += step) {
      const offset = segments.offsetOf(this.#entry(index));
      if (!(offset + WORD_BYTES <= access.size)) continue;
      count++;
      const word = new CfiCursor(access.read(offset, 4)).u32();
      if (STACK_CHECKS.some(({ mask, bits }) => (word & mask) >>> 0 === bits)) usual++;
    }
    return usual > 0 && usual >= count * USUAL_SHARE_MIN;
  }

  #entry(index: number): number {
    return this.#text + this.#word(this.#functions + index * 8);
  }

  #recordOf(index: number): number {
    return this.#functions + this.#word(this.#functions + index * 8 + 4);
  }

  /** 0 outside of the table. */
  #word(at: number): number {
    this.#cursor.window(at, this.#cursor.bytes.length);
    return this.#cursor.u32();
  }
}

function tableBytes(elf: ElfFile): Uint8Array | undefined {
  const isSmall = ({ size }: Section): boolean => size <= TABLE_BYTES_MAX;
  const own = elf.sections.find(({ name }) => name.endsWith(".gopclntab"));
  if (own !== undefined)
    return isSmall(own) ? readSectionBytes(elf, own, TABLE_BYTES_MAX) : undefined;
  // Linkers of C merge it into others.
  for (const name of MERGED_SECTIONS) {
    const section = elf.sections.find((one) => one.name === name);
    if (section === undefined || !isSmall(section)) continue;
    const { buffer, byteOffset, length } = readSectionBytes(elf, section, TABLE_BYTES_MAX);
    const bytes = Buffer.from(buffer, byteOffset, length);
    for (const start of HEADER_STARTS) {
      const at = bytes.indexOf(start);
      if (at >= 0) return bytes.subarray(at);
    }
  }
  return undefined;
}

/** Of the module's data, else the section's; NaN without either. */
function textStart(elf: ElfFile, segments: FileSegments): number {
  const module = elf.sections.find(({ name }) => name === ".go.module");
  const fromModule = module === undefined ? 0 : moduleText(elf, module);
  if (fromModule > 0) return fromModule;
  const text = elf.sections.find(({ name }) => name === ".text");
  return text === undefined ? Number.NaN : segments.addressOf(text.offset);
}

/** 0 where a loader writes it. */
function moduleText({ access }: ElfFile, { offset, size }: Section): number {
  const at = offset + MODULE_TEXT_AT;
  if (size < MODULE_TEXT_AT + 8 || at + 8 > access.size) return 0;
  return new CfiCursor(access.read(at, 8)).i64();
}
