import { malformed } from "../../support/errors.ts";
import type { AbbreviationTable } from "./abbreviations.ts";
import { NO_ADDRESS } from "./address-space.ts";
import * as dw from "./constants.ts";
import { DieValues, readAttributes } from "./die-values.ts";
import { DwarfCursor, type Encoding } from "./dwarf-cursor.ts";
import { type Contributions, type DwarfFile, stringSectionOf, WHOLE_FILE } from "./dwarf-file.ts";
import { type RangePairs, readOldRanges, readRangeList } from "./range-lists.ts";
import { textIn } from "./string-section.ts";
import type { UnitHeader } from "./unit-header.ts";

/** The largest seen, of a program linked as one, has nearly as many; they are held in memory. */
const UNIT_BYTES_MAX = 200_000_000;
/** Bytes of the header of .debug_str_offsets and .debug_rnglists, in the 32-bit format. */
const STR_OFFSETS_HEADER_BYTES = 8;
const RANGE_LISTS_HEADER_BYTES = 12;
/** A range has few bytes, and becomes two numbers. */
const RANGE_BYTE_COST = 4;
/** Each is larger by two lengths of 4 more bytes in the 64-bit format. */
const HEADER_64_EXTRA_BYTES = 8;

/** What a reference leads to: an entry of this file's .debug_info, or of its dwz file's. */
export interface Reference {
  readonly isSupplementary: boolean;
  /** In the section. */
  readonly offset: number;
}

/**
 * One unit, with what its first entry says: where its texts, addresses and ranges are.
 * A unit that was split off has its skeleton, in whose file its addresses are.
 */
export class Unit {
  readonly file: DwarfFile;
  readonly header: UnitHeader;
  readonly skeleton: Unit | undefined;
  readonly table: AbbreviationTable;
  readonly encoding: Encoding;
  readonly #contributions: Contributions;
  /** Of the first entry. */
  readonly root: RootValues;
  /** Its first bytes, which stay. */
  #head: Uint8Array = new Uint8Array(0);
  #bytes: Uint8Array | undefined;

  constructor(file: DwarfFile, header: UnitHeader, split?: SplitFrom) {
    this.file = file;
    this.header = header;
    this.encoding = header.encoding;
    this.skeleton = split?.skeleton;
    this.#contributions = split?.contributions ?? WHOLE_FILE;
    const abbreviations = header.abbreviations + this.#contributions.abbrev;
    this.table = file.abbreviations(abbreviations, header.encoding);
    this.root = this.#readRoot();
  }

  get name(): string {
    return `.debug_info at ${this.header.offset}`;
  }

