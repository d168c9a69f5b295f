import { malformed } from "../../support/errors.ts";
import type { ElfFile, Section } from "../elf/elf-file.ts";
import { DwarfCursor } from "./dwarf-cursor.ts";
import type { Contributions } from "./dwarf-file.ts";

/** Columns of an index; there are twelve kinds of sections. */
const COLUMNS_MAX = 16;
/** Slots that are looked at for a unit: a third of all are free, so that real ones take few. */
const PROBES_MAX = 4096;

const HEADER_BYTES = 16;
const ID_BYTES = 8;
const WORD_BYTES = 4;

const DW_SECT_INFO = 1;
const DW_SECT_ABBREV = 3;
const DW_SECT_LINE = 4;
const DW_SECT_STR_OFFSETS = 6;
const DW_SECT_RNGLISTS = 8;

/** Where a unit and its parts of the sections are in a .dwp file. */
export interface PackageRow extends Contributions {
  readonly info: number;
}

/**
 * Which units a .dwp file has, by the table of hashes that it holds. Source: DWARF 5, section
 * 7.3.5; version 2 is what GNU tools wrote before.
 */
export class PackageIndex {
  readonly #elf: ElfFile;
  readonly #section: Section | undefined;
  readonly #version: number = 0;
  readonly #units: number = 0;
  readonly #slots: number = 0;
  /** The kind of section of each column. */
  readonly #kinds: readonly number[] = [];

  /** @throws INPUT_MALFORMED  it is cut */
  constructor(elf: ElfFile) {
    this.#elf = elf;
    this.#section = elf.sections.find(({ name }) => name === ".debug_cu_index");
    if (this.#section === undefined) return;
    const header = this.#cursor(0, HEADER_BYTES);
    // The version has 16 bits, and 16 more that are 0; in version 2 it has 32.
    this.#version = header.littleEndian
      ? header.u32() & 0xffff
      : Math.max(header.u16(), header.u16());
    const columns = header.u32();
    this.#units = header.u32();
    this.#slots = header.u32();
    const needed =
      HEADER_BYTES +
      this.#slots * (ID_BYTES + WORD_BYTES) +
      (2 * this.#units + 1) * columns * WORD_BYTES;
    if (columns > COLUMNS_MAX || needed > this.#section.size) {
      throw malformed(`${elf.access.name}: .debug_cu_index`, "the index of units is cut");
    }
    const heads = this.#cursor(this.#tableAt, columns * WORD_BYTES);
    this.#kinds = Array.from({ length: columns }, () => heads.u32());
  }

  /** @param dwoId  hex; undefined when the package has no such unit */
  rowOf(dwoId: string): PackageRow | undefined {
    const id = BigInt(`0x${dwoId}`);
    const mask = BigInt(this.#slots - 1);
    const step = ((id >> 32n) & mask) | 1n;
    let slot = id & mask;
    for (let left = Math.min(this.#slots, PROBES_MAX); left > 0; left--) {
      const at = Number(slot);
      const row = this.#wordAt(HEADER_BYTES + this.#slots * ID_BYTES + at * WORD_BYTES);
      if (row === 0) return undefined;
      if (this.#idAt(at) === id) return row > this.#units ? undefined : this.#readRow(row);
      slot = (slot + step) & mask;
    }
    return undefined;
  }

  #readRow(row: number): PackageRow {
    const offsetOf = (kind: number): number => {
      const column = this.#kinds.indexOf(kind);
      const word = row * this.#kinds.length + column;
      return column < 0 ? 0 : this.#wordAt(this.#tableAt + word * WORD_BYTES);
    };
    return {
      info: offsetOf(DW_SECT_INFO),
      abbrev: offsetOf(DW_SECT_ABBREV),
      line: offsetOf(DW_SECT_LINE),
      strOffsets: offsetOf(DW_SECT_STR_OFFSETS),
      // In version 2 this column is of macros, and ranges are in the program's own file.
      rangeLists: this.#version >= 5 ? offsetOf(DW_SECT_RNGLISTS) : 0,
    };
  }

  /** Behind the hashes: kinds of sections, then a row of offsets for each unit. */
  get #tableAt(): number {
    return HEADER_BYTES + this.#slots * (ID_BYTES + WORD_BYTES);
  }

  #idAt(slot: number): bigint {
    const bytes = this.#cursor(HEADER_BYTES + slot * ID_BYTES, ID_BYTES).bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, ID_BYTES);
    return view.getBigUint64(0, this.#elf.littleEndian);
  }

  #wordAt(at: number): number {
    return this.#cursor(at, WORD_BYTES).u32();
  }

  #cursor(at: number, length: number): DwarfCursor {
    const { access, littleEndian } = this.#elf;
    const offset = (this.#section?.offset ?? 0) + at;
    return new DwarfCursor(access.read(offset, length), ".debug_cu_index", littleEndian);
  }
}
