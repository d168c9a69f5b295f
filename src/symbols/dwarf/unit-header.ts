import { Float64Column, Int32Column } from "../../profiles/columns.ts";
import { limitExceeded, malformed } from "../../support/errors.ts";
import { lastAtOrBefore } from "../../support/sorted-search.ts";
import type { SectionData } from "../elf/section-data.ts";
import * as dw from "./constants.ts";
import { DwarfCursor, type Encoding } from "./dwarf-cursor.ts";

/** The largest seen: 100,000 in a browser; each takes 30 bytes here. */
export const UNITS_MAX = 500_000;
/** A unit of 64-bit format with an id and an offset of a type. */
const HEADER_BYTES_MAX = 48;
/** Bytes that are read at once: more than a header, to save a read for some small units. */
const WINDOW_BYTES = 1024;
/** unit_length that announces the 64-bit format, and below it those that are reserved. */
const LENGTH_64 = 0xffff_ffff;
const LENGTH_RESERVED = 0xffff_fff0;

/** Where a unit stands in .debug_info, and how it is written. */
export interface UnitHeader {
  /** In the section; so is `end`. */
  readonly offset: number;
  readonly end: number;
  /** Of its first entry, from `offset` on. */
  readonly headerBytes: number;
  readonly encoding: Encoding;
  /** DW_UT_…; DW_UT_compile before DWARF 5, where the first entry tells more. */
  readonly type: number;
  readonly abbreviations: number;
  /** Of a skeleton or a split unit, hex; "" when the header holds none. */
  readonly dwoId: string;
}

/** The headers of all units of a file, in their order: what hundreds of thousands have in common is kept once. */
export class UnitHeaders {
  readonly #offsets = new Float64Column();
  readonly #ends = new Float64Column();
  readonly #abbreviations = new Float64Column();
  /** Of each header its kind: all that is not its own. */
  readonly #kinds = new Int32Column();
  readonly #kindNumbers = new Map<string, number>();
  readonly #kindsByNumber: UnitKind[] = [];
  readonly #dwoIds = new Map<number, string>();

  get length(): number {
    return this.#offsets.length;
  }

  /** @param index  below `length` */
  at(index: number): UnitHeader {
    return {
      offset: this.#offsets.at(index),
      end: this.#ends.at(index),
      abbreviations: this.#abbreviations.at(index),
      ...(this.#kindsByNumber[this.#kinds.at(index)] as UnitKind),
      dwoId: this.#dwoIds.get(index) ?? "",
    };
  }

  /** The unit that an offset lies in; -1 when it lies in none. */
  indexOf(offset: number): number {
    const index = lastAtOrBefore(this.#offsets.data, offset, 0, this.length);
    return index >= 0 && offset < this.#ends.at(index) ? index : -1;
  }

  /** Where the unit of an index begins. */
  offsetOf(index: number): number {
    return this.#offsets.at(index);
  }

  add(header: UnitHeader): void {
    const { offset, end, abbreviations, dwoId } = header;
    if (dwoId !== "") this.#dwoIds.set(this.length, dwoId);
    this.#offsets.push(offset);
    this.#ends.push(end);
    this.#abbreviations.push(abbreviations);
    this.#kinds.push(this.#kindOf(header));
  }

  #kindOf({ headerBytes, encoding, type }: UnitKind): number {
    const { version, addressBytes, offsetBytes } = encoding;
    const key = `${headerBytes} ${type} ${version} ${addressBytes} ${offsetBytes}`;
    return this.#kindNumbers.getOrInsertComputed(key, () => {
      return this.#kindsByNumber.push({ headerBytes, encoding, type }) - 1;
    });
  }
}

type UnitKind = Pick<UnitHeader, "headerBytes" | "encoding" | "type">;

/**
 * Hops from header to header. A unit of an unknown version is left out, and so is all that
 * follows a length which cannot be: no other unit can be found after it.
 *
 * @throws LIMIT_EXCEEDED  there are over UNITS_MAX
 */
export function readUnitHeaders(section: SectionData, littleEndian: boolean): UnitHeaders {
  const headers = new UnitHeaders();
  const encodings = new Map<number, Encoding>();
  let window: Uint8Array = new Uint8Array(0);
  let windowAt = 0;
  for (let offset = 0; offset < section.size; ) {
    const wanted = Math.min(HEADER_BYTES_MAX, section.size - offset);
    // Small units stand close together.
    if (offset + wanted > windowAt + window.length) {
      window = section.read(offset, Math.min(WINDOW_BYTES, section.size - offset));
      windowAt = offset;
    }
    const bytes = window.subarray(offset - windowAt, offset - windowAt + wanted);
    const cursor = new DwarfCursor(bytes, `${section.name} at ${offset}`, littleEndian);
    if (bytes.length < 8) break;
    const length = lengthThatCanBe(cursor);
    if (length === undefined) break;
    const end = offset + cursor.at + length.bytes;
    if (!(end <= section.size) || length.bytes === 0) break;
    const place = { offset, end, offsetBytes: length.offsetBytes };
    const header = readHeader(cursor, place, encodings);
    if (header !== undefined) headers.add(header);
    if (headers.length > UNITS_MAX) {
      throw limitExceeded(section.name, "units", headers.length, UNITS_MAX);
    }
    offset = end;
  }
  return headers;
}

/** The length that begins units, sets of ranges and line programs. */
export function unitLength(cursor: DwarfCursor): { bytes: number; offsetBytes: number } {
  const first = cursor.u32();
  if (first === LENGTH_64) return { bytes: cursor.u64(), offsetBytes: 8 };
  if (first >= LENGTH_RESERVED) throw malformed(cursor.name, `a length is ${first}`);
  return { bytes: first, offsetBytes: 4 };
}

/** Undefined for one that is reserved, or cut. */
function lengthThatCanBe(cursor: DwarfCursor): ReturnType<typeof unitLength> | undefined {
  try {
    return unitLength(cursor);
  } catch {
    return undefined;
  }
}

interface UnitPlace {
  readonly offset: number;
  readonly end: number;
  readonly offsetBytes: number;
}

function readHeader(
  cursor: DwarfCursor,
  place: UnitPlace,
  encodings: Map<number, Encoding>,
): UnitHeader | undefined {
  const { offset, end, offsetBytes } = place;
  if (end - offset < cursor.at + 3 + offsetBytes) return undefined;
  const version = cursor.u16();
  if (version < 2 || version > 5) return undefined;
  const isNew = version >= 5;
  const type = isNew ? cursor.u8() : dw.DW_UT_compile;
  const newAddressBytes = isNew ? cursor.u8() : 0;
  const abbreviations = cursor.offset(offsetBytes);
  const addressBytes = isNew ? newAddressBytes : cursor.u8();
  if (addressBytes !== 8 && addressBytes !== 4) return undefined;
  let dwoId = "";
  if (type === dw.DW_UT_skeleton || type === dw.DW_UT_split_compile) {
    const id = cursor.bytes.subarray(cursor.at, cursor.at + 8);
    dwoId = (cursor.littleEndian ? id.slice().reverse() : id).toHex();
    cursor.skip(8);
  } else if (type === dw.DW_UT_type || type === dw.DW_UT_split_type) {
    cursor.skip(8 + offsetBytes);
  }
  const key = (version * 16 + addressBytes) * 16 + offsetBytes;
  const encoding = encodings.getOrInsertComputed(key, () => {
    return { littleEndian: cursor.littleEndian, addressBytes, offsetBytes, version };
  });
  return { offset, end, headerBytes: cursor.at, encoding, type, abbreviations, dwoId };
}
