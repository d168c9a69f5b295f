/**
 * Go's table of functions and lines, "pclntab", which stripping leaves in a program. A word is as
 * long as a pointer:
 *
 *   header    magic u32, 2 zeros, unit of code u8, size of a pointer u8; then words:
 *     1.2     functions; behind them the index
 *     1.16    functions, files, and where there are: names, units, files, tables, records
 *     1.18    as 1.16, with the start of the text behind files, 0 where only the module knows it
 *   index     address and place of the record of each function, in order: words, since 1.18 u32,
 *             addresses from the text's start on; behind the last where it ends; in 1.2 behind
 *             that the place u32 of a list of files: their count, then the place of each, u32
 *   record    address (word, since 1.18 u32); then u32: name, arguments, deferred return, tables of
 *             the stack pointer, of files and of lines, count of other tables, since 1.16 the
 *             unit's files, since 1.20 the first line; then u8: kind, 2 others, count of data;
 *             then u32: the other tables, the data; before 1.18 data are words, and addresses
 *   table     pairs of how the value changes (zigzag, from −1 on) and how many units of code it
 *             holds for; a change of 0 behind the first ends it
 *
 * Places of records, names, files and tables are from their part's start on; in 1.2, which has one
 * part, from the table's start.
 * Source: Go's src/runtime/symtab.go and src/cmd/link/internal/ld/pcln.go of each version, and the
 * design "Go 1.2 Runtime Symbol Information".
 */
import { malformed } from "../../support/errors.ts";
import { countBefore } from "../../support/sorted-search.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import { GoBytes } from "./go-bytes.ts";
import type { PclntabParts } from "./module-data.ts";
import { PCLNTAB_MAGICS, type PclntabMagic, type PclntabPlace } from "./pclntab-place.ts";

/** Kubernetes' kubelet has 150,000. */
const FUNCTIONS_MAX = 4_000_000;
/** Of one table; generated functions have some 50,000. */
const STEPS_MAX = 500_000;
const LEB128_BYTES_MAX = 5;
/** A unit's file that has no code left. */
const NO_FILE = 0xffff_ffff;
/** Of data that a function has not. */
const NO_DATA = 0xffff_ffff;

/** Where code comes from. */
export interface GoPlace {
  readonly file: string;
  /** From 1 on. */
  readonly line: number;
}

export interface GoFunction {
  readonly start: number;
  /** Where the next begins; padding is before it. */
  readonly end: number;
  /** The place of its record. */
  readonly record: number;
}

/** Where what is in a record and in the table's parts. */
interface Layout {
  readonly count: number;
  readonly names: number;
  readonly units: number;
  readonly files: number;
  readonly tables: number;
  readonly functions: number;
  readonly index: number;
  readonly indexWordBytes: number;
  /** Of the u32 behind the address in a record. */
  readonly fieldsAt: number;
  readonly kindAt: number;
}

/** @throws INPUT_MALFORMED  from all of its methods: a place in the table is outside of it */
export class Pclntab {
  readonly #bytes: GoBytes;
  readonly #layout: Layout;
  readonly #magic: PclntabMagic;
  readonly #codeUnit: number;
  readonly #name: string;
  readonly #place: PclntabPlace;
  /** What the index' addresses count from. */
  #text: number;
  #stepsLeft = STEPS_MAX;

