import type { Clock } from "../../../support/clock.ts";
import { type ExecutableFile, isMissing, type Missing } from "../../../symbols/executable-file.ts";
import type { LoadedTable, TableTarget, TooLarge } from "../../../symbols/worker-protocol.ts";
import { FIRST_SLOT, TABLE_SLOTS } from "./unwind-maps.ts";

/** How long a table stays that no process uses: programs that run again and again keep theirs. */
export const UNUSED_KEPT_MS = 60_000;
/** How long a file that has no table is not tried again: it may have been only out of reach. */
const REFUSED_MS = 300_000;
/** Files that have no table, and why; beyond it the one seen first is tried again. */
const REFUSALS_MAX = 4096;
const ENDED: Missing = { missing: "unwinding has ended", kind: "given_up" };

/** What compiles tables and puts them into the kernel. */
export interface TableLoader {
  loadUnwindTable(
    file: ExecutableFile,
    target: TableTarget,
    demand: () => number,
  ): Promise<LoadedTable | TooLarge | Missing>;
  /** False when they may still be there. */
  dropUnwindTables(slots: number, dropped: readonly number[]): Promise<boolean>;
  /** Gives up all for these slots; then nothing is written into them any more. */
  cancelUnwindTables(slots: number): Promise<void>;
}

export interface TableStoreOptions {
  readonly loader: TableLoader;
  /** fd of the map of tables. */
  readonly slots: number;
  /** Kernel memory for all tables. */
  readonly bytesMax: number;
  /** Where compiled tables are kept from one start to the next. */
  readonly cacheFolder?: string | undefined;
  readonly clock: Clock;
  readonly unusedKeptMs?: number;
}

export interface TableCounters {
  /** Tables that are in the kernel, and their memory there. */
  readonly tables: number;
  readonly bytes: number;
  /** Files that have no table, by themselves or because they could not be read. */
  readonly withoutTable: number;
  /** Files whose table was left out because there was no room, each time. */
  readonly noRoom: number;
  /** Tables that were taken out to make room. */
  readonly evicted: number;
}

/** A table in use: give it back to `release`. */
export interface StoredTable extends LoadedTable {
  readonly slot: number;
}

/**
 * The unwind tables that are in the kernel, one a file, however many processes share it. Those
 * that nobody uses make room for others, the one least recently used first.
 */
export class TableStore {
  readonly #options: TableStoreOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #bySlot = new Map<number, Entry>();
  readonly #refusals = new Map<string, Refusal>();
  /** Bytes of tables that had no room: they are not compiled again before there is so much. */
  readonly #sizes = new Map<string, number>();
  readonly #freeSlots: number[] = [];
  /** What the kernel may still hold though it was to be dropped: that is tried again. */
  readonly #undropped: Entry[] = [];
  #nextSlot = FIRST_SLOT;
  #bytes = 0;
  #noRoom = 0;
  #evicted = 0;
  #hasEnded = false;

  constructor(options: TableStoreOptions) {
    this.#options = options;
  }

  get counters(): TableCounters {
    return {
      tables: this.#bySlot.size,
      bytes: this.#bytes,
      withoutTable: this.#refusals.size,
      noRoom: this.#noRoom,
      evicted: this.#evicted,
    };
  }

