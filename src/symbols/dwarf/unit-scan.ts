import { Float64Column, Int32Column } from "../../profiles/columns.ts";
import { limitExceeded } from "../../support/errors.ts";
import { lastAtOrBefore } from "../../support/sorted-search.ts";
import * as dw from "./constants.ts";
import { ABSENT, DieValues, readAttributes, skipAttributes } from "./die-values.ts";
import type { DwarfCursor } from "./dwarf-cursor.ts";
import type { Unit } from "./unit.ts";

/** Entries inside of one another; real ones nest 60 deep. */
export const DIE_DEPTH_MAX = 256;

/** Ranges of functions of one unit: each takes 60 bytes while they are read. */
const RANGES_MAX = 1_000_000;
/**
 * Scopes of one unit; those beyond give no names to what is in them. A program linked as one has
 * as many.
 */
const UNIT_SCOPES_MAX = 1_000_000;
/** Entries and ends of lists of one unit; of the same some 20 million are looked at. */
const CODES_MAX = 24_000_000;
/** Ranges that begin between an address and the start of its own; real ones do not even overlap. */
const OVERLAPS_MAX = 4096;

/** No scope around: the unit itself. */
export const NO_SCOPE = -1;

/** The functions of a unit that have code, and the scopes that give entries their full names. */
export interface UnitScan {
  /** Sorted by start; a function with several ranges is there several times. */
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  /** The highest end up to each row. */
  readonly maxEnds: Float64Array;
  /** Of each range its function's entry, from the unit's start on. */
  readonly functions: Uint32Array;
  /** Of each scope where it begins and ends and the row of the scope around it; ascending. */
  readonly scopeStarts: Uint32Array;
  readonly scopeEnds: Uint32Array;
  readonly scopeParents: Int32Array;
  /** 1 for a scope that was not looked into: `scopesInside` finds those in it. */
  readonly scopeSkipped: Uint8Array;
}

const KIND_OTHER = 0;
const KIND_FUNCTION = 1;
/** It is always looked into: functions stand in it. */
const KIND_NAMESPACE = 2;
/** Functions stand in it only when it stands itself in a function. */
const KIND_TYPE = 3;

const KINDS = new Uint8Array(0x1_0000);
KINDS[dw.DW_TAG_subprogram] = KIND_FUNCTION;
for (const tag of [dw.DW_TAG_namespace, dw.DW_TAG_module]) KINDS[tag] = KIND_NAMESPACE;
for (const tag of [
  dw.DW_TAG_class_type,
  dw.DW_TAG_structure_type,
  dw.DW_TAG_union_type,
  dw.DW_TAG_enumeration_type,
  dw.DW_TAG_interface_type,
]) {
  KINDS[tag] = KIND_TYPE;
}

/**
 * Finds the functions of a unit. What has a sibling is skipped when functions are rarely in it,
 * which leaves out those inside of other functions (lambdas, local classes); `isDeep` looks there
 * too, for five times the time.
 *
 * @param columns  what is overwritten: units are scanned one after the other
 */
export function scanUnit(unit: Unit, isDeep: boolean, columns: ScanColumns): UnitScan {
  columns.clear();
  return new Scanner(unit, isDeep, columns).scan();
}

/** What is found in a unit, as it comes: it grows to what the largest one needs. */
export class ScanColumns {
  readonly starts = new Float64Column();
  readonly ends = new Float64Column();
  readonly functions = new Int32Column();
  readonly scopeStarts = new Int32Column();
  readonly scopeEnds = new Int32Column();
  readonly scopeParents = new Int32Column();
  readonly scopeSkipped = new Int32Column();

  clear(): void {
    for (const column of [this.starts, this.ends, this.functions]) column.length = 0;
    for (const column of [this.scopeStarts, this.scopeEnds]) column.length = 0;
    for (const column of [this.scopeParents, this.scopeSkipped]) column.length = 0;
  }
}

class Scanner {
  readonly #unit: Unit;
  readonly #isDeep: boolean;
  readonly #values = new DieValues();
  readonly #columns: ScanColumns;
  /** Of each level that is open: the scope in which its entries are. */
  readonly #scopes: number[] = [];
  /** Of each level: the scope that ends with it; NO_SCOPE when none does. */
  readonly #ending: number[] = [];

