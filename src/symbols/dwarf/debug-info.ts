import { malformed } from "../../support/errors.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import type { Missing } from "../executable-file.ts";
import { AddressIndex, readAddressRanges, UnitRanges } from "./address-index.ts";
import { DwarfFile } from "./dwarf-file.ts";
import { FunctionNames } from "./function-names.ts";
import { hasLargeLines } from "./line-table.ts";
import { type SplitFiles, SplitUnits } from "./split-units.ts";
import { UnitFunctions } from "./unit-functions.ts";
import { UnitStore } from "./unit-store.ts";

/** One function at an address; several are inlined into one another, innermost first. */
export interface DebugFrame {
  readonly linkageName?: string;
  /** As it is declared, without what is around it. */
  readonly bareName?: string;
  /** With its namespaces and classes; only where there is no linkage name, which has them too. */
  readonly fullName?: string;
  readonly file?: string;
  /** From 1 on, as the column. */
  readonly line?: number;
  readonly column?: number;
}

/** Rows of line tables that are kept; 54 MB. Addresses that come sorted need one unit at a time. */
const ROWS_KEPT_MAX = 3_000_000;
/** Units whose functions are kept. */
const UNITS_KEPT_MAX = 8192;
/** Units that are tried for an address without being counted; real ones do not even overlap. */
const USUAL_TRIES = 4;
/** What one more costs, in bytes that are read. */
const TRY_COST = 64;
/** Bytes that are read for a group of addresses, or all, beyond twice the file's size. */
const GROUP_BYTES_MIN = 32 * 1024 * 1024;
/** Units whose first entries are read to find an address; a browser has 100,000. */
const UNITS_LOOKED_AT_MAX = 262_144;
/** Units that are looked at: a program is compiled in one way, but for what it is linked with. */
const SPLIT_LOOKS_MAX = 64;

export interface DebugInfoOptions extends SplitFiles {
  /** The dwz file that the file names in .gnu_debugaltlink. */
  readonly supplementary?: ElfFile | undefined;
  /** Rows of line tables that are kept, of 18 bytes each. */
  readonly rowsMax?: number | undefined;
}

/** The debug information of one file. */
export function openDebugInfo(elf: ElfFile, options: DebugInfoOptions = {}): DebugInfo | Missing {
  const file = new DwarfFile(elf, { supplementary: options.supplementary });
  if (!file.hasUnits) return { missing: "the file has no debug information" };
  return new DebugInfo(file, options);
}

/**
 * Finds the functions and lines at addresses. Units are read when an address lies in them. A unit
 * that is broken costs what is in it, and no other.
 */
export class DebugInfo {
  readonly #file: DwarfFile;
  readonly #units: UnitStore;
  readonly #split: SplitUnits;
  readonly #names: FunctionNames;
  readonly #functions = new Map<number, UnitFunctions | undefined>();
  /** Of the line tables in `#functions`. */
  #rows = 0;
  readonly #rowsMax: number;
  #index: AddressIndex | undefined;
  /** The index knows what .debug_aranges leaves out, too. */
  #isComplete = false;
  /** An index is made of it, which is whole or is none. */
  #isIndexed = false;

  constructor(file: DwarfFile, options: DebugInfoOptions) {
    this.#file = file;
    this.#units = new UnitStore(file);
    this.#split = new SplitUnits(options);
    this.#rowsMax = options.rowsMax ?? ROWS_KEPT_MAX;
    this.#names = new FunctionNames(this.#units);
  }

  /** What addresses count from: 0 for a program, the start of a kernel. */
  get base(): bigint {
    return this.#file.space.base;
  }

  /** Whether units were split off into a .dwp file or .dwo files. */
  get isSplit(): boolean {
    return this.#units.someUnit(SPLIT_LOOKS_MAX, ({ root }) => root.dwoNameForm !== 0);
  }