  /** @throws INPUT_MALFORMED, LIMIT_EXCEEDED  the table is broken, or too large */
  constructor(elf: ElfFile, place: PclntabPlace) {
    const { access } = elf;
    this.#name = `${access.name}: pclntab`;
    const bytes = new GoBytes(access, place, place.order);
    this.#bytes = bytes;
    this.#place = place;
    this.#magic = place.magic;
    this.#codeUnit = place.codeUnit;
    this.#layout = layoutOf(bytes, place.magic);
    this.#text = countsFromText(place.magic) ? headerText(bytes) : 0;
    const { count, index, indexWordBytes } = this.#layout;
    const isSound = count > 0 && count <= FUNCTIONS_MAX;
    if (!isSound || index + (2 * count + 1) * indexWordBytes > bytes.length) {
      throw malformed(this.#name, `has ${count} functions`);
    }
  }

  get count(): number {
    return this.#layout.count;
  }

  /** What the program's module is found by. */
  get parts(): PclntabParts {
    const { magic, offset, order } = this.#place;
    return { magic, offset, order, functions: this.#layout.functions };
  }

  /** Since Go 1.18 addresses of functions and of their data count from what the module says. */
  get countsFromModule(): boolean {
    return countsFromText(this.#magic);
  }

  /** False when the table does not say where the text begins, so that `startAt` must. */
  get knowsText(): boolean {
    return !countsFromText(this.#magic) || this.#text > 0;
  }

  startAt(text: number): void {
    this.#text = text;
  }

  /** Undefined before the first function and behind the last. */
  functionAt(address: number): GoFunction | undefined {
    const { count } = this.#layout;
    const index = countBefore(count, (row) => this.#entry(row + 1) <= address);
    return index < count && address >= this.#entry(index) ? this.at(index) : undefined;
  }

  at(index: number): GoFunction {
    const { functions, indexWordBytes } = this.#layout;
    const at = this.#indexAt(index) + indexWordBytes;
    const record = functions + this.#indexWord(at);
    return { start: this.#entry(index), end: this.#entry(index + 1), record };
  }

  /** With its package; types of a generic function are three points. */
  nameOf({ record }: GoFunction): string {
    return this.nameAt(this.#field(record, 0));
  }

  nameAt(place: number): string {
    return this.#bytes.text(this.#layout.names + place);
  }

  /** How many steps through tables the next questions may take together. */
  allow(): void {
    this.#stepsLeft = STEPS_MAX;
  }

  /** False in the padding behind a function; true as well where it has no table of lines. */
  hasCodeAt(function_: GoFunction, address: number): boolean {
    const lines = this.#field(function_.record, 5);
    return lines === 0 || this.#valueAt(function_, lines, address) !== undefined;
  }

  /** Where the code at an address comes from; of an inlined call its own place. */
  placeAt(function_: GoFunction, address: number): GoPlace | undefined {
    const { record } = function_;
    const line = this.#valueAt(function_, this.#field(record, 5), address);
    if (line === undefined || line < 1) return undefined;
    const number = this.#valueAt(function_, this.#field(record, 4), address);
    const file = number === undefined ? undefined : this.#fileOf(record, number);
    return file === undefined ? undefined : { file, line };
  }

  /** What one of the other tables says of an address; undefined without such a table. */
  dataAt(function_: GoFunction, table: number, address: number): number | undefined {
    const { record } = function_;
    if (table >= this.#field(record, 6)) return undefined;
    const at = record + this.#layout.kindAt + 4 + 4 * table;
    return this.#valueAt(function_, this.#bytes.u32(at), address);
  }

  /**
   * The address of data of a function; undefined where it has none, and before Go 1.16.
   *
   * @param from  the module's start of such data, from which it counts since Go 1.18
   */
  functionData({ record }: GoFunction, number: number, from: number): number | undefined {
    const kind = record + this.#layout.kindAt;
    if (this.#magic === PCLNTAB_MAGICS.go12 || number >= this.#bytes.u8(kind + 3)) return undefined;
    const all = kind + 4 + 4 * this.#field(record, 6);
    if (this.#magic === PCLNTAB_MAGICS.go116) {
      const { pointerBytes } = this.#place.order;
      const start = Math.ceil(all / pointerBytes) * pointerBytes;
      return this.#bytes.word(start + number * pointerBytes) || undefined;
    }
    const offset = this.#bytes.u32(all + 4 * number);
    return offset === NO_DATA ? undefined : from + offset;
  }

  #fileOf(record: number, number: number): string | undefined {
    const { files, units } = this.#layout;
    if (number < 0) return undefined;
    if (this.#magic === PCLNTAB_MAGICS.go12) {
      const isThere = number > 0 && number < this.#bytes.u32(files);
      return isThere ? this.#bytes.text(this.#bytes.u32(files + 4 * number)) : undefined;
    }
    const offset = this.#bytes.u32(units + 4 * (this.#field(record, 7) + number));
    return offset === NO_FILE ? undefined : this.#bytes.text(files + offset);
  }

  /** What a table of places says of an address. */
  #valueAt({ start, end }: GoFunction, table: number, address: number): number | undefined {
    if (table === 0) return undefined;
    const bytes = this.#bytes;
    const cursor = { at: this.#layout.tables + table };
    let value = -1;
    for (let at = start, count = 0; at < end; count++) {
      if (this.#stepsLeft-- <= 0) throw malformed(this.#name, "has too long tables");
      const change = uleb128(bytes, cursor);
      if (change === 0 && count > 0) return undefined;
      value += change % 2 === 0 ? change / 2 : -(change + 1) / 2;
      at += uleb128(bytes, cursor) * this.#codeUnit;
      if (address < at) return value;
    }
    return undefined;
  }

  #field(record: number, number: number): number {
    return this.#bytes.u32(record + this.#layout.fieldsAt + 4 * number);
  }

  #entry(index: number): number {
    return this.#text + this.#indexWord(this.#indexAt(index));
  }

  #indexAt(index: number): number {
    return this.#layout.index + 2 * index * this.#layout.indexWordBytes;
  }

  #indexWord(at: number): number {
    return this.#layout.indexWordBytes === 4 ? this.#bytes.u32(at) : this.#bytes.word(at);
  }
}

function countsFromText(magic: PclntabMagic): boolean {
  return magic === PCLNTAB_MAGICS.go118 || magic === PCLNTAB_MAGICS.go120;
}

function headerText(bytes: GoBytes): number {
  return bytes.word(8 + 2 * bytes.order.pointerBytes);
}

function layoutOf(bytes: GoBytes, magic: PclntabMagic): Layout {
  const { pointerBytes } = bytes.order;
  const word = (number: number): number => bytes.word(8 + number * pointerBytes);
  const count = word(0);
  if (magic === PCLNTAB_MAGICS.go12) {
    const index = 8 + pointerBytes;
    const filesAt = index + (2 * count + 1) * pointerBytes;
    return {
      count,
      ...{ names: 0, units: 0, files: bytes.u32(filesAt), tables: 0, functions: 0 },
      ...{ index, indexWordBytes: pointerBytes },
      ...{ fieldsAt: pointerBytes, kindAt: pointerBytes + 28 },
    };
  }
  const first = magic === PCLNTAB_MAGICS.go116 ? 2 : 3;
  const [names = 0, units = 0, files = 0, tables = 0, functions = 0] = [0, 1, 2, 3, 4].map((part) =>
    word(first + part),
  );
  const indexWordBytes = magic === PCLNTAB_MAGICS.go116 ? pointerBytes : 4;
  const fields = magic === PCLNTAB_MAGICS.go120 ? 9 : 8;
  return {
    ...{ count, names, units, files, tables, functions, index: functions, indexWordBytes },
    ...{ fieldsAt: indexWordBytes, kindAt: indexWordBytes + 4 * fields },
  };
}

function uleb128(bytes: GoBytes, cursor: { at: number }): number {
  let value = 0;
  let scale = 1;
  for (let count = 0; count < LEB128_BYTES_MAX; count++) {
    const byte = bytes.u8(cursor.at++);
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value;
    scale *= 0x80;
  }
  return value;
}
