import type { AbbreviationTable } from "./abbreviations.ts";
import { fixedFormBytes } from "./abbreviations.ts";
import * as dw from "./constants.ts";
import type { DwarfCursor, Encoding } from "./dwarf-cursor.ts";

/** An attribute that is not there. */
export const ABSENT = -1;
/** DW_FORM_indirect that leads to itself. */
const INDIRECTIONS_MAX = 4;

/**
 * The attributes of one debugging information entry that symbolization needs, as numbers: of each
 * its form (0 when it is absent) and its value as it is written. There is one object that each
 * reading fills again.
 */
export class DieValues {
  tag = 0;
  hasChildren = false;
  /** From the unit's start on; ABSENT when it is not given. */
  sibling = ABSENT;
  isDeclaration = false;
  lowForm = 0;
  low = 0;
  highForm = 0;
  high = 0;
  rangesForm = 0;
  ranges = 0;
  originForm = 0;
  origin = 0;
  specificationForm = 0;
  specification = 0;
  nameForm = 0;
  name = 0;
  linkageForm = 0;
  linkage = 0;
  callFile = ABSENT;
  callLine = 0;
  callColumn = 0;
  stmtList = ABSENT;
  compDirForm = 0;
  compDir = 0;
  strOffsetsBase = ABSENT;
  addrBase = ABSENT;
  rangesBase = ABSENT;
  dwoNameForm = 0;
  dwoName = 0;
  dwoId = "";

  clear(): void {
    this.sibling = ABSENT;
    this.isDeclaration = false;
    this.lowForm = this.highForm = this.rangesForm = this.originForm = 0;
    this.specificationForm = this.nameForm = this.linkageForm = 0;
    this.callFile = ABSENT;
    this.callLine = this.callColumn = 0;
    this.stmtList = this.strOffsetsBase = this.addrBase = this.rangesBase = ABSENT;
    this.compDirForm = this.dwoNameForm = 0;
    this.dwoId = "";
  }
}

/**
 * Reads the attributes of an entry whose code was read.
 *
 * @throws INPUT_MALFORMED  an unknown form, or a read past the end
 */
export function readAttributes(
  cursor: DwarfCursor,
  { table, encoding }: Described,
  row: number,
  into: DieValues,
): void {
  into.clear();
  into.tag = table.tags[row] as number;
  into.hasChildren = table.hasChildren[row] === 1;
  const { attributes, starts } = table;
  const end = starts[row + 1] as number;
  for (let index = starts[row] as number; index < end; index += 3) {
    const name = attributes[index] as number;
    const form = attributes[index + 1] as number;
    if (!isWanted(name)) {
      skipForm(cursor, form, encoding);
      continue;
    }
    let actual = form;
    for (let hops = 0; actual === dw.DW_FORM_indirect && hops < INDIRECTIONS_MAX; hops++) {
      actual = cursor.uleb();
    }
    const start = cursor.at;
    const value =
      actual === dw.DW_FORM_implicit_const
        ? (attributes[index + 2] as number)
        : readForm(cursor, actual, encoding);
    keep(into, name, actual, value);
    if (name === dw.DW_AT_GNU_dwo_id) into.dwoId = hexOf(cursor, start);
  }
}

/** Attributes below this are looked up in a table. */
const WANTED = new Uint8Array(256);
for (const name of [
  dw.DW_AT_sibling,
  dw.DW_AT_name,
  dw.DW_AT_stmt_list,
  dw.DW_AT_low_pc,
  dw.DW_AT_high_pc,
  dw.DW_AT_comp_dir,
  dw.DW_AT_abstract_origin,
  dw.DW_AT_declaration,
  dw.DW_AT_specification,
  dw.DW_AT_ranges,
  dw.DW_AT_call_column,
  dw.DW_AT_call_file,
  dw.DW_AT_call_line,
  dw.DW_AT_linkage_name,
  dw.DW_AT_str_offsets_base,
  dw.DW_AT_addr_base,
  dw.DW_AT_rnglists_base,
  dw.DW_AT_dwo_name,
]) {
  WANTED[name] = 1;
}

function isWanted(name: number): boolean {
  if (name < WANTED.length) return WANTED[name] === 1;
  return (
    name === dw.DW_AT_MIPS_linkage_name ||
    (name >= dw.DW_AT_GNU_dwo_name && name <= dw.DW_AT_GNU_addr_base)
  );
}