  /** A cursor over the unit, whose offsets count from its header on. */
  cursor(at: number): DwarfCursor {
    const { offset, end } = this.header;
    if (end - offset > UNIT_BYTES_MAX) throw malformed(this.name, `has ${end - offset} bytes`);
    this.#bytes ??= this.file.takeUnit(offset, end - offset);
    return new DwarfCursor(this.#bytes, this.name, this.encoding.littleEndian, at);
  }

  /** No cursor over it may be used after that: its memory is another unit's soon. */
  release(): void {
    if (this.#bytes !== undefined) this.file.giveUnit(this.#bytes);
    this.#bytes = undefined;
  }

  /** Reads the entry at an offset of the unit. False at the end of a list of children. */
  readDie(offset: number, into: DieValues): boolean {
    const cursor = this.cursor(offset);
    const code = cursor.uleb();
    if (code === 0) return false;
    const row = this.rowOf(cursor, code);
    readAttributes(cursor, this, row, into);
    return true;
  }

  /** @throws INPUT_MALFORMED  the code stands for nothing */
  rowOf(cursor: DwarfCursor, code: number): number {
    const row = this.table.row(code);
    if (row < 0) throw cursor.error(`abbreviation ${code} is not declared`);
    return row;
  }

  /** The text of a form and its value; undefined when it is not to be had. */
  text(form: number, value: number): string | undefined {
    const section = stringSectionOf(form);
    if (section !== undefined) return this.file.stringAt(section, value);
    switch (form) {
      case dw.DW_FORM_string: {
        return textIn(this.cursor(0).bytes, value);
      }
      case dw.DW_FORM_strx:
      case dw.DW_FORM_strx1:
      case dw.DW_FORM_strx2:
      case dw.DW_FORM_strx3:
      case dw.DW_FORM_strx4:
      case dw.DW_FORM_GNU_str_index:
        return this.file.stringAt("str", this.#stringOffset(value));
      case dw.DW_FORM_GNU_strp_alt:
      case dw.DW_FORM_strp_sup:
        return this.file.supplementary?.stringAt("str", value);
      default:
        return undefined;
    }
  }

  /** An address by the form of its attribute; NO_ADDRESS where the code is gone. */
  address(form: number, value: number): number {
    if (form !== dw.DW_FORM_addr) return this.indexedAddress(value);
    const { addressBytes, littleEndian } = this.encoding;
    // Most units are asked only where they begin.
    const cursor =
      value + addressBytes <= this.#head.length
        ? new DwarfCursor(this.#head, this.name, littleEndian, value)
        : this.cursor(value);
    return this.file.space.read(cursor, addressBytes);
  }

  /** An address of .debug_addr, which a skeleton has for the unit that was split off it. */
  indexedAddress(index: number): number {
    if (this.skeleton !== undefined) return this.skeleton.indexedAddress(index);
    const { addressBytes } = this.encoding;
    const base = Math.max(this.root.addrBase, 0);
    const cursor = this.file.cursor("addr", base + index * addressBytes);
    return this.file.space.read(cursor, addressBytes);
  }

  /** Where code of an entry is. Ranges that no code can be in are left out. */
  rangesOf(values: DieValues): RangePairs {
    if (values.rangesForm !== 0) return this.#kept(this.#listedRanges(values));
    if (values.lowForm === 0 || values.highForm === 0) return [];
    const low = this.address(values.lowForm, values.low);
    const high = isAddress(values.highForm)
      ? this.address(values.highForm, values.high)
      : low + values.high;
    return low === NO_ADDRESS || high <= low ? [] : this.#kept([low, high]);
  }

  #kept(pairs: RangePairs): RangePairs {
    const { space } = this.file;
    let isWhole = true;
    for (let index = 0; index < pairs.length; index += 2) {
      isWhole &&= space.isCode(pairs[index] as number);
    }
    if (isWhole) return pairs;
    const kept: RangePairs = [];
    for (let index = 0; index < pairs.length; index += 2) {
      const low = pairs[index] as number;
      if (space.isCode(low)) kept.push(low, pairs[index + 1] as number);
    }
    return kept;
  }

  #listedRanges({ rangesForm, ranges }: DieValues): RangePairs {
    const { version, addressBytes } = this.encoding;
    const context = { space: this.file.space, addressBytes, base: this.#lowest };
    if (version < 5) return this.#oldRanges(ranges, context);
    const offset = rangesForm === dw.DW_FORM_rnglistx ? this.#rangeListOffset(ranges) : ranges;
    const cursor = this.file.cursor("rnglists", offset);
    const indexed = (index: number): number => this.indexedAddress(index);
    return this.#counted(cursor, () => readRangeList(cursor, context, indexed));
  }

  /** Those of a unit that GNU tools split off stay in the program's file. */
  #oldRanges(offset: number, context: Parameters<typeof readOldRanges>[1]): RangePairs {
    const { skeleton } = this;
    const base = skeleton === undefined ? 0 : Math.max(skeleton.root.rangesBase, 0);
    const cursor = (skeleton ?? this).file.cursor("ranges", base + offset);
    return this.#counted(cursor, () => readOldRanges(cursor, context));
  }

  #counted(cursor: DwarfCursor, read: () => RangePairs): RangePairs {
    const { work } = this.file;
    work.spend(cursor.name, 0);
    const start = cursor.at;
    try {
      return read();
    } finally {
      work.spend(cursor.name, RANGE_BYTE_COST * (cursor.at - start));
    }
  }

  /** DW_AT_low_pc of the unit, from which its ranges count. */
  get #lowest(): number {
    const { root, skeleton } = this;
    if (root.lowForm !== 0) return this.address(root.lowForm, root.low);
    return skeleton === undefined ? 0 : skeleton.#lowest;
  }

