import * as dw from "./constants.ts";
import type { DwarfFile } from "./dwarf-file.ts";
import type { LoadedUnit, UnitFinder } from "./function-names.ts";
import { LineTable } from "./line-table.ts";
import type { RangePairs } from "./range-lists.ts";
import { Unit } from "./unit.ts";
import type { UnitHeader } from "./unit-header.ts";
import { scanUnit, type UnitScan } from "./unit-scan.ts";

/** Bytes of units that are held at once. */
const HELD_BYTES_MAX = 8 * 1024 * 1024;

/** The units of one file, each read when it is needed. */
export class UnitStore implements UnitFinder {
  readonly file: DwarfFile;
  readonly #supplementary: UnitStore | undefined;
  readonly #units = new Map<number, Unit>();
  readonly #scans = new Map<number, UnitScan>();
  readonly #deep = new Set<number>();

  constructor(file: DwarfFile) {
    this.file = file;
    this.#supplementary = file.supplementary && new UnitStore(file.supplementary);
  }

  /** @throws INPUT_MALFORMED  its first entry or its abbreviations are broken */
  unit(index: number): Unit {
    const known = this.#units.get(index);
    if (known !== undefined) return known;
    const unit = new Unit(this.file, this.file.headers[index] as UnitHeader);
    this.#units.set(index, unit);
    return unit;
  }

  /** Puts in a unit that is made in another way. */
  setUnit(index: number, unit: Unit): void {
    this.#units.set(index, unit);
  }

  /** Whether one of the first units is so. */
  someUnit(looks: number, isSo: (unit: Unit) => boolean): boolean {
    const indices = Array.from(this.file.headers.slice(0, looks).keys());
    return indices.some((index) => {
      try {
        return isSo(this.unit(index));
      } catch {
        return false;
      }
    });
  }

  loadedAt(offset: number, isSupplementary: boolean): LoadedUnit | undefined {
    if (isSupplementary) return this.#supplementary?.loadedAt(offset, false);
    const index = this.file.unitAt(offset);
    return index < 0 ? undefined : this.loaded(index);
  }

  loaded(index: number): LoadedUnit {
    const unit = this.unit(index);
    const scan = this.#scans.get(index) ?? this.#scanNow(index, unit, false);
    if (this.file.takenBytes > HELD_BYTES_MAX) this.#releaseAllBut(unit);
    return { unit, scan };
  }

  /** Looks also into functions and types. True when that was not done before. */
  deepen(index: number): boolean {
    if (this.#deep.has(index)) return false;
    this.#scanNow(index, this.unit(index), true);
    this.#deep.add(index);
    return true;
  }

  /**
   * Where code of a unit is, as far as its first entry or its lines tell: nowhere for units of
   * types, those that others import, and broken ones.
   */
  rangesOf(index: number): RangePairs {
    const header = this.file.headers[index] as UnitHeader;
    if (isTypeUnit(header)) return [];
    // One that is not kept is made again when an address lies in it, which few do.
    const known = this.#units.get(index);
    try {
      const unit = known ?? new Unit(this.file, header);
      const ranges = this.#codeOf(unit);
      if (known === undefined) unit.release();
      return ranges;
    } catch {
      return [];
    }
  }

  #codeOf(unit: Unit): RangePairs {
    if (unit.root.tag === dw.DW_TAG_partial_unit) return [];
    const ranges = unit.rangesOf(unit.root);
    if (ranges.length > 0 || unit.root.stmtList < 0 || this.file.work.isSpent) return ranges;
    const lines = new LineTable(unit, unit.root.stmtList);
    const { sequences } = lines;
    lines.release();
    return sequences;
  }

  #scanNow(index: number, unit: Unit, isDeep: boolean): UnitScan {
    const scan = scanUnit(unit, isDeep);
    this.#scans.set(index, scan);
    return scan;
  }

  #releaseAllBut(kept: Unit): void {
    for (const unit of this.#units.values()) {
      if (unit !== kept) unit.release();
    }
  }
}

function isTypeUnit({ type }: UnitHeader): boolean {
  return type === dw.DW_UT_type || type === dw.DW_UT_split_type;
}