  /**
   * The functions at an address, innermost first. Where no function is, as between two, one frame
   * without names may say the line; none when nothing is known.
   *
   * @param address  an own virtual address of the file, less `base`
   */
  framesAt(
    address: number,
    { inlines = true }: { readonly inlines?: boolean } = {},
  ): readonly DebugFrame[] {
    const frames = this.#find(address, inlines);
    if (this.#isIndexed) this.#requireWhole();
    return frames;
  }

  #find(address: number, inlines: boolean): readonly DebugFrame[] {
    let best: readonly DebugFrame[] = NO_FRAMES;
    this.#file.work.start();
    if (this.#index === undefined) {
      this.#index = this.#firstIndex();
      this.#file.work.start();
    }
    for (;;) {
      let tries = 0;
      for (const unit of this.#index.unitsAt(address)) {
        if (tries++ >= USUAL_TRIES && !this.#mayTry()) break;
        const frames = this.#framesOf(unit, address, inlines);
        if (isNamed(frames)) return frames;
        if (best.length === 0) best = frames;
      }
      if (best.length > 0 || this.#isComplete) return best;
      this.#index = this.#completeIndex();
      this.#file.work.start();
    }
  }

  /** A group of addresses begins, which together read hardly more than there is. */
  begin(): void {
    const { work, elf } = this.#file;
    work.limitAll(2 * elf.access.size + GROUP_BYTES_MIN);
  }

  /** They have read too much: units share what is read for each of them anew. */
  get isOver(): boolean {
    return this.#file.work.isOver;
  }

  /** Whether one unit more may be looked at for an address, which is counted. */
  #mayTry(): boolean {
    const { work } = this.#file;
    if (work.isOver || !work.mayGoOn()) return false;
    work.spend(".debug_info", TRY_COST);
    return true;
  }

  #requireWhole(): void {
    const { work, elf } = this.#file;
    if (!work.isOver && !work.hasRefused) return;
    throw malformed(elf.access.name, "its units share too much for an index");
  }

  #framesOf(unit: number, address: number, inlines: boolean): readonly DebugFrame[] {
    try {
      return this.#functionsOf(unit)?.framesAt(address, inlines) ?? NO_FRAMES;
    } catch {
      // Its entries are broken; others may know the address.
      return NO_FRAMES;
    }
  }

  /**
   * Every address at which `framesAt` may begin to say something else, unit by unit, in any order.
   * What `framesAt` is asked for about one unit at a time is not read twice.
   *
   * @throws INPUT_MALFORMED  units share so much that it would be read again and again
   */
  *bounds(): Generator<readonly Float64Array[]> {
    this.begin();
    this.#isIndexed = true;
    this.#index = this.#completeIndex();
    this.#requireWhole();
    for (const [unit, bounds] of this.#index.bounds()) {
      this.#file.work.start();
      yield [bounds, ...(this.#functionsOf(unit)?.bounds() ?? [])];
      this.#requireWhole();
    }
  }

  #firstIndex(): AddressIndex {
    const ranges = new UnitRanges();
    this.#addAddressRanges(ranges);
    return ranges.count === 0 ? this.#completeIndex() : new AddressIndex(ranges);
  }

  #addAddressRanges(ranges: UnitRanges): void {
    const file = this.#file;
    const unitOf = (offset: number): number => {
      const unit = file.unitAt(offset);
      return unit >= 0 && file.headers.offsetOf(unit) === offset ? unit : -1;
    };
    readAddressRanges(file, unitOf, ranges);
  }

  /** With the ranges of all units: what .debug_aranges says of a unit may be a part. */
  #completeIndex(): AddressIndex {
    this.#isComplete = true;
    this.#index = undefined;
    const ranges = new UnitRanges();
    const count = Math.min(this.#file.headers.length, UNITS_LOOKED_AT_MAX);
    for (let unit = 0; unit < count; unit++) {
      const pairs = this.#units.rangesOf(unit);
      for (let index = 0; index < pairs.length; index += 2) {
        ranges.add(pairs[index] as number, pairs[index + 1] as number, unit);
      }
    }
    this.#addAddressRanges(ranges);
    return new AddressIndex(ranges);
  }

  #functionsOf(index: number): UnitFunctions | undefined {
    if (this.#functions.has(index)) return this.#functions.get(index);
    // One alone may be over it: two of that size would be too much.
    if (this.#rows > this.#rowsMax) this.#releaseFunctions();
    const functions = this.#openUnit(index);
    const rows = functions?.rowCount ?? 0;
    const isFull = this.#rows + rows > this.#rowsMax || this.#functions.size >= UNITS_KEPT_MAX;
    if (isFull) this.#releaseFunctions();
    this.#rows += rows;
    this.#functions.set(index, functions);
    return functions;
  }

  #releaseFunctions(): void {
    for (const functions of this.#functions.values()) functions?.release();
    this.#functions.clear();
    this.#rows = 0;
  }

  #openUnit(index: number): UnitFunctions | undefined {
    try {
      const skeleton = this.#units.unit(index);
      // Its lines and all those of others would be too much together.
      if (hasLargeLines(skeleton)) this.#releaseFunctions();
      const split = this.#split.splitOf(skeleton);
      if (split === undefined) {
        return new UnitFunctions({ units: this.#units, index, names: this.#names });
      }
      const { units, index: splitIndex, names } = split;
      return new UnitFunctions({ units, index: splitIndex, names, lines: skeleton });
    } catch {
      return undefined;
    }
  }
}

const NO_FRAMES: readonly DebugFrame[] = [];

function isNamed(frames: readonly DebugFrame[]): boolean {
  const outermost = frames.at(-1);
  return outermost?.bareName !== undefined || outermost?.linkageName !== undefined;
}
