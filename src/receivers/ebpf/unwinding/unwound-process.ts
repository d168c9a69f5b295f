import type { ProcessMapping } from "../../../linux/process-mapping.ts";
import type { ProcessImage } from "../process-image.ts";
import type { StoredTable } from "./table-store.ts";
import type { RangeKeys } from "./unwind-maps.ts";

/** After a failure, so long; then twice as long each time. */
const RETRY_MS = 1000;
const RETRY_MS_MAX = 300_000;

/** A mapping that is in the kernel. */
export interface KnownRange {
  readonly keys: RangeKeys;
  readonly table: StoredTable | undefined;
  /** False when a table may be had at another time. */
  readonly isFinal: boolean;
}

/** Ranges of all processes. */
export interface RangeSums {
  all: number;
  withoutTable: number;
}

/** A process as the kernel knows it. */
export class UnwoundProcess {
  /** The present generation of its program; what stays mapped is the same objects in each. */
  image: ProcessImage;
  readonly owner: number;
  readonly #ranges = new Map<ProcessMapping, KnownRange>();
  /** The version of the mappings that are loaded. */
  version = -1;
  /** The version of which all is placed, if only as a guess. */
  placedVersion = -1;
  /** What was placed as a guess while others were loaded; its table is asked for after that. */
  readonly unasked = new Set<ProcessMapping>();
  /** How often it was wanted: a measure of its share of the samples. */
  wants = 1;
  /** Files whose table it was given, or refused. */
  filesAsked = 0;
  /** The kernel walks it by tables, since when. */
  isKnown = false;
  knownAtNs = 0n;
  isRemoved = false;
  /** Some of it is unwound by frame pointers because its table cannot be had for the moment. */
  hasFallback = false;
  /** It had no room in a map. */
  hasFailed = false;
  loading: Promise<void> | undefined;
  wantedAtNs: bigint;
  /** When it may have another try. */
  retryAtNs = 0n;
  #retryMs = RETRY_MS;

  /** @param owner  its number in the kernel, which no other program ever has */
  constructor(image: ProcessImage, owner: number, nowNs: bigint) {
    this.image = image;
    this.owner = owner;
    this.wantedAtNs = nowNs;
  }

  /**
   * One process with many files is not served before all others: each file that it gets counts.
   * One that has ended is served last.
   */
  get demand(): number {
    if (this.isGone) return 0;
    return this.wants / (1 + this.filesAsked);
  }

  /** Its program has ended, or nobody wants it any more. */
  get isGone(): boolean {
    return this.isRemoved || this.image.program.exitNs !== undefined;
  }

  /** What of its mappings is in the kernel. */
  get ranges(): ReadonlyMap<ProcessMapping, KnownRange> {
    return this.#ranges;
  }

  /** Kernel memory of its tables, those that it shares with others among them. */
  get tableBytes(): number {
    const tables = new Map<number, number>();
    for (const { table } of this.#ranges.values()) {
      if (table !== undefined) tables.set(table.slot, table.bytes);
    }
    return tables.values().reduce((sum, bytes) => sum + bytes, 0);
  }

  /** @param sums  follow the change */
  setRange(mapping: ProcessMapping, next: KnownRange | undefined, sums: RangeSums): void {
    const before = this.#ranges.get(mapping);
    sums.all += Number(next !== undefined) - Number(before !== undefined);
    sums.withoutTable += Number(lacksTable(next)) - Number(lacksTable(before));
    if (next === undefined) this.#ranges.delete(mapping);
    else this.#ranges.set(mapping, next);
  }

  get isPlaced(): boolean {
    return this.placedVersion >= 0;
  }

  /** It is unwound only as well as can be for the moment. */
  get wantsRetry(): boolean {
    return this.hasFailed || this.hasFallback || !this.isKnown;
  }

  retryLater(nowNs: bigint): void {
    this.retryAtNs = nowNs + BigInt(this.#retryMs) * 1_000_000n;
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS_MAX);
  }

  /** After a success: the next failure is the first again. */
  retrySoon(): void {
    this.#retryMs = RETRY_MS;
  }

  /** It has mapped something, or may have another try. */
  isDue(nowNs: bigint): boolean {
    const hasNews = this.version !== this.image.mappings.version;
    return (hasNews && !this.hasFailed) || (this.wantsRetry && nowNs >= this.retryAtNs);
  }
}

function lacksTable(range: KnownRange | undefined): boolean {
  return range !== undefined && range.table === undefined;
}
