import { limitExceeded } from "../../support/errors.ts";
import { type AddressSpace, NO_ADDRESS } from "./address-space.ts";
import type { DwarfCursor } from "./dwarf-cursor.ts";

/** Ranges of one entry; a unit with a section for each function has 20,000. */
export const RANGES_MAX = 262_144;

/** Start and end of each range, by turns, of addresses as numbers of an AddressSpace. */
export type RangePairs = number[];

const DW_RLE_end_of_list = 0x00;
const DW_RLE_base_addressx = 0x01;
const DW_RLE_startx_endx = 0x02;
const DW_RLE_startx_length = 0x03;
const DW_RLE_offset_pair = 0x04;
const DW_RLE_base_address = 0x05;
const DW_RLE_start_end = 0x06;
const DW_RLE_start_length = 0x07;

interface ListContext {
  readonly space: AddressSpace;
  readonly addressBytes: number;
  /** DW_AT_low_pc of the unit; NO_ADDRESS when it has none. */
  readonly base: number;
}

/** An entry of .debug_ranges: pairs of addresses. Source: DWARF 4, section 2.17.3. */
export function readOldRanges(
  cursor: DwarfCursor,
  { space, addressBytes, base }: ListContext,
): RangePairs {
  const pairs: RangePairs = [];
  let isBaseGone = base === NO_ADDRESS;
  let start = isBaseGone ? 0 : nearest(base);
  for (;;) {
    const low = readRaw(cursor, addressBytes);
    const highAt = cursor.at;
    const high = readRaw(cursor, addressBytes);
    if (low === 0 && high === 0) return pairs;
    if (low === -1) {
      cursor.at = highAt;
      const read = space.read(cursor, addressBytes);
      isBaseGone = read === NO_ADDRESS;
      start = nearest(read);
    } else if (!(isBaseGone && base !== NO_ADDRESS)) {
      // Without a base the numbers are addresses by themselves.
      const [first, last] = [
        wrapped(start + low, addressBytes),
        wrapped(start + high, addressBytes),
      ];
      if (first < last) push(cursor, pairs, first, last);
    }
  }
}

/** An entry of .debug_rnglists. Source: DWARF 5, section 7.25. */
export function readRangeList(
  cursor: DwarfCursor,
  { space, addressBytes, base }: ListContext,
  indexed: (index: number) => number,
): RangePairs {
  const pairs: RangePairs = [];
  const address = (): number => space.read(cursor, addressBytes);
  let start = nearest(base);
  for (;;) {
    switch (cursor.u8()) {
      case DW_RLE_end_of_list:
        return pairs;
      case DW_RLE_base_addressx:
        start = nearest(indexed(cursor.uleb()));
        break;
      case DW_RLE_startx_endx:
        pushBetween(cursor, pairs, indexed(cursor.uleb()), indexed(cursor.uleb()));
        break;
      case DW_RLE_startx_length:
        pushFrom(cursor, pairs, indexed(cursor.uleb()), cursor.uleb());
        break;
      case DW_RLE_offset_pair: {
        // Go counts from the unit's first function, which is not at its lowest address.
        const low = cursor.ulebWrapped();
        const high = cursor.ulebWrapped();
        if (start !== NO_ADDRESS && low < high) push(cursor, pairs, start + low, start + high);
        break;
      }
      case DW_RLE_base_address:
        start = nearest(address());
        break;
      case DW_RLE_start_end:
        pushBetween(cursor, pairs, address(), address());
        break;
      case DW_RLE_start_length:
        pushFrom(cursor, pairs, address(), cursor.uleb());
        break;
      default:
        throw cursor.error("an entry of a list of ranges is of an unknown kind");
    }
  }
}

function pushBetween(cursor: DwarfCursor, pairs: RangePairs, low: number, high: number): void {
  if (low !== NO_ADDRESS && low < high) push(cursor, pairs, low, high);
}

function pushFrom(cursor: DwarfCursor, pairs: RangePairs, low: number, length: number): void {
  if (low !== NO_ADDRESS && length > 0) push(cursor, pairs, low, low + length);
}

function push(cursor: DwarfCursor, pairs: RangePairs, low: number, high: number): void {
  if (pairs.length >= 2 * RANGES_MAX) {
    throw limitExceeded(cursor.name, "ranges of one entry", pairs.length / 2, RANGES_MAX);
  }
  pairs.push(low, high);
}

/** The base 0 of a kernel's unit is far below its addresses, or a little above, modulo 2^64. */
function nearest(start: number): number {
  return start < -(2 ** 63) ? start + 2 ** 64 : start;
}

function wrapped(address: number, addressBytes: number): number {
  return addressBytes === 8 ? address : address % 2 ** 32;
}

/** A difference, or the −1 of a base selection. Far from 0 it is rounded. */
function readRaw(cursor: DwarfCursor, addressBytes: number): number {
  if (addressBytes === 8) return cursor.i64();
  const value = cursor.u32();
  return value === 0xffff_ffff ? -1 : value;
}
