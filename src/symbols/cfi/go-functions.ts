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

import { countBefore } from "../../support/sorted-search.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import { findGoModule, type PclntabParts } from "../go/module-data.ts";
import { findPclntab, PCLNTAB_MAGICS, type PclntabPlace } from "../go/pclntab-place.ts";
import { CfiCursor } from "./cfi-cursor.ts";
import type { FileSegments } from "./file-segments.ts";

/** Kubernetes' kubelet has 30 MB; linkers that merge it leave what is behind it with it. */
const TABLE_BYTES_MAX = 64 * 1024 * 1024;
/** The same has 150,000. */
const FUNCTIONS_MAX = 2_000_000;
/** Places of all functions; the same has 1.5 million. */
const PLACES_MAX = 4_000_000;
const HEADER_BYTES = 72;
const MAGICS: readonly number[] = [PCLNTAB_MAGICS.go118, PCLNTAB_MAGICS.go120];
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
  readonly #places: number;
  readonly #functions: number;
  #placesLeft = PLACES_MAX;

  /** Undefined when the file has no such table, or one of a Go before 1.18. */
  static read(elf: ElfFile, segments: FileSegments): GoFunctions | undefined {
    const place = findPclntab(elf);
    if (place === undefined || !isReadable(place)) return undefined;
    const bytes = elf.access.read(place.offset, Math.min(place.byteCount, TABLE_BYTES_MAX));
    const functions = new GoFunctions(bytes, (records) =>
      textStart(elf, segments, { ...place, functions: records }),
    );
    const isSound = functions.#isUsual() && functions.#areWhereTheySay(elf, segments);
    return isSound ? functions : undefined;
  }

  /** @param findText  where the text begins, when the table does not say it */
  private constructor(bytes: Uint8Array, findText: (records: number) => number) {
    const cursor = new CfiCursor(bytes);
    this.#cursor = cursor;
    cursor.position = 6;
    this.#unit = cursor.u8();
    const pointerBytes = cursor.u8();
    const count = cursor.i64();
    cursor.skip(8);
    const start = cursor.i64();
    this.#names = cursor.i64();
    cursor.skip(16);
    this.#places = cursor.i64();
    this.#functions = cursor.i64();
    this.#text = start === 0 ? findText(this.#functions) : start;
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
    return countBefore(this.#count, (row) => this.#entry(row + 1) <= address);
  }

  /** Its first NAME_BYTES_MAX characters. */
  nameOf(index: number): string {
    const { bytes } = this.#cursor;
    const start = this.#names + this.#word(this.#recordOf(index) + NAME_AT);
    const name = bytes.subarray(start, start + NAME_BYTES_MAX);
    const end = name.indexOf(0);
    return String.fromCharCode(...(end < 0 ? name : name.subarray(0, end)));
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

/** The tables of other machines have no rules made of them. */
function isReadable({ magic, order, byteCount }: PclntabPlace): boolean {
  const isWide = order.littleEndian && order.pointerBytes === 8;
  return isWide && MAGICS.includes(magic) && byteCount >= HEADER_BYTES;
}

/** Of the module's data, else the section's; NaN without either. */
function textStart(elf: ElfFile, segments: FileSegments, parts: PclntabParts): number {
  const module = findGoModule(elf, parts);
  if (module !== undefined && module.text > 0) return module.text;
  const text = elf.sections.find(({ name }) => name === ".text");
  return text === undefined ? Number.NaN : segments.addressOf(text.offset);
}