/** What says how the entries of a unit are written: a Unit is one. */
export interface Described {
  readonly table: AbbreviationTable;
  readonly encoding: Encoding;
}

/** Not as one object, of which there would be millions. */
function keep(into: DieValues, name: number, form: number, value: number): void {
  switch (name) {
    case dw.DW_AT_sibling:
      into.sibling = isUnitReference(form) ? value : ABSENT;
      return;
    case dw.DW_AT_declaration:
      into.isDeclaration = form === dw.DW_FORM_flag_present || value !== 0;
      return;
    case dw.DW_AT_low_pc:
      into.lowForm = form;
      into.low = value;
      return;
    case dw.DW_AT_high_pc:
      into.highForm = form;
      into.high = value;
      return;
    case dw.DW_AT_ranges:
      into.rangesForm = form;
      into.ranges = value;
      return;
    case dw.DW_AT_abstract_origin:
      into.originForm = form;
      into.origin = value;
      return;
    case dw.DW_AT_specification:
      into.specificationForm = form;
      into.specification = value;
      return;
    case dw.DW_AT_name:
      into.nameForm = form;
      into.name = value;
      return;
    case dw.DW_AT_linkage_name:
    case dw.DW_AT_MIPS_linkage_name:
      into.linkageForm = form;
      into.linkage = value;
      return;
    case dw.DW_AT_call_file:
      into.callFile = value;
      return;
    case dw.DW_AT_call_line:
      into.callLine = value;
      return;
    case dw.DW_AT_call_column:
      into.callColumn = value;
      return;
    default:
      keepOfUnit(into, name, form, value);
  }
}

function keepOfUnit(into: DieValues, name: number, form: number, value: number): void {
  switch (name) {
    case dw.DW_AT_stmt_list:
      into.stmtList = value;
      return;
    case dw.DW_AT_comp_dir:
      into.compDirForm = form;
      into.compDir = value;
      return;
    case dw.DW_AT_str_offsets_base:
      into.strOffsetsBase = value;
      return;
    case dw.DW_AT_addr_base:
    case dw.DW_AT_GNU_addr_base:
      into.addrBase = value;
      return;
    case dw.DW_AT_rnglists_base:
    case dw.DW_AT_GNU_ranges_base:
      into.rangesBase = value;
      return;
    case dw.DW_AT_dwo_name:
    case dw.DW_AT_GNU_dwo_name:
      into.dwoNameForm = form;
      into.dwoName = value;
      return;
  }
}

function isUnitReference(form: number): boolean {
  return form >= dw.DW_FORM_ref1 && form <= dw.DW_FORM_ref_udata;
}

/** DW_AT_GNU_dwo_id is 8 bytes whose number is never needed, only whether it is the same. */
function hexOf(cursor: DwarfCursor, start: number): string {
  const bytes = cursor.bytes.subarray(start, cursor.at);
  return (cursor.littleEndian ? bytes.slice().reverse() : bytes).toHex();
}

/**
 * The value of a form: a number, an offset, an index, or for DW_FORM_string where its text
 * begins. Blocks are skipped and give 0, addresses give where they stand in the unit.
 */
