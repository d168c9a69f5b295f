/**
 * Pointers of .eh_frame and .eh_frame_hdr.
 *
 *   bits 0–3   format        absptr 0, uleb128 1, udata2 2, udata4 3, udata8 4,
 *                            sleb128 9, sdata2 a, sdata4 b, sdata8 c
 *   bits 4–6   relative to   nothing 0, the field's own address 1, text 2, data 3,
 *                            the function 4; 5: the field is aligned to a word first
 *   bit 7      indirect      the result is the address of the pointer
 *   0xff       omitted
 *
 * Source: Linux Standard Base Core 5.0, section 10.5.1 "DWARF Exception Header Encoding".
 */
import type { CfiCursor } from "./cfi-cursor.ts";

export const DW_EH_PE_omit = 0xff;
export const DW_EH_PE_absptr = 0;

const WORD_BYTES = 8;
const FORMAT_MASK = 0x0f;
const RELATIVE_MASK = 0x70;
const PCREL = 0x10;
const TEXTREL = 0x20;
const DATAREL = 0x30;
const ALIGNED = 0x50;
const INDIRECT = 0x80;

/** What the relative encodings count from; NaN where the file has no such place. */
export interface PointerBases {
  /** Address of the section's first byte, for pcrel and aligned. */
  readonly section: number;
  readonly text: number;
  readonly data: number;
  /** The word that the file holds at an address, for indirect pointers; NaN when it holds none. */
  wordAt(address: number): number;
}

/**
 * The address at the cursor. NaN for an encoding that does not exist or whose base is unknown;
 * 0 for a null pointer of any encoding; rounded above 2^53.
 */
export function readEncodedPointer(
  cursor: CfiCursor,
  encoding: number,
  bases: PointerBases,
  addressBytes: number = WORD_BYTES,
): number {
  if (encoding === DW_EH_PE_omit) return Number.NaN;
  const relative = encoding & RELATIVE_MASK;
  if (relative === ALIGNED) {
    const past = (bases.section + cursor.position) % WORD_BYTES;
    if (past > 0) cursor.skip(WORD_BYTES - past);
  }
  const fieldAddress = bases.section + cursor.position;
  const value = readEncodedValue(cursor, encoding, addressBytes);
  if (value === 0) return 0;
  const address = value + baseOf(relative, fieldAddress, bases);
  return (encoding & INDIRECT) === 0 ? address : bases.wordAt(address);
}

/** The value by its format only, as FDEs give the size of their range. NaN for no such format. */
export function readEncodedValue(
  cursor: CfiCursor,
  encoding: number,
  addressBytes: number = WORD_BYTES,
): number {
  switch (encoding & FORMAT_MASK) {
    case DW_EH_PE_absptr:
      return addressBytes === 4 ? cursor.u32() : cursor.i64();
    case 1:
      return cursor.uleb128();
    case 2:
      return cursor.u16();
    case 3:
      return cursor.u32();
    case 4:
    case 12:
      return cursor.i64();
    case 9:
      return cursor.sleb128();
    case 10:
      return cursor.i16();
    case 11:
      return cursor.i32();
    default:
      return Number.NaN;
  }
}

function baseOf(relative: number, fieldAddress: number, bases: PointerBases): number {
  switch (relative) {
    case 0:
    case ALIGNED:
      return 0;
    case PCREL:
      return fieldAddress;
    case TEXTREL:
      return bases.text;
    case DATAREL:
      return bases.data;
    default:
      return Number.NaN;
  }
}
