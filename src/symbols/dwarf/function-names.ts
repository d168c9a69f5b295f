import { lastAtOrBefore } from "../../support/sorted-search.ts";
import * as dw from "./constants.ts";
import { DieValues } from "./die-values.ts";
import type { Unit } from "./unit.ts";
import { NO_SCOPE, scopesInside, type UnitScan } from "./unit-scan.ts";

/** From a concrete function to its abstract one, to its declaration, and on to another unit. */
const HOPS_MAX = 16;
/** Scopes around a function; real ones have under 20. */
const SCOPES_MAX = 64;
/** Characters of their names together; beyond it those farther out are left off. */
const SCOPES_LENGTH_MAX = 4096;
/** Names that are kept; beyond it all are found anew. */
const NAMES_MAX = 262_144;

/** What a function is called. */
export interface FunctionName {
  /** As the linker knows it. */
  readonly linkageName: string | undefined;
  /** As it is declared, without what is around it. */
  readonly bareName: string | undefined;
  /** With its namespaces and classes; only where there is no linkage name, which has them too. */
  readonly fullName: string | undefined;
}

export const NAMELESS: FunctionName = {
  linkageName: undefined,
  bareName: undefined,
  fullName: undefined,
};

/** A unit's entries by which functions are found and named. */
export interface LoadedUnit {
  readonly unit: Unit;
  readonly scan: UnitScan;
}

/** Finds units by offsets of .debug_info. */
export interface UnitFinder {
  /** Undefined when the offset is in none. */
  loadedAt(offset: number, isSupplementary: boolean): LoadedUnit | undefined;
}

/** Names functions by their entries, across units. */
export class FunctionNames {
  readonly #units: UnitFinder;
  /** By unit, by offset in it. */
  #names = new WeakMap<Unit, Map<number, FunctionName>>();
  #count = 0;

  constructor(units: UnitFinder) {
    this.#units = units;
  }

  /**
   * The name of the function whose entry is at an offset of a unit: its own, or that of what it
   * is an instance of. A broken reference gives no name.
   */
  nameAt(loaded: LoadedUnit, offset: number): FunctionName {
    const names = this.#names.getOrInsertComputed(loaded.unit, () => new Map());
    const known = names.get(offset);
    if (known !== undefined) return known;
    if (this.#count++ >= NAMES_MAX) {
      this.#names = new WeakMap([[loaded.unit, names]]);
      names.clear();
      this.#count = 0;
    }
    const found = this.#read(loaded, offset);
    names.set(offset, found);
    return found;
  }

  #read(loaded: LoadedUnit, offset: number): FunctionName {
    try {
      return this.#follow({ loaded, offset });
    } catch {
      return NAMELESS;
    }
  }

  #follow(first: Entry): FunctionName {
    const values = new DieValues();
    let entry: Entry | undefined = first;
    let name: string | undefined;
    let declared = first;
    for (let hops = 0; entry !== undefined && hops < HOPS_MAX; hops++) {
      const { unit } = entry.loaded;
      if (!unit.readDie(entry.offset, values)) break;
      const linkageName = unit.text(values.linkageForm, values.linkage);
      name ??= unit.text(values.nameForm, values.name);
      if (linkageName !== undefined) {
        const bareName = name ?? this.#nameBehind(entry, values);
        return { linkageName, bareName, fullName: undefined };
      }
      declared = entry;
      entry = this.#next(entry, values);
    }
    if (name === undefined) return NAMELESS;
    const fullName = this.#scopesAround(declared) + name;
    return { linkageName: undefined, bareName: name, fullName };
  }

  /** The name that is behind a linkage name, one step further at most. */
  #nameBehind(entry: Entry, values: DieValues): string | undefined {
    const next = this.#next(entry, values);
    if (next === undefined || !next.loaded.unit.readDie(next.offset, values)) return undefined;
    return next.loaded.unit.text(values.nameForm, values.name);
  }

  #next({ loaded }: Entry, values: DieValues): Entry | undefined {
    const { unit } = loaded;
    const [form, value] =
      values.originForm !== 0
        ? [values.originForm, values.origin]
        : [values.specificationForm, values.specification];
    const reference = unit.reference(form, value);
    if (reference === undefined) return undefined;
    const { offset, isSupplementary } = reference;
    const { header } = unit;
    const isHere = !isSupplementary && offset >= header.offset && offset < header.end;
    const target = isHere ? loaded : this.#units.loadedAt(offset, isSupplementary);
    return target && { loaded: target, offset: offset - target.unit.header.offset };
  }

  /** The names of all scopes around an entry, each with "::" behind it. */
  #scopesAround({ loaded, offset }: Entry): string {
    const { unit } = loaded;
    const values = new DieValues();
    let text = "";
    for (const start of scopeStartsAround(loaded, offset)) {
      if (text.length > SCOPES_LENGTH_MAX || !unit.readDie(start, values)) break;
      text = `${this.#scopeName({ loaded, offset: start }, values)}::${text}`;
    }
    return text;
  }

  #scopeName(entry: Entry, values: DieValues): string {
    const { unit } = entry.loaded;
    const own = unit.text(values.nameForm, values.name);
    if (own !== undefined) return own;
    if (values.originForm !== 0 || values.specificationForm !== 0) {
      const { bareName } = this.nameAt(entry.loaded, entry.offset);
      if (bareName !== undefined) return bareName;
    }
    return ANONYMOUS[values.tag] ?? "(anonymous)";
  }
}

/** As demanglers write them. */
const ANONYMOUS: Readonly<Record<number, string>> = {
  [dw.DW_TAG_namespace]: "(anonymous namespace)",
  [dw.DW_TAG_class_type]: "(anonymous class)",
  [dw.DW_TAG_structure_type]: "(anonymous struct)",
  [dw.DW_TAG_union_type]: "(anonymous union)",
};

interface Entry {
  readonly loaded: LoadedUnit;
  /** From the unit's start on. */
  readonly offset: number;
}

/** Where the scopes begin that an entry lies in, the innermost first. */
function scopeStartsAround({ unit, scan }: LoadedUnit, offset: number): number[] {
  const { scopeStarts, scopeEnds, scopeParents, scopeSkipped } = scan;
  let scope = lastAtOrBefore(scopeStarts, offset - 1);
  while (scope >= 0 && (scopeEnds[scope] as number) <= offset)
    scope = scopeParents[scope] as number;
  if (scope < 0) return [];
  const starts: number[] = [];
  if (scopeSkipped[scope] === 1) {
    starts.push(...scopesInside(unit, scopeStarts[scope] as number, offset).reverse());
  }
  for (; scope !== NO_SCOPE && starts.length < SCOPES_MAX; scope = scopeParents[scope] as number) {
    starts.push(scopeStarts[scope] as number);
  }
  return starts;
}
