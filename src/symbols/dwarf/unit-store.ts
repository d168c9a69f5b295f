import { malformed } from "../../support/errors.ts";
import * as dw from "./constants.ts";
import type { DwarfFile } from "./dwarf-file.ts";
import type { LoadedUnit, UnitFinder } from "./function-names.ts";
import { LineTable } from "./line-table.ts";
import type { RangePairs } from "./range-lists.ts";
import { Unit } from "./unit.ts";
import type { UnitHeader } from "./unit-header.ts";
import { ScanColumns, scanUnit, type UnitScan } from "./unit-scan.ts";

/** Bytes of units that are held at once. */
const HELD_BYTES_MAX = 8 * 1024 * 1024;

/** Units that are kept with their first entries, some 2 KB each. */
const UNITS_KEPT_MAX = 8192;
/** Bytes of the functions and scopes of units that are kept; libjvm's have 40 MB. */
const SCANS_BYTES_MAX = 64 * 1024 * 1024;

/** The units of one file, each read when it is needed. */
export class UnitStore implements UnitFinder {
  readonly file: DwarfFile;
  readonly #supplementary: UnitStore | undefined;
  readonly #units = new Map<number, Unit>();
  /** Those that were made in another way, which nobody here can make again. */
  readonly #given = new Map<number, Unit>();
  readonly #scans = new Map<number, UnitScan>();
  readonly #scanColumns = new ScanColumns();
  #scanBytes = 0;
  readonly #deep = new Set<number>();
  /** Whose entries cannot be read: finding that out may cost as much as reading them. */
  readonly #broken = new Set<number>();

  constructor(file: DwarfFile) {
    this.file = file;
    this.#supplementary = file.supplementary && new UnitStore(file.supplementary);
  }

  /** @throws INPUT_MALFORMED  its first entry or its abbreviations are broken */
  unit(index: number): Unit {
    const known = this.#given.get(index) ?? this.#units.get(index);
    if (known !== undefined) return known;
    if (this.#units.size >= UNITS_KEPT_MAX) this.#forget();
    const unit = new Unit(this.file, this.file.headers.at(index));
    this.#units.set(index, unit);
    return unit;
  }

  /** Puts in a unit that is made in another way. */
  setUnit(index: number, unit: Unit): void {
    this.#given.set(index, unit);
  }

  /** Whether one of the first units is so. */
  someUnit(looks: number, isSo: (unit: Unit) => boolean): boolean {
    const count = Math.min(looks, this.file.headers.length);
    return Array.from({ length: count }).some((_, index) => {
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
    this.#deep.add(index);
    this.#scanNow(index, this.unit(index), true);
    return true;
  }

  /**
   * Where code of a unit is, as far as its first entry or its lines tell: nowhere for units of
   * types, those that others import, and broken ones.
   */
  rangesOf(index: number): RangePairs {
    const header = this.file.headers.at(index);
    if (isTypeUnit(header) || isEmpty(header)) return [];
    // One that is not kept is made again when an address lies in it, which few do.
    const known = this.#given.get(index) ?? this.#units.get(index);
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
    if (ranges.length > 0 || unit.root.stmtList < 0 || !this.file.work.mayGoOn()) return ranges;
    const lines = new LineTable(unit, unit.root.stmtList);
    const { sequences } = lines;
    lines.release();
    return sequences;
  }

  #scanNow(index: number, unit: Unit, isDeep: boolean): UnitScan {
    if (this.#broken.has(index)) throw malformed(unit.name, "its entries are broken");
    let scan: UnitScan;
    try {
      scan = scanUnit(unit, isDeep, this.#scanColumns);
    } catch (error) {
      if (!isDeep) this.#broken.add(index);
      throw error;
    }
    this.#scanBytes += bytesOf(scan);
    if (this.#scanBytes > SCANS_BYTES_MAX) this.#forget();
    this.#scans.set(index, scan);
    return scan;
  }

  /** What is asked for again is read again. */
  #forget(): void {
    for (const unit of this.#units.values()) unit.release();
    this.#units.clear();
    this.#scans.clear();
    this.#deep.clear();
    this.#scanBytes = 0;
  }

  #releaseAllBut(kept: Unit): void {
    for (const units of [this.#units, this.#given]) {
      for (const unit of units.values()) if (unit !== kept) unit.release();
    }
  }
}

function bytesOf(scan: UnitScan): number {
  const { starts, ends, maxEnds, functions } = scan;
  const { scopeStarts, scopeEnds, scopeParents, scopeSkipped } = scan;
  const arrays = [starts, ends, maxEnds, functions, scopeStarts, scopeEnds, scopeParents];
  return [...arrays, scopeSkipped].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function isEmpty({ offset, end, headerBytes }: UnitHeader): boolean {
  return offset + headerBytes >= end;
}

function isTypeUnit({ type }: UnitHeader): boolean {
  return type === dw.DW_UT_type || type === dw.DW_UT_split_type;
}