function readForm(cursor: DwarfCursor, form: number, encoding: Encoding): number {
  switch (form) {
    case dw.DW_FORM_flag_present:
      return 1;
    case dw.DW_FORM_data1:
    case dw.DW_FORM_flag:
    case dw.DW_FORM_ref1:
    case dw.DW_FORM_strx1:
    case dw.DW_FORM_addrx1:
      return cursor.u8();
    case dw.DW_FORM_data2:
    case dw.DW_FORM_ref2:
    case dw.DW_FORM_strx2:
    case dw.DW_FORM_addrx2:
      return cursor.u16();
    case dw.DW_FORM_strx3:
    case dw.DW_FORM_addrx3:
      return cursor.u24();
    case dw.DW_FORM_data4:
    case dw.DW_FORM_ref4:
    case dw.DW_FORM_strx4:
    case dw.DW_FORM_addrx4:
    case dw.DW_FORM_ref_sup4:
      return cursor.u32();
    case dw.DW_FORM_data8:
    case dw.DW_FORM_ref8:
    case dw.DW_FORM_ref_sup8:
      return cursor.u64();
    case dw.DW_FORM_sdata:
      return cursor.sleb();
    case dw.DW_FORM_udata:
    case dw.DW_FORM_ref_udata:
    case dw.DW_FORM_strx:
    case dw.DW_FORM_addrx:
    case dw.DW_FORM_rnglistx:
    case dw.DW_FORM_loclistx:
    case dw.DW_FORM_GNU_addr_index:
    case dw.DW_FORM_GNU_str_index:
      return cursor.uleb();
    case dw.DW_FORM_string:
      return cursor.skipString();
    case dw.DW_FORM_addr: {
      const start = cursor.at;
      cursor.skip(encoding.addressBytes);
      return start;
    }
    case dw.DW_FORM_ref_addr:
      return cursor.offset(encoding.version <= 2 ? encoding.addressBytes : encoding.offsetBytes);
    case dw.DW_FORM_strp:
    case dw.DW_FORM_line_strp:
    case dw.DW_FORM_strp_sup:
    case dw.DW_FORM_sec_offset:
    case dw.DW_FORM_GNU_ref_alt:
    case dw.DW_FORM_GNU_strp_alt:
      return cursor.offset(encoding.offsetBytes);
    default:
      skipForm(cursor, form, encoding);
      return 0;
  }
}

/** @throws INPUT_MALFORMED  an unknown form: nobody knows where the next one begins */
export function skipForm(cursor: DwarfCursor, form: number, encoding: Encoding): void {
  const fixed = fixedFormBytes(form, encoding);
  if (fixed >= 0) {
    cursor.skip(fixed);
    return;
  }
  switch (form) {
    case dw.DW_FORM_sdata:
    case dw.DW_FORM_udata:
    case dw.DW_FORM_ref_udata:
    case dw.DW_FORM_strx:
    case dw.DW_FORM_addrx:
    case dw.DW_FORM_rnglistx:
    case dw.DW_FORM_loclistx:
    case dw.DW_FORM_GNU_addr_index:
    case dw.DW_FORM_GNU_str_index:
      cursor.skipLeb();
      return;
    case dw.DW_FORM_block1:
      cursor.skip(cursor.u8());
      return;
    case dw.DW_FORM_block2:
      cursor.skip(cursor.u16());
      return;
    case dw.DW_FORM_block4:
      cursor.skip(cursor.u32());
      return;
    case dw.DW_FORM_block:
    case dw.DW_FORM_exprloc:
      cursor.skip(cursor.uleb());
      return;
    case dw.DW_FORM_string:
      cursor.skipString();
      return;
    case dw.DW_FORM_indirect: {
      const actual = cursor.uleb();
      if (actual === dw.DW_FORM_indirect) throw cursor.error("an indirect form leads to another");
      skipForm(cursor, actual, encoding);
      return;
    }
    default:
      throw cursor.error(`form 0x${form.toString(16)} is not known`);
  }
}

/** Skips the attributes of an entry; returns where its sibling is, or ABSENT. */
export function skipAttributes(
  cursor: DwarfCursor,
  table: AbbreviationTable,
  row: number,
  encoding: Encoding,
): number {
  const fixed = table.fixedBytes[row] as number;
  if (fixed >= 0) {
    const siblingAt = table.siblingAt[row] as number;
    const start = cursor.at;
    cursor.skip(fixed);
    if (siblingAt < 0) return ABSENT;
    const end = cursor.at;
    cursor.at = start + siblingAt;
    const sibling = cursor.u32();
    cursor.at = end;
    return sibling;
  }
  return skipOneByOne(cursor, table, row, encoding);
}

function skipOneByOne(
  cursor: DwarfCursor,
  { attributes, starts }: AbbreviationTable,
  row: number,
  encoding: Encoding,
): number {
  let sibling = ABSENT;
  const end = starts[row + 1] as number;
  for (let index = starts[row] as number; index < end; index += 3) {
    const form = attributes[index + 1] as number;
    if (attributes[index] === dw.DW_AT_sibling && isUnitReference(form)) {
      sibling = readForm(cursor, form, encoding);
    } else {
      skipForm(cursor, form, encoding);
    }
  }
  return sibling;
}
