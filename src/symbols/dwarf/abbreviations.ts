import { limitExceeded } from "../../support/errors.ts";
import * as dw from "./constants.ts";
import type { DwarfCursor, Encoding } from "./dwarf-cursor.ts";

/** Declarations of one table; gcc makes under 1,000 for the largest units. */
const DECLARATIONS_MAX = 16_384;
/** Attributes of one declaration; real ones have under 30. */
const ATTRIBUTES_MAX = 256;
/** Codes are small numbers from 1 on; one that is larger is looked up. */
const DENSE_CODES_MAX = 65_536;

const SPECIFICATION_WORDS = 3;

/**
 * A table of abbreviations: of each its tag and the forms of its attributes, in packed arrays.
 * Rows count from 0. Source: DWARF 5, section 7.5.3.
 */
export class AbbreviationTable {
  readonly tags: Uint16Array;
  readonly hasChildren: Uint8Array;
  /** Index of a row's first attribute in `attributes`; one more entry than rows. */
  readonly starts: Uint32Array;
  /** Of each attribute three words: its name, its form, and the value of an implicit constant. */
  readonly attributes: Int32Array;
  /** Bytes that the attributes take; -1 when that differs from entry to entry. */
  readonly fixedBytes: Int32Array;
  /** Where in them the sibling stands, as 4 bytes; -1 when it has none or not so. */
  readonly siblingAt: Int32Array;
  readonly #rowOfCode: Int32Array;
  readonly #rowOfLargeCode: ReadonlyMap<number, number>;

  constructor(declarations: Declarations, encoding: Encoding) {
    const { codes } = declarations;
    this.tags = Uint16Array.from(declarations.tags);
    this.hasChildren = Uint8Array.from(declarations.children);
    this.starts = Uint32Array.from(declarations.starts);
    this.attributes = Int32Array.from(declarations.attributes);
    this.fixedBytes = new Int32Array(codes.length);
    this.siblingAt = new Int32Array(codes.length).fill(-1);
    for (let row = 0; row < codes.length; row++) this.#measure(row, encoding);
    let largest = 0;
    for (const code of codes) if (code < DENSE_CODES_MAX) largest = Math.max(largest, code);
    this.#rowOfCode = new Int32Array(largest + 1).fill(-1);
    const large = new Map<number, number>();
    // The first declaration of a code counts.
    for (let row = codes.length - 1; row >= 0; row--) {
      const code = codes[row] as number;
      if (code < DENSE_CODES_MAX) this.#rowOfCode[code] = row;
      else large.set(code, row);
    }
    this.#rowOfLargeCode = large;
  }

  /** The row of a code; -1 when there is none. */
  row(code: number): number {
    if (code < this.#rowOfCode.length) return this.#rowOfCode[code] as number;
    return this.#rowOfLargeCode.get(code) ?? -1;
  }

  #measure(row: number, encoding: Encoding): void {
    let total = 0;
    const end = this.starts[row + 1] as number;
    for (let index = this.starts[row] as number; index < end; index += SPECIFICATION_WORDS) {
      const form = this.attributes[index + 1] as number;
      const isSibling = this.attributes[index] === dw.DW_AT_sibling;
      if (isSibling && form === dw.DW_FORM_ref4) this.siblingAt[row] = total;
      const bytes = fixedFormBytes(form, encoding);
      if (bytes < 0) {
        total = -1;
        break;
      }
      total += bytes;
    }
    this.fixedBytes[row] = total;
    if (total < 0) this.siblingAt[row] = -1;
  }
}

interface Declarations {
  readonly codes: number[];
  readonly tags: number[];
  readonly children: number[];
  readonly starts: number[];
  readonly attributes: number[];
}

/**
 * Parses the table that the cursor is at, and leaves it behind what was read.
 *
 * @throws INPUT_MALFORMED, LIMIT_EXCEEDED
 */
export function parseAbbreviations(cursor: DwarfCursor, encoding: Encoding): AbbreviationTable {
  const found: Declarations = {
    codes: [],
    tags: [],
    children: [],
    starts: [0],
    attributes: [],
  };
  for (let code = cursor.uleb(); code !== 0; code = cursor.at < cursor.end ? cursor.uleb() : 0) {
    if (found.codes.length >= DECLARATIONS_MAX) {
      throw limitExceeded(cursor.name, "abbreviations", found.codes.length, DECLARATIONS_MAX);
    }
    found.codes.push(code);
    found.tags.push(cursor.uleb() & 0xffff);
    found.children.push(cursor.u8() === 0 ? 0 : 1);
    parseAttributes(cursor, found.attributes);
    found.starts.push(found.attributes.length);
  }
  return new AbbreviationTable(found, encoding);
}

function parseAttributes(cursor: DwarfCursor, attributes: number[]): void {
  for (let count = 0; count <= ATTRIBUTES_MAX; count++) {
    const name = cursor.uleb();
    const form = cursor.uleb();
    const implicit = form === dw.DW_FORM_implicit_const ? cursor.sleb() : 0;
    if (name === 0 && form === 0) return;
    attributes.push(name, form, implicit);
  }
  throw cursor.error(`an abbreviation has over ${ATTRIBUTES_MAX} attributes`);
}

/** Bytes of a form that always has the same; -1 for all others. */
export function fixedFormBytes(
  form: number,
  { addressBytes, offsetBytes, version }: Encoding,
): number {
  switch (form) {
    case dw.DW_FORM_flag_present:
    case dw.DW_FORM_implicit_const:
      return 0;
    case dw.DW_FORM_data1:
    case dw.DW_FORM_flag:
    case dw.DW_FORM_ref1:
    case dw.DW_FORM_strx1:
    case dw.DW_FORM_addrx1:
      return 1;
    case dw.DW_FORM_data2:
    case dw.DW_FORM_ref2:
    case dw.DW_FORM_strx2:
    case dw.DW_FORM_addrx2:
      return 2;
    case dw.DW_FORM_strx3:
    case dw.DW_FORM_addrx3:
      return 3;
    case dw.DW_FORM_data4:
    case dw.DW_FORM_ref4:
    case dw.DW_FORM_strx4:
    case dw.DW_FORM_addrx4:
    case dw.DW_FORM_ref_sup4:
      return 4;
    case dw.DW_FORM_data8:
    case dw.DW_FORM_ref8:
    case dw.DW_FORM_ref_sig8:
    case dw.DW_FORM_ref_sup8:
      return 8;
    case dw.DW_FORM_data16:
      return 16;
    case dw.DW_FORM_addr:
      return addressBytes;
    case dw.DW_FORM_ref_addr:
      // In DWARF 2 it had the size of an address.
      return version <= 2 ? addressBytes : offsetBytes;
    case dw.DW_FORM_strp:
    case dw.DW_FORM_line_strp:
    case dw.DW_FORM_strp_sup:
    case dw.DW_FORM_sec_offset:
    case dw.DW_FORM_GNU_ref_alt:
    case dw.DW_FORM_GNU_strp_alt:
      return offsetBytes;
    default:
      return -1;
  }
}
