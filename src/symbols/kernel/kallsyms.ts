import { decodeUtf8 } from "../../support/byte-reader.ts";
import { limitExceeded } from "../../support/errors.ts";
import { lastAtOrBefore } from "../../support/sorted-search.ts";
import {
  CORE,
  type CodeBounds,
  KALLSYMS_PATH,
  KallsymsParser,
  type ParsedSymbols,
} from "./kallsyms-parser.ts";
import type { KernelModule } from "./layout.ts";

/** A kernel with every module of a distribution has 20 MB. */
export const KALLSYMS_BYTES_MAX: number = 128 * 1024 * 1024;
/** What one program in BPF may have; a larger one's end goes without a name. */
export const BPF_PROGRAM_BYTES_MAX: number = 256 * 1024;
/** A module begins and ends at pages, so the rest of a page is its own. */
const PAGE_BYTES = 4096;
const BPF = "bpf";
/** Answers that are kept, so that hot functions are decoded once. */
const ANSWERS_MAX = 4096;

const HIDDEN =
  "kernel addresses are hidden (kptr_restrict): run as root or set kernel.kptr_restrict to 1 or 0";

/**
 * Reads the kernel's functions, or says why there are none.
 *
 * @param pieces   the file's contents in pieces of any size; not kept
 * @param modules  of /proc/modules, when they are known: they say where a module's code ends
 * @throws INPUT_MALFORMED  a line of another form; names its offset
 * @throws LIMIT_EXCEEDED   more bytes, functions or modules than the limits above
 */
export function parseKallsyms(
  pieces: Iterable<Uint8Array>,
  modules: readonly KernelModule[] = [],
): KernelSymbols | { readonly missing: string } {
  const parser = new KallsymsParser();
  let bytes = 0;
  for (const piece of pieces) {
    bytes += piece.length;
    if (bytes > KALLSYMS_BYTES_MAX) {
      throw limitExceeded(KALLSYMS_PATH, "bytes", bytes, KALLSYMS_BYTES_MAX);
    }
    parser.push(piece);
  }
  parser.end();
  if (parser.lineCount === 0) return { missing: `${KALLSYMS_PATH} is empty` };
  if (!parser.anyAddress) return { missing: HIDDEN };
  if (parser.symbols.starts.length === 0) {
    return { missing: `${KALLSYMS_PATH} lists no functions` };
  }
  return new KernelSymbols(parser.symbols, modules);
}

export interface KernelSymbol {
  readonly name: string;
  /** "" for the kernel itself, "bpf" for a BPF program. */
  readonly module: string;
}

/**
 * The running kernel's functions. kallsyms gives no sizes: a function ends where the next one
 * begins, and the last one of a module or of the kernel where that ends.
 */
export class KernelSymbols {
  /** Address of `_text`, else of `_stext`, else of the first function of the kernel; else 0. */
  readonly textStart: bigint;
  readonly count: number;
  readonly #base: bigint;
  readonly #starts: Float64Array;
  readonly #ends: Float64Array;
  readonly #nameStarts: Uint32Array;
  readonly #nameEnds: Uint32Array;
  readonly #names: Uint8Array;
  readonly #modules: Uint32Array;
  readonly #moduleNames: readonly string[];
  readonly #answers = new Map<number, KernelSymbol>();

  constructor(parsed: ParsedSymbols, modules: readonly KernelModule[]) {
    const rows = withoutAliases(parsed);
    const { nameEnds } = parsed;
    this.#base = parsed.base;
    this.#moduleNames = parsed.moduleNames;
    this.count = rows.length;
    this.#starts = Float64Array.from(rows, (row) => parsed.starts.at(row));
    this.#modules = Uint32Array.from(rows, (row) => parsed.modules.at(row));
    this.#ends = endsOf(this.#starts, this.#modules, parsed, modules);
    this.#nameStarts = Uint32Array.from(rows, (row) => nameEnds.at(row - 1));
    this.#nameEnds = Uint32Array.from(rows, (row) => nameEnds.at(row));
    this.#names = parsed.names.slice(0, parsed.namesLength);
    const { text, startText } = parsed.bounds;
    const firstCore = this.#starts[this.#modules.indexOf(CORE)];
    const start = text ?? startText ?? firstCore;
    this.textStart = start === undefined ? 0n : this.#base + BigInt(start);
  }