  /**
   * A file's table, which is loaded when it is not there. Never rejects.
   *
   * @param demand  how often whoever asks was sampled; of the tables that wait, the one with the
   *   largest sum is compiled first
   * @param heldBytes  of the tables that whoever asks has already: one program with very many
   *   files leaves half of the memory to others
   */
  async acquire(
    file: ExecutableFile,
    demand: () => number,
    heldBytes: () => number = () => 0,
  ): Promise<StoredTable | Missing> {
    const refusal = this.#refusals.get(file.key);
    if (refusal !== undefined && refusal.untilNs > this.#nowNs()) return refusal.reason;
    const isLoaded = this.#entries.get(file.key)?.slot !== undefined;
    if (!isLoaded && this.#isShort && heldBytes() > this.#shareBytes) return this.#refuseForRoom();
    const entry = this.#entries.getOrInsertComputed(file.key, () => new Entry(file.key));
    entry.users++;
    entry.demands.add(demand);
    entry.loading ??= this.#load(file, entry);
    const table = await entry.loading;
    entry.demands.delete(demand);
    if (isMissing(table)) this.#leave(entry);
    return table;
  }

  /** One more user of a table that is in use. */
  share({ slot }: StoredTable): void {
    const entry = this.#bySlot.get(slot);
    if (entry !== undefined) entry.users++;
  }

  release({ slot }: StoredTable): void {
    const entry = this.#bySlot.get(slot);
    if (entry !== undefined) this.#leave(entry);
  }

  /** Gives up what is not loaded yet. When it resolves, nothing is written into the map. */
  cancel(): Promise<void> {
    this.#hasEnded = true;
    const { loader, slots } = this.#options;
    return loader.cancelUnwindTables(slots);
  }

  /** Takes out what nobody has used for a while. */
  async expire(): Promise<void> {
    const { unusedKeptMs = UNUSED_KEPT_MS } = this.#options;
    const beforeNs = this.#nowNs() - BigInt(unusedKeptMs) * 1_000_000n;
    await this.#drop(this.#unused().filter(({ unusedSinceNs }) => unusedSinceNs <= beforeNs));
  }

  #leave(entry: Entry): void {
    entry.users--;
    entry.unusedSinceNs = this.#nowNs();
    if (entry.users === 0 && entry.slot === undefined) this.#entries.delete(entry.key);
  }

  async #load(file: ExecutableFile, entry: Entry): Promise<StoredTable | Missing> {
    const size = this.#sizes.get(file.key) ?? 0;
    if (!(await this.#makeRoom(size))) return this.#refuseForRoom();
    const slot = this.#takeSlot();
    if (slot === undefined) return this.#refuseForRoom();
    let loaded = await this.#ask(file, { entry, slot });
    if ("tooLarge" in loaded && (await this.#makeRoom(loaded.tooLarge))) {
      loaded = await this.#ask(file, { entry, slot });
    }
    if ("tooLarge" in loaded || isMissing(loaded)) {
      this.#freeSlots.push(slot);
      if (isMissing(loaded)) return this.#refuse(file.key, loaded);
      setBounded(this.#sizes, file.key, loaded.tooLarge);
      return this.#refuseForRoom();
    }
    entry.slot = slot;
    entry.bytes = loaded.bytes;
    this.#bytes += loaded.bytes;
    this.#bySlot.set(slot, entry);
    // Others were asked for at the same time, each as if it were the only one.
    if (this.#bytes > this.#options.bytesMax && !(await this.#makeRoom(0))) {
      await this.#drop([entry]);
      return this.#refuseForRoom();
    }
    return { ...loaded, slot };
  }

  async #ask(
    file: ExecutableFile,
    { entry, slot }: { readonly entry: Entry; readonly slot: number },
  ): Promise<LoadedTable | TooLarge | Missing> {
    if (this.#hasEnded) return ENDED;
    const { loader, slots, bytesMax, cacheFolder } = this.#options;
    const left = (): number => Math.max(0, bytesMax - this.#bytes);
    const target = {
      slots,
      slot,
      // It is read when the question is sent, before which others may have taken room.
      get bytesMax(): number {
        return left();
      },
      cacheFolder,
    };
    return loader.loadUnwindTable(file, target, () => entry.demand);
  }

  #refuse(key: string, reason: Missing): Missing {
    // Whoever gave it up knows for how long.
    if (reason.kind === "given_up") return reason;
    const untilNs = this.#nowNs() + BigInt(REFUSED_MS) * 1_000_000n;
    setBounded(this.#refusals, key, { reason, untilNs });
    return reason;
  }

  /** Not for long: the next process that has the file tries again. */
  #refuseForRoom(): Missing {
    this.#noRoom++;
    return { missing: "the memory for unwind tables is used up" };
  }

  /** False when there is not so much room, nor could be. */
  async #makeRoom(bytes: number): Promise<boolean> {
    const victims: Entry[] = [];
    let left = this.#options.bytesMax - this.#bytes;
    if (left >= bytes) return true;
    for (const entry of this.#unused()) {
      if (left >= bytes) break;
      left += entry.bytes;
      victims.push(entry);
    }
    if (left < bytes) return false;
    this.#evicted += victims.length;
    await this.#drop(victims);
    return true;
  }

  /** Tables without users, the one least recently used first. */
  #unused(): Entry[] {
    return [...this.#bySlot.values()]
      .filter(({ users }) => users === 0)
      .sort((a, b) => Number(a.unusedSinceNs - b.unusedSinceNs));
  }

  async #drop(entries: readonly Entry[]): Promise<void> {
    // From here on nobody gets them; their slots are free when the kernel has let go of them.
    for (const { key, slot } of entries) {
      this.#entries.delete(key);
      this.#bySlot.delete(slot as number);
    }
    const dropped = [...this.#undropped.splice(0), ...entries];
    if (dropped.length === 0 || this.#hasEnded) return;
    const { loader, slots } = this.#options;
    const droppedSlots = dropped.map(({ slot }) => slot as number);
    if (!(await loader.dropUnwindTables(slots, droppedSlots))) {
      this.#undropped.push(...dropped);
      return;
    }
    for (const { bytes } of dropped) this.#bytes -= bytes;
    this.#freeSlots.push(...droppedSlots);
  }

  /** What one program may have when others need room too. */
  get #shareBytes(): number {
    return this.#options.bytesMax / 2;
  }

  get #isShort(): boolean {
    return this.#bytes > this.#shareBytes;
  }

  #takeSlot(): number | undefined {
    const free = this.#freeSlots.pop();
    if (free !== undefined) return free;
    return this.#nextSlot < TABLE_SLOTS ? this.#nextSlot++ : undefined;
  }

  #nowNs(): bigint {
    return this.#options.clock.monotonicNanos();
  }
}

function setBounded<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= REFUSALS_MAX) break;
    map.delete(oldest);
  }
}

interface Refusal {
  readonly reason: Missing;
  readonly untilNs: bigint;
}

class Entry {
  readonly key: string;
  users = 0;
  /** Of those who wait for it. */
  readonly demands = new Set<() => number>();
  unusedSinceNs = 0n;
  /** Set while the table is in the kernel. */
  slot: number | undefined;
  bytes = 0;
  loading: Promise<StoredTable | Missing> | undefined;

  constructor(key: string) {
    this.key = key;
  }

  get demand(): number {
    return this.demands.values().reduce((sum, demand) => sum + demand(), 0);
  }
}