  #rangeListOffset(index: number): number {
    const { offsetBytes } = this.encoding;
    const headerBytes = RANGE_LISTS_HEADER_BYTES + (offsetBytes === 8 ? HEADER_64_EXTRA_BYTES : 0);
    const base =
      this.root.rangesBase >= 0
        ? this.root.rangesBase
        : this.#contributions.rangeLists + headerBytes;
    return base + this.file.cursor("rnglists", base + index * offsetBytes).offset(offsetBytes);
  }

  #stringOffset(index: number): number {
    const { offsetBytes, version } = this.encoding;
    let base = this.root.strOffsetsBase;
    if (base < 0) {
      const extra = offsetBytes === 8 ? HEADER_64_EXTRA_BYTES : 0;
      const headerBytes = version < 5 ? 0 : STR_OFFSETS_HEADER_BYTES + extra;
      base = this.#contributions.strOffsets + headerBytes;
    }
    return this.file.cursor("str_offsets", base + index * offsetBytes).offset(offsetBytes);
  }

  /** What an attribute refers to; undefined for a form that is no reference to an entry. */
  reference(form: number, value: number): Reference | undefined {
    switch (form) {
      case dw.DW_FORM_ref1:
      case dw.DW_FORM_ref2:
      case dw.DW_FORM_ref4:
      case dw.DW_FORM_ref8:
      case dw.DW_FORM_ref_udata:
        return { isSupplementary: false, offset: this.header.offset + value };
      case dw.DW_FORM_ref_addr:
        return { isSupplementary: false, offset: value };
      case dw.DW_FORM_GNU_ref_alt:
      case dw.DW_FORM_ref_sup4:
      case dw.DW_FORM_ref_sup8:
        return { isSupplementary: true, offset: value };
      default:
        return undefined;
    }
  }

  #readRoot(): RootValues {
    const { offset, end, headerBytes } = this.header;
    // Most units are asked for nothing else: their bytes are not read for it.
    const length = Math.min(end - offset, ROOT_BYTES);
    const values = new DieValues();
    try {
      this.#head = this.file.unitHead(offset, length, length === end - offset);
      this.#readRootFrom(this.#head, headerBytes, values);
    } catch (error) {
      if (length === end - offset) throw error;
      this.#readRootFrom(this.cursor(0).bytes, headerBytes, values);
    }
    return values;
  }

  #readRootFrom(bytes: Uint8Array, headerBytes: number, into: DieValues): void {
    const { encoding } = this;
    const cursor = new DwarfCursor(bytes, this.name, encoding.littleEndian, headerBytes);
    const row = this.rowOf(cursor, cursor.uleb());
    readAttributes(cursor, this, row, into);
  }
}

/** Enough for the header and the first entry, unless its texts stand in it. */
const ROOT_BYTES = 512;

/** Values of the first entry, which stay. */
export type RootValues = Readonly<DieValues>;

interface SplitFrom {
  readonly skeleton: Unit;
  readonly contributions: Contributions;
}

function isAddress(form: number): boolean {
  return (
    form === dw.DW_FORM_addr ||
    form === dw.DW_FORM_addrx ||
    form === dw.DW_FORM_GNU_addr_index ||
    (form >= dw.DW_FORM_addrx1 && form <= dw.DW_FORM_addrx4)
  );
}