  constructor(unit: Unit, isDeep: boolean, columns: ScanColumns) {
    this.#unit = unit;
    this.#isDeep = isDeep;
    this.#columns = columns;
  }

  scan(): UnitScan {
    const unit = this.#unit;
    const cursor = unit.cursor(unit.header.headerBytes);
    const { table, encoding } = unit;
    const { hasChildren, tags } = table;
    const rootRow = unit.rowOf(cursor, cursor.uleb());
    skipAttributes(cursor, table, rootRow, encoding);
    if (hasChildren[rootRow] === 1) this.#open(NO_SCOPE, NO_SCOPE);
    for (let codes = 0; this.#scopes.length > 0 && cursor.at < cursor.end; codes++) {
      if (codes >= CODES_MAX) throw limitExceeded(unit.name, "entries", codes, CODES_MAX);
      const offset = cursor.at;
      const code = cursor.uleb();
      if (code === 0) {
        this.#close(cursor.at);
        continue;
      }
      const row = unit.rowOf(cursor, code);
      const kind = KINDS[tags[row] as number] as number;
      const sibling =
        kind === KIND_FUNCTION
          ? this.#readFunction(cursor, row, offset)
          : skipAttributes(cursor, table, row, encoding);
      if (hasChildren[row] === 1) this.#enter(cursor, kind, offset, sibling);
    }
    while (this.#scopes.length > 0) this.#close(cursor.at);
    return this.#result();
  }

  /** Goes on with the children, or behind them. */
  #enter(cursor: DwarfCursor, kind: number, offset: number, sibling: number): void {
    const canSkip = sibling !== ABSENT && sibling >= cursor.at && sibling <= cursor.end;
    const isLookedInto = kind === KIND_NAMESPACE || this.#isDeep || !canSkip;
    if (!isLookedInto) {
      if (kind !== KIND_OTHER) this.#addScope(offset, sibling, 1);
      cursor.at = sibling;
      return;
    }
    if (this.#scopes.length >= DIE_DEPTH_MAX) {
      throw cursor.error(`entries are over ${DIE_DEPTH_MAX} deep`);
    }
    const around = this.#scopes.at(-1) as number;
    if (kind === KIND_OTHER) {
      this.#open(around, NO_SCOPE);
      return;
    }
    const scope = this.#addScope(offset, offset, 0);
    this.#open(scope === NO_SCOPE ? around : scope, scope);
  }

  /** NO_SCOPE when there are too many. */
  #addScope(start: number, end: number, isSkipped: 0 | 1): number {
    const { scopeStarts, scopeEnds, scopeSkipped, scopeParents } = this.#columns;
    const scope = scopeStarts.length;
    if (scope >= UNIT_SCOPES_MAX) return NO_SCOPE;
    scopeStarts.push(start);
    scopeEnds.push(end);
    scopeSkipped.push(isSkipped);
    scopeParents.push(this.#scopes.at(-1) as number);
    return scope;
  }

