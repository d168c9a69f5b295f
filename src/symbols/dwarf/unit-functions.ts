import type { DebugFrame } from "./debug-info.ts";
import { ABSENT } from "./die-values.ts";
import type { FunctionNames, LoadedUnit } from "./function-names.ts";
import { type InlineTable, innermostAt, NO_INLINE, readInlines } from "./inline-table.ts";
import { LineTable, type SourcePlace } from "./line-table.ts";
import type { Unit } from "./unit.ts";
import { rangeAround } from "./unit-scan.ts";
import type { UnitStore } from "./unit-store.ts";

/** Inlined calls inside of one another; the deepest seen is 40. */
const CHAIN_MAX = 256;
/** Characters of the names and files of them; the longest name seen has 13,000. */
const CHAIN_LENGTH_MAX = 512 * 1024;

interface UnitPlace {
  readonly units: UnitStore;
  readonly index: number;
  readonly names: FunctionNames;
  /** The unit that has the line table, when that is another one. */
  readonly lines?: Unit;
}

/** One unit's functions, and what is at an address of them. */
export class UnitFunctions {
  readonly #place: UnitPlace;
  readonly #lines: LineTable | undefined;
  readonly #inlines = new Map<number, InlineTable | undefined>();
  /** Of a function and an inlined call in it: all frames but the innermost one's line. */
  readonly #chains = new Map<number, Map<number, Chain>>();

  /** @throws INPUT_MALFORMED  nothing of it can be read */
  constructor(place: UnitPlace) {
    this.#place = place;
    this.#lines = lineTableOf(place.lines ?? place.units.unit(place.index));
  }

  /** Of its line table. */
  get rowCount(): number {
    return this.#lines?.rowCount ?? 0;
  }

  /** Not used after it. */
  release(): void {
    this.#lines?.release();
  }

  framesAt(address: number, wantsInlines: boolean): readonly DebugFrame[] {
    const found = this.#functionAt(address);
    const place = this.#lines?.find(address);
    if (found === undefined) return place === undefined ? [] : [placed({}, place)];
    const inlines = wantsInlines ? this.#inlinesOf(found) : undefined;
    const call = inlines === undefined ? NO_INLINE : innermostAt(inlines, address);
    const { innermost, outer } = this.#chain(found, inlines, call);
    return [placed(innermost, place), ...outer];
  }

  /** Every address at which `framesAt` may begin to say something else, in any order. */
  bounds(): Float64Array[] {
    const { units, index } = this.#place;
    const bounds = this.#lines === undefined ? [] : this.#lines.bounds;
    const { work } = units.file;
    let loaded: LoadedUnit;
    try {
      work.start();
      units.deepen(index);
      loaded = units.loaded(index);
    } catch {
      // Its functions are broken, and their lines are known.
      return bounds;
    }
    const { starts, ends, functions } = loaded.scan;
    bounds.push(starts, ends);
    for (const offset of new Set(functions)) {
      work.start();
      const inlines = this.#inlinesOf({ loaded, offset });
      if (inlines !== undefined) bounds.push(inlines.starts);
    }
    return bounds;
  }

  #functionAt(address: number): FoundFunction | undefined {
    const { units, index } = this.#place;
    const loaded = units.loaded(index);
    const row = rangeAround(loaded.scan, address);
    if (row >= 0) return { loaded, offset: loaded.scan.functions[row] as number };
    // It may be in a function of a function.
    return units.deepen(index) ? this.#functionAt(address) : undefined;
  }

  #inlinesOf({ loaded, offset }: FoundFunction): InlineTable | undefined {
    if (this.#inlines.has(offset)) return this.#inlines.get(offset);
    let inlines: InlineTable | undefined;
    try {
      inlines = readInlines(loaded.unit, offset);
    } catch {
      // The function itself is known.
    }
    this.#inlines.set(offset, inlines);
    return inlines;
  }

  #chain(found: FoundFunction, inlines: InlineTable | undefined, call: number): Chain {
    const chains = this.#chains.getOrInsertComputed(found.offset, () => new Map<number, Chain>());
    return chains.getOrInsertComputed(call, () => this.#makeChain(found, inlines, call));
  }

  /** Around a call is what is around all others in the same one: those frames are shared. */
  #makeChain(found: FoundFunction, inlines: InlineTable | undefined, call: number): Chain {
    const { loaded, offset } = found;
    if (inlines === undefined || call === NO_INLINE) {
      return { innermost: this.#named(loaded, offset), outer: [], length: 0 };
    }
    const innermost = this.#named(loaded, inlines.entries[call] as number);
    const around = this.#chain(found, inlines, inlines.parents[call] as number);
    const caller = placed(around.innermost, this.#callPlace(inlines, call));
    const length = around.length + lengthOf(caller);
    const isFull = around.outer.length >= CHAIN_MAX || length > CHAIN_LENGTH_MAX;
    if (isFull && around.outer.length > 0) return { ...around, innermost };
    return { innermost, outer: [caller, ...around.outer], length };
  }

  #named(loaded: LoadedUnit, offset: number): DebugFrame {
    const { linkageName, bareName, fullName } = this.#place.names.nameAt(loaded, offset);
    return {
      ...(linkageName !== undefined && { linkageName }),
      ...(bareName !== undefined && { bareName }),
      ...(fullName !== undefined && { fullName }),
    };
  }

  #callPlace({ callFiles, callLines, callColumns }: InlineTable, call: number): SourcePlace {
    const file = callFiles[call] as number;
    return {
      file: file === ABSENT ? undefined : this.#lines?.path(file),
      line: callLines[call] as number,
      column: callColumns[call] as number,
    };
  }
}

interface FoundFunction {
  readonly loaded: LoadedUnit;
  /** Of its entry, from the unit's start on. */
  readonly offset: number;
}

interface Chain {
  readonly innermost: DebugFrame;
  readonly outer: readonly DebugFrame[];
  /** Characters of `outer`. */
  readonly length: number;
}

/** Functions are named also when their lines are broken. */
function lineTableOf(unit: Unit): LineTable | undefined {
  if (unit.root.stmtList < 0) return undefined;
  try {
    return new LineTable(unit, unit.root.stmtList);
  } catch {
    return undefined;
  }
}

function lengthOf({ linkageName, bareName, fullName, file }: DebugFrame): number {
  const texts = [linkageName, bareName, fullName, file];
  return texts.reduce((sum, text = "") => sum + text.length, 0);
}

function placed(frame: DebugFrame, place: SourcePlace | undefined): DebugFrame {
  if (place === undefined) return frame;
  const { file, line, column } = place;
  return {
    ...frame,
    ...(file !== undefined && { file }),
    ...(line > 0 && { line }),
    ...(line > 0 && column > 0 && { column }),
  };
}
