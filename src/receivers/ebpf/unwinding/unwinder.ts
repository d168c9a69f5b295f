import type { ProcessMapping } from "../../../linux/process-mapping.ts";
import type { Clock } from "../../../support/clock.ts";
import type { Logger } from "../../../support/logger.ts";
import { fileAddress } from "../../../symbols/elf/file-address.ts";
import { type ExecutableInfo, isMissing, type Missing } from "../../../symbols/executable-file.ts";
import type { ExecutableRegistry } from "../../../symbols/executables.ts";
import { hostOpenerOf, openerOf } from "../executable-opener.ts";
import type { ProcessImage } from "../process-image.ts";
import { hasFile, loadableMappings } from "./loadable-mappings.ts";
import type { StoredTable, TableStore } from "./table-store.ts";
import { Turns } from "./turns.ts";
import {
  BY_FRAME_POINTERS,
  BY_GUESS,
  KNOWN_PROCESSES_MAX,
  type RangeKeys,
  type RangeRules,
  type UnwindMaps,
} from "./unwind-maps.ts";
import type { UnwinderCounters } from "./unwinder-counters.ts";
import { type RangeSums, UnwoundProcess } from "./unwound-process.ts";

/** A process that was not sampled for so long gives its tables back. */
const IDLE_MS = 600_000;
/** How long the kernel may take to show that it knows a process: longer than between drains. */
const KNOW_AGAIN_MS = 1000;
/** How often idle processes and unused tables are looked for. */
const EXPIRE_INTERVAL_MS = 5000;
export interface UnwinderOptions {
  readonly maps: UnwindMaps;
  readonly store: TableStore;
  readonly executables: ExecutableRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly idleMs?: number;
}

/**
 * Keeps in the kernel how to unwind each process that is sampled: which of its addresses belong
 * to which table. A process is loaded when it is wanted, followed as it maps more, and taken out
 * when it ends, runs another program or is not sampled for long.
 */
export class Unwinder {
  readonly #options: UnwinderOptions;
  readonly #byPid = new Map<number, UnwoundProcess>();
  readonly #turns: Turns;
  /** Kept as sums, because a metric is read once for each of its series. */
  #known = 0;
  readonly #ranges: RangeSums = { all: 0, withoutTable: 0 };
  /** 0 is nobody. 32 bits last for a thousand programs a second and fifty days. */
  #nextOwner = 1;
  #refused = 0;
  #refusedMappings = 0;
  #expiredAtNs = 0n;
  #expiring: Promise<void> | undefined;
  #hasEnded = false;

  constructor(options: UnwinderOptions) {
    this.#options = options;
    this.#turns = new Turns(options.clock);
  }

  get counters(): UnwinderCounters {
    return {
      ...this.#options.store.counters,
      processes: this.#known,
      mappings: this.#ranges.all,
      framePointerMappings: this.#ranges.withoutTable,
      refusedProcesses: this.#refused,
      refusedMappings: this.#refusedMappings,
    };
  }

  /** True while something is being loaded. */
  get isLoading(): boolean {
    return this.#byPid.values().some(({ loading }) => loading !== undefined);
  }