  /** The function around an address. Equal answers may be the same object. */
  lookup(address: bigint): KernelSymbol | undefined {
    const place = Number(address - this.#base);
    const row = lastAtOrBefore(this.#starts, place);
    return row >= 0 && place < (this.#ends[row] as number) ? this.#answer(row) : undefined;
  }

  #answer(row: number): KernelSymbol {
    const known = this.#answers.get(row);
    if (known !== undefined) return known;
    const bytes = this.#names.subarray(this.#nameStarts[row], this.#nameEnds[row]);
    const module = this.#moduleNames[this.#modules[row] as number] ?? "";
    const answer = { name: decodeUtf8(bytes), module };
    if (this.#answers.size >= ANSWERS_MAX) this.#answers.clear();
    this.#answers.set(row, answer);
    return answer;
  }
}

/** Rows by address, of equal addresses the one that people expect to read. */
function withoutAliases(parsed: ParsedSymbols): Uint32Array {
  const starts = parsed.starts.data;
  const order = Uint32Array.from({ length: parsed.starts.length }, (_, row) => row);
  order.sort((a, b) => (starts[a] as number) - (starts[b] as number) || a - b);
  let kept = 0;
  for (const row of order) {
    const last = order[kept - 1] as number;
    if (kept === 0 || starts[row] !== starts[last]) order[kept++] = row;
    else if (isBetterName(parsed, row, last)) order[kept - 1] = row;
  }
  return order.slice(0, kept);
}

/** Global before weak before local, no leading underscore, shorter, then by bytes. */
function isBetterName(parsed: ParsedSymbols, a: number, b: number): boolean {
  const nameA = nameOf(parsed, a);
  const nameB = nameOf(parsed, b);
  const order =
    parsed.bindings.at(a) - parsed.bindings.at(b) ||
    Number(nameA[0] === 0x5f) - Number(nameB[0] === 0x5f) ||
    nameA.length - nameB.length ||
    Buffer.compare(nameA, nameB);
  return order < 0;
}

function nameOf({ names, nameEnds }: ParsedSymbols, row: number): Uint8Array {
  return names.subarray(nameEnds.at(row - 1), nameEnds.at(row));
}

/** Where each row ends; a row that is no code ends where it begins. */
function endsOf(
  starts: Float64Array,
  modules: Uint32Array,
  parsed: ParsedSymbols,
  loaded: readonly KernelModule[],
): Float64Array {
  const { bounds, moduleNames } = parsed;
  const moduleEnds = endsOfModules(parsed, loaded);
  const nextOfModule = new Map<number, number>();
  const ends = new Float64Array(starts.length);
  let next = Number.POSITIVE_INFINITY;
  for (let row = starts.length - 1; row >= 0; row--) {
    const start = starts[row] as number;
    const module = modules[row] as number;
    const nextOwn = nextOfModule.get(module);
    const limit =
      module === CORE
        ? coreEnd(start, bounds, nextOwn)
        : moduleNames[module] === BPF
          ? start + BPF_PROGRAM_BYTES_MAX
          : moduleEnd(start, moduleEnds.get(module), nextOwn);
    ends[row] = Math.max(start, Math.min(limit, next, nextOwn ?? next));
    next = start;
    nextOfModule.set(module, start);
  }
  return ends;
}

/** Behind `_etext` and outside of the code for starting up there is data. */
function coreEnd(start: number, bounds: CodeBounds, nextOwn: number | undefined): number {
  const { endText, startInitText, endInitText } = bounds;
  if (endText === undefined) return nextOwn ?? start + 1;
  if (start < endText) return endText;
  const isInit = startInitText !== undefined && start >= startInitText;
  return isInit && endInitText !== undefined ? endInitText : start;
}

/** A function of a module reaches the next one, but not past the module. */
function moduleEnd(start: number, end: number | undefined, nextOwn: number | undefined): number {
  if (end !== undefined && start < end) return end;
  return nextOwn ?? Math.floor(start / PAGE_BYTES) * PAGE_BYTES + PAGE_BYTES;
}

function endsOfModules(
  { base, moduleNames }: ParsedSymbols,
  loaded: readonly KernelModule[],
): ReadonlyMap<number, number> {
  const byName = new Map(loaded.map((module) => [module.name, module]));
  const ends = new Map<number, number>();
  for (const [index, name] of moduleNames.entries()) {
    const module = byName.get(name);
    if (module === undefined || module.start === 0n) continue;
    const end = Number(module.start - base) + module.size;
    if (Number.isSafeInteger(end)) ends.set(index, end);
  }
  return ends;
}
