import { Float64Column, Int32Column } from "../../profiles/columns.ts";
import { lastAtOrBefore } from "../../support/sorted-search.ts";
import { NO_ADDRESS } from "./address-space.ts";
import type { DwarfCursor } from "./dwarf-cursor.ts";
import type { DwarfFile } from "./dwarf-file.ts";
import { unitLength } from "./unit-header.ts";
import { runningMax } from "./unit-scan.ts";

/** Units around one address that are tried; real ones overlap by two or three. */
const OVERLAPS_MAX = 64;
/** Ranges that begin between an address and the start of its unit's. */
const STEPS_MAX = 4096;

/** Ranges of all units; a browser whose functions have sections of their own has a million. */
const RANGES_MAX = 1_000_000;

/** Of one in .debug_aranges, at most. */
const RANGE_BYTES = 16;
/** Sets of ranges in .debug_aranges: one of each unit. */
const SETS_MAX = 500_000;

/** Which code is whose unit's, in any order. */
export class UnitRanges {
  readonly starts: Float64Column = new Float64Column();
  readonly ends: Float64Column = new Float64Column();
  /** Index of each one's unit. */
  readonly units: Int32Column = new Int32Column();

  get count(): number {
    return this.units.length;
  }

  /** Nothing can be added any more. */
  get isFull(): boolean {
    return this.count >= RANGES_MAX;
  }

  /** Makes room for so many more, as far as they are taken. */
  reserve(count: number): void {
    const room = Math.min(count, RANGES_MAX - this.count);
    this.starts.reserve(room);
    this.ends.reserve(room);
    this.units.reserve(room);
  }

  add(start: number, end: number, unit: number): void {
    if (this.isFull) return;
    this.starts.push(start);
    this.ends.push(end);
    this.units.push(unit);
  }
}

/** Which units may have the code at an address. */
export class AddressIndex {
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #maxEnds: Float64Array;
  readonly #units: Int32Array;

  constructor(ranges: UnitRanges) {
    const { count } = ranges;
    const starts = ranges.starts.data.subarray(0, count);
    const ends = ranges.ends.data.subarray(0, count);
    const units = ranges.units.data.subarray(0, count);
    if (isSorted(starts)) {
      this.#starts = starts;
      this.#ends = ends;
      this.#units = units;
    } else {
      const order = orderOf(starts);
      this.#starts = Float64Array.from(order, (index) => starts[index] as number);
      this.#ends = Float64Array.from(order, (index) => ends[index] as number);
      this.#units = Int32Array.from(order, (index) => units[index] as number);
    }
    this.#maxEnds = runningMax(this.#ends);
  }

  /** Of each unit that has some: its index, and where its ranges begin and end. */
  *bounds(): Generator<readonly [unit: number, bounds: Float64Array]> {
    const units = this.#units;
    // Where the rows of each unit begin, when they are sorted by unit.
    const firsts = new Uint32Array(units.reduce((most, unit) => Math.max(most, unit), 0) + 2);
    for (const unit of units) firsts[unit + 1] = (firsts[unit + 1] as number) + 1;
    for (let unit = 1; unit < firsts.length; unit++) {
      firsts[unit] = (firsts[unit] as number) + (firsts[unit - 1] as number);
    }
    const rows = new Uint32Array(units.length);
    const next = firsts.slice();
    for (const [row, unit] of units.entries()) {
      const at = next[unit] as number;
      rows[at] = row;
      next[unit] = at + 1;
    }
    for (let unit = 0; unit < firsts.length - 1; unit++) {
      const own = rows.subarray(firsts[unit], firsts[unit + 1]);
      if (own.length === 0) continue;
      const bounds = new Float64Array(2 * own.length);
      for (const [index, row] of own.entries()) {
        bounds[2 * index] = this.#starts[row] as number;
        bounds[2 * index + 1] = this.#ends[row] as number;
      }
      yield [unit, bounds];
    }
  }

  /** Indices of units, the one whose range begins last first. */
  unitsAt(address: number): number[] {
    const units: number[] = [];
    const last = lastAtOrBefore(this.#starts, address);
    const first = Math.max(0, last - STEPS_MAX);
    for (let row = last; row >= first && units.length < OVERLAPS_MAX; row--) {
      if ((this.#maxEnds[row] as number) <= address) break;
      const unit = this.#units[row] as number;
      if ((this.#ends[row] as number) > address && !units.includes(unit)) units.push(unit);
    }
    return units;
  }
}

function isSorted(values: Float64Array): boolean {
  for (let index = 1; index < values.length; index++) {
    if ((values[index] as number) < (values[index - 1] as number)) return false;
  }
  return true;
}

/** The indices of values, the smallest value first. */
function orderOf(values: Float64Array): Uint32Array {
  const order = new Uint32Array(values.length);
  for (let index = 0; index < order.length; index++) order[index] = index;
  return order.sort((a, b) => (values[a] as number) - (values[b] as number));
}

/**
 * Adds the ranges of .debug_aranges that lead to units. Compilers
 * leave units out of it, or the whole section. Source: DWARF 5, section 6.1.2.
 *
 * @param unitOf  index of the unit that begins at an offset; -1 for none
 */
export function readAddressRanges(
  file: DwarfFile,
  unitOf: (infoOffset: number) => number,
  ranges: UnitRanges,
): void {
  const section = file.section("aranges");
  if (section === undefined) return;
  ranges.reserve(Math.floor(section.size / RANGE_BYTES));
  try {
    let at = 0;
    for (let sets = 0; at < section.size && sets < SETS_MAX && !ranges.isFull; sets++) {
      const cursor = file.cursor("aranges", at);
      const start = cursor.at;
      readSet(file, cursor, { ranges, unitOf });
      at += cursor.at - start;
    }
  } catch {
    // What came before is as good as ever; other units are found by their first entries.
  }
}

interface Target {
  readonly ranges: UnitRanges;
  readonly unitOf: (infoOffset: number) => number;
}

function readSet({ space }: DwarfFile, cursor: DwarfCursor, { ranges, unitOf }: Target): void {
  const setStart = cursor.at;
  const { bytes, offsetBytes } = unitLength(cursor);
  const end = cursor.at + bytes;
  cursor.skip(2);
  const unit = unitOf(cursor.offset(offsetBytes));
  const addressBytes = cursor.u8();
  cursor.skip(1);
  const entryBytes = 2 * addressBytes;
  const headerBytes = cursor.at - setStart;
  cursor.skip((entryBytes - (headerBytes % entryBytes)) % entryBytes);
  const isKnown = unit >= 0 && (addressBytes === 8 || addressBytes === 4);
  // A set that is longer than the window is a part, as all that is said here may be.
  const last = Math.min(end, cursor.end) - entryBytes;
  while (isKnown && cursor.at <= last && !ranges.isFull) {
    const low = space.read(cursor, addressBytes);
    const length = addressBytes === 8 ? cursor.u64() : cursor.u32();
    if (length > 0 && low !== NO_ADDRESS && space.isCode(low)) {
      ranges.add(low, low + length, unit);
    }
  }
  cursor.at = end;
}