  /**
   * A process was sampled: loads it if it is new. Costs nothing for one that is known.
   *
   * @param wasUnknown  the kernel did not know it in this sample
   */
  want(image: ProcessImage, wasUnknown = false): void {
    if (this.#hasEnded || image.isKernelThread || !image.isComplete || image.exitNs !== undefined)
      return;
    const known = this.#byPid.get(image.pid);
    if (known?.image.program === image.program) {
      known.image = image;
      known.wants++;
      known.wantedAtNs = this.#nowNs();
      if (wasUnknown && known.isKnown) this.#knowAgain(known);
      return;
    }
    if (known !== undefined) this.#remove(known);
    if (this.#byPid.size >= KNOWN_PROCESSES_MAX) {
      this.#refused++;
      return;
    }
    const process = new UnwoundProcess(image, this.#nextOwner++, this.#nowNs());
    this.#byPid.set(image.pid, process);
    this.#load(process);
  }

  /** Has the table of a program at hand that is about to run. Never rejects. */
  async preload(path: string): Promise<void> {
    const { executables, store } = this.#options;
    const file = { path, buildId: "" };
    executables.meet(file, hostOpenerOf(path));
    const identified = await executables.identified(file);
    if (isMissing(identified)) return;
    const table = await store.acquire(identified.file, () => 1);
    // Nobody has it mapped yet: it stays for as long as an unused one does.
    if (!isMissing(table)) store.release(table);
  }

  /**
   * Takes in what the processes have mapped since the last time, and which have ended.
   *
   * @param runningIn  the program that runs in a process now, which may be another one
   */
  follow(runningIn: (pid: number) => ProcessImage | undefined): void {
    const nowNs = this.#nowNs();
    for (const process of this.#byPid.values()) {
      const { image } = process;
      const next = image.exitNs === undefined ? image : runningIn(image.pid);
      if (next?.exitNs === undefined && next?.program === image.program) process.image = next;
      if (process.image.exitNs !== undefined) {
        this.#remove(process);
        if (next !== undefined) this.want(next);
      } else if (process.isDue(nowNs)) this.#load(process);
    }
    if (nowNs - this.#expiredAtNs < BigInt(EXPIRE_INTERVAL_MS) * 1_000_000n) return;
    this.#expiredAtNs = nowNs;
    const { idleMs = IDLE_MS } = this.#options;
    for (const process of this.#byPid.values()) {
      if (nowNs - process.wantedAtNs > BigInt(idleMs) * 1_000_000n) this.#remove(process);
    }
    this.#expiring = this.#options.store.expire();
  }

  /** Gives up what is not loaded yet. When it resolves, nobody writes into the maps any more. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    await this.#options.store.cancel();
    await Promise.all([this.settled(), this.#expiring]);
  }

  /** Resolves when everything that was wanted is loaded. Never rejects. */
  async settled(): Promise<void> {
    while (this.isLoading) {
      await Promise.all([...this.#byPid.values()].map(({ loading }) => loading));
    }
    await this.#turns.settled();
  }

  #load(process: UnwoundProcess): void {
    if (process.loading !== undefined) {
      this.#followWhileLoading(process);
      return;
    }
    process.loading = this.#turns
      .start(() => this.#loadNow(process))
      .catch(() => this.#refuse(process))
      .finally(() => {
        process.loading = undefined;
      });
  }

  /** All that is mapped is known at once, as a guess; each table takes its place as it comes. */
  async #loadNow(process: UnwoundProcess): Promise<void> {
    if (process.isRemoved || this.#hasEnded) return;
    const { version } = process.image.mappings;
    const mappings = this.#mappingsOf(process);
    // What is new is taken at once; what was refused before, not each time that something is new.
    const isRetry = this.#nowNs() >= process.retryAtNs;
    const missing = mappings.filter((mapping) => {
      const range = process.ranges.get(mapping);
      const isNew = range === undefined || process.unasked.has(mapping);
      return isNew || (isRetry && !range.isFinal);
    });
    this.#placeAll(process, mappings);
    process.unasked.clear();
    process.version = version;
    const files = Map.groupBy(missing.filter(hasFile), fileIdOf).values();
    await allEnded(files.map((parts) => this.#turns.start(() => this.#loadFile(process, parts))));
    process.hasFailed = false;
    process.hasFallback = process.ranges.values().some(({ isFinal }) => !isFinal);
    if (!process.wantsRetry) process.retrySoon();
    else if (isRetry) process.retryLater(this.#nowNs());
  }

  /** What was unmapped is not unwound by what was there before, however long a table takes. */
  #followWhileLoading(process: UnwoundProcess): void {
    // What waits for its turn is placed then.
    if (!process.isPlaced || process.placedVersion === process.image.mappings.version) return;
    const mappings = this.#mappingsOf(process);
    for (const mapping of mappings) {
      if (!process.ranges.has(mapping)) process.unasked.add(mapping);
    }
    try {
      this.#placeAll(process, mappings);
    } catch {
      this.#refuse(process);
    }
  }

  /** @throws CollectorError  a map is full; the process stays as it was */
  #placeAll(process: UnwoundProcess, mappings: readonly ProcessMapping[]): void {
    process.placedVersion = process.image.mappings.version;
    const present = new Set(mappings);
    this.#removeRanges(process, (mapping) => !present.has(mapping));
    this.#placeFirst(
      process,
      mappings.filter((mapping) => !process.ranges.has(mapping)),
    );
  }

  /** A map is full. */
  #refuse(process: UnwoundProcess): void {
    if (process.isGone) return;
    process.hasFailed = true;
    this.#refusedMappings += process.image.mappings.all().length - process.ranges.size;
    process.retryLater(this.#nowNs());
  }

  #mappingsOf({ image }: UnwoundProcess): readonly ProcessMapping[] {
    const { kept, refused } = loadableMappings(image.mappings.all());
    this.#refusedMappings += refused;
    return kept;
  }

  #placeFirst(process: UnwoundProcess, mappings: readonly ProcessMapping[]): void {
    const anonymous = mappings.filter((mapping) => !hasFile(mapping));
    const files = mappings.filter(hasFile);
    this.#place(process, anonymous, () => ({ rules: BY_FRAME_POINTERS, isFinal: true }));
    this.#place(process, files, () => ({ rules: BY_GUESS, isFinal: false }));
    if (process.isKnown) return;
    process.isKnown = this.#options.maps.know(process.image.pid, process.owner);
    if (!process.isKnown) this.#refused++;
    else {
      process.knownAtNs = this.#nowNs();
      this.#known++;
    }
  }

  /** The parts of one file that a process has mapped. */
  async #loadFile(process: UnwoundProcess, parts: readonly ProcessMapping[]): Promise<void> {
    const found = await this.#tableOf(process, parts[0] as ProcessMapping);
    if ("missing" in found) {
      this.#options.logger.debug("unwound by frame pointers", {
        file: parts[0]?.path ?? "",
        reason: found.missing,
      });
      return;
    }
    await this.#turns.start(async () => this.#placeTable(process, parts, found));
  }

  #placeTable(
    process: UnwoundProcess,
    parts: readonly ProcessMapping[],
    { table, info }: FoundTable,
  ): void {
    const { store } = this.#options;
    // What was unmapped meanwhile is gone.
    const isLeft = (part: ProcessMapping): boolean => process.ranges.get(part)?.isFinal === false;
    const left = process.isGone || this.#hasEnded ? [] : parts.filter(isLeft);
    try {
      this.#place(process, left, (part) => {
        const address = fileAddress(info.segments, part, part.start);
        if (address === undefined) return { rules: BY_GUESS, isFinal: true, table };
        const tableStart = part.start - address + BigInt(table.base);
        const { slot, pageCount } = table;
        return { rules: { slot, pageCount, tableStart }, isFinal: true, table };
      });
      for (const _ of left) store.share(table);
    } finally {
      store.release(table);
    }
  }

  async #tableOf(process: UnwoundProcess, mapping: ProcessMapping): Promise<FoundTable | Missing> {
    const { executables, store } = this.#options;
    executables.meet(mapping, openerOf(process.image, mapping));
    const identified = await executables.identified(mapping);
    if (isMissing(identified)) return identified;
    if (process.isGone) return { missing: "its process has ended" };
    const table = await store.acquire(
      identified.file,
      () => process.demand,
      () => process.tableBytes,
    );
    process.filesAsked++;
    return isMissing(table) ? table : { table, info: identified.info };
  }

  /** @throws CollectorError  the map is full; then none of the mappings is in it */
  #place(
    process: UnwoundProcess,
    mappings: readonly ProcessMapping[],
    placeOf: (mapping: ProcessMapping) => Place,
  ): void {
    const places = mappings.map(placeOf);
    const ranges = mappings.map(({ start, end }, index) => {
      const { rules } = places[index] as Place;
      return { start: Number(start), end: Number(end), ...rules };
    });
    let keys: RangeKeys[];
    try {
      keys = this.#options.maps.addRanges(process.owner, ranges);
    } catch (error) {
      for (const mapping of mappings) process.setRange(mapping, undefined, this.#ranges);
      throw error;
    }
    for (const [index, mapping] of mappings.entries()) {
      const { table, isFinal } = places[index] as Place;
      const range = { keys: keys[index] as RangeKeys, table, isFinal };
      process.setRange(mapping, range, this.#ranges);
    }
  }

  #remove(process: UnwoundProcess): void {
    process.isRemoved = true;
    this.#byPid.delete(process.image.pid);
    if (process.isKnown) {
      this.#options.maps.forget(process.image.pid);
      this.#known--;
    }
    // Its owner is nobody else's, so what is in the trie does no harm until then.
    this.#turns.run(() => this.#removeRanges(process, () => true));
  }

  /** The kernel forgets a process that runs another program: of that the record may be lost. */
  #knowAgain(process: UnwoundProcess): void {
    const nowNs = this.#nowNs();
    // What was sampled before it was known is over by then.
    if (nowNs - process.knownAtNs < BigInt(KNOW_AGAIN_MS) * 1_000_000n) return;
    process.knownAtNs = nowNs;
    this.#options.maps.know(process.image.pid, process.owner);
  }

  #removeRanges(process: UnwoundProcess, isGone: (mapping: ProcessMapping) => boolean): void {
    const gone = [...process.ranges].filter(([mapping]) => isGone(mapping));
    this.#options.maps.removeRanges(gone.map(([, { keys }]) => keys));
    for (const [mapping, { table }] of gone) {
      process.setRange(mapping, undefined, this.#ranges);
      this.#release(table);
    }
  }

  #release(table: StoredTable | undefined): void {
    if (table !== undefined) this.#options.store.release(table);
  }

  #nowNs(): bigint {
    return this.#options.clock.monotonicNanos();
  }
}

interface FoundTable {
  readonly table: StoredTable;
  readonly info: ExecutableInfo;
}

interface Place {
  readonly rules: RangeRules;
  /** Whose rules they are. */
  readonly table?: StoredTable;
  /** False when a table may be had at another time. */
  readonly isFinal: boolean;
}

/** Rejects with the first failure, but not before all have ended. */
async function allEnded(works: Iterable<Promise<void>>): Promise<void> {
  for (const result of await Promise.allSettled(works)) {
    if (result.status === "rejected") throw result.reason;
  }
}

function fileIdOf({ path, buildId, device, inode }: ProcessMapping): string {
  return `${device.major}:${device.minor}:${inode} ${buildId} ${path}`;
}