  #open(scope: number, ending: number): void {
    this.#scopes.push(scope);
    this.#ending.push(ending);
  }

  #close(end: number): void {
    this.#scopes.pop();
    const ended = this.#ending.pop() as number;
    if (ended !== NO_SCOPE) this.#columns.scopeEnds.data[ended] = end;
  }

  #readFunction(cursor: DwarfCursor, row: number, offset: number): number {
    const values = this.#values;
    readAttributes(cursor, this.#unit, row, values);
    const pairs = values.isDeclaration ? NO_RANGES : this.#rangesOf(values);
    const { starts, ends, functions } = this.#columns;
    for (let index = 0; index < pairs.length; index += 2) {
      starts.push(pairs[index] as number);
      ends.push(pairs[index + 1] as number);
      functions.push(offset);
    }
    if (functions.length > RANGES_MAX) {
      throw limitExceeded(this.#unit.name, "ranges", functions.length, RANGES_MAX);
    }
    return values.sibling;
  }

  /** One function whose ranges are broken costs that function. */
  #rangesOf(values: DieValues): readonly number[] {
    try {
      return this.#unit.rangesOf(values);
    } catch {
      return NO_RANGES;
    }
  }

  #result(): UnitScan {
    const columns = this.#columns;
    const count = columns.functions.length;
    if (count + columns.scopeStarts.length === 0) return NOTHING;
    const [starts, ends] = [columns.starts.data, columns.ends.data];
    const functions = columns.functions.data;
    const order = new Uint32Array(count);
    for (let index = 0; index < count; index++) order[index] = index;
    order.sort((a, b) => (starts[a] as number) - (starts[b] as number) || a - b);
    const sortedEnds = Float64Array.from(order, (index) => ends[index] as number);
    return {
      starts: Float64Array.from(order, (index) => starts[index] as number),
      ends: sortedEnds,
      maxEnds: runningMax(sortedEnds),
      functions: Uint32Array.from(order, (index) => functions[index] as number),
      scopeStarts: Uint32Array.from(rowsOf(columns.scopeStarts)),
      scopeEnds: Uint32Array.from(rowsOf(columns.scopeEnds)),
      scopeParents: rowsOf(columns.scopeParents).slice(),
      scopeSkipped: Uint8Array.from(rowsOf(columns.scopeSkipped)),
    };
  }
}

/**
 * The scopes inside of one that was not looked into, down to the entry at `offset`, outermost
 * first: where each begins.
 *
 * @throws LIMIT_EXCEEDED  too much was looked through for one question
 */
export function scopesInside(unit: Unit, scopeStart: number, offset: number): number[] {
  const { table, encoding } = unit;
  // Many names may be asked for that stand in one scope.
  unit.file.work.spend(unit.name, offset - scopeStart);
  const cursor = unit.cursor(scopeStart);
  skipAttributes(cursor, table, unit.rowOf(cursor, cursor.uleb()), encoding);
  /** Of each level that is open where it begins; NO_SCOPE for what gives no name. */
  const open: number[] = [NO_SCOPE];
  while (cursor.at < offset && open.length > 0 && open.length <= DIE_DEPTH_MAX) {
    const start = cursor.at;
    const code = cursor.uleb();
    if (code === 0) {
      open.pop();
      continue;
    }
    const row = unit.rowOf(cursor, code);
    const sibling = skipAttributes(cursor, table, row, encoding);
    if (table.hasChildren[row] !== 1) continue;
    if (sibling !== ABSENT && sibling > cursor.at && sibling <= offset) cursor.at = sibling;
    else open.push(KINDS[table.tags[row] as number] === KIND_OTHER ? NO_SCOPE : start);
  }
  return open.filter((start) => start !== NO_SCOPE);
}

/** A view. */
function rowsOf({ data, length }: Int32Column): Int32Array {
  return data.subarray(0, length);
}

const NO_RANGES: readonly number[] = [];

/** Of all units without code and scopes, of which a file may have a million. */
const NOTHING: UnitScan = {
  starts: new Float64Array(0),
  ends: new Float64Array(0),
  maxEnds: new Float64Array(0),
  functions: new Uint32Array(0),
  scopeStarts: new Uint32Array(0),
  scopeEnds: new Uint32Array(0),
  scopeParents: new Int32Array(0),
  scopeSkipped: new Uint8Array(0),
};

export function runningMax(ends: Float64Array): Float64Array {
  let most = Number.NEGATIVE_INFINITY;
  return ends.map((end) => {
    most = Math.max(most, end);
    return most;
  });
}

/** Row of the range around an address, the one that begins last; -1 when there is none. */
export function rangeAround(
  { starts, ends, maxEnds }: Pick<UnitScan, "starts" | "ends" | "maxEnds">,
  address: number,
): number {
  const last = lastAtOrBefore(starts, address);
  const first = Math.max(0, last - OVERLAPS_MAX);
  for (let row = last; row >= first; row--) {
    if ((maxEnds[row] as number) <= address) return -1;
    if ((ends[row] as number) > address) return row;
  }
  return -1;
}
