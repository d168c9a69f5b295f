import { NO_ADDRESS } from "./address-space.ts";
import { DwarfCursor } from "./dwarf-cursor.ts";
import type { DwarfFile } from "./dwarf-file.ts";
import { unitLength } from "./unit-header.ts";
import { lastAtOrBefore, runningMax } from "./unit-scan.ts";

/** Units around one address that are tried; real ones overlap by two or three. */
const OVERLAPS_MAX = 64;
/** Ranges that begin between an address and the start of its unit's. */
const STEPS_MAX = 4096;

/** Which units may have the code at an address. */
export class AddressIndex {
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #maxEnds: Float64Array;
  readonly #units: Int32Array;

  /** @param ranges  start, end and unit of each, in any order */
  constructor(ranges: readonly number[]) {
    const count = ranges.length / 3;
    const order = Uint32Array.from({ length: count }, (_, index) => index);
    const startOf = (index: number): number => ranges[3 * index] as number;
    if (!isSorted(order, startOf)) order.sort((a, b) => startOf(a) - startOf(b));
    this.#starts = Float64Array.from(order, startOf);
    this.#ends = Float64Array.from(order, (index) => ranges[3 * index + 1] as number);
    this.#units = Int32Array.from(order, (index) => ranges[3 * index + 2] as number);
    this.#maxEnds = runningMax(this.#ends);
  }

  /** Where ranges of each unit begin and end, by its index. */
  bounds(): Map<number, number[]> {
    const byUnit = new Map<number, number[]>();
    for (const [row, unit] of this.#units.entries()) {
      const bounds = byUnit.getOrInsertComputed(unit, () => []);
      bounds.push(this.#starts[row] as number, this.#ends[row] as number);
    }
    return byUnit;
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

function isSorted(order: Uint32Array, startOf: (index: number) => number): boolean {
  for (let index = 1; index < order.length; index++) {
    if (startOf(index) < startOf(index - 1)) return false;
  }
  return true;
}

/**
 * Start, end and unit of each range of .debug_aranges that leads to a unit, by turns. Compilers
 * leave units out of it, or the whole section. Source: DWARF 5, section 6.1.2.
 *
 * @param unitOf  index of the unit that begins at an offset; -1 for none
 */
export function readAddressRanges(
  file: DwarfFile,
  unitOf: (infoOffset: number) => number,
): number[] {
  const ranges: number[] = [];
  const section = file.section("aranges");
  if (section === undefined) return ranges;
  const cursor = new DwarfCursor(file.whole("aranges"), section.name, file.elf.littleEndian);
  try {
    while (cursor.at < cursor.end) readSet(file, cursor, { ranges, unitOf });
  } catch {
    // What came before is as good as ever; other units are found by their first entries.
  }
  return ranges;
}

interface Target {
  readonly ranges: number[];
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
  while (isKnown && cursor.at + entryBytes <= end) {
    const low = space.read(cursor, addressBytes);
    const length = addressBytes === 8 ? cursor.u64() : cursor.u32();
    if (length > 0 && low !== NO_ADDRESS && space.isCode(low)) {
      ranges.push(low, low + length, unit);
    }
  }
  cursor.at = end;
}
