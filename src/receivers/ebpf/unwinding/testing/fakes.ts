import type { BpfMap } from "../../../../linux/bpf.ts";
import type { ProcessMapping } from "../../../../linux/process-mapping.ts";
import type { Clock } from "../../../../support/clock.ts";
import { CollectorError } from "../../../../support/errors.ts";
import type { ExecutableFile, Missing } from "../../../../symbols/executable-file.ts";
import type { ExecutableRegistry, IdentifiedFile } from "../../../../symbols/executables.ts";
import type { LoadedTable, TableTarget, TooLarge } from "../../../../symbols/worker-protocol.ts";
import type { ImageOrigin, TrackedImage } from "../../process-image.ts";
import { imageWith, mappingAt } from "../../testing/fakes.ts";
import type { TableLoader } from "../table-store.ts";
import type { UnwindMapSet } from "../unwind-maps.ts";

export const PAGE_COUNT = 3;

/** A clock that stands still until it is told. */
export class FakeClock implements Clock {
  #nowNs = 1_000_000_000_000n;

  unixNanos(): bigint {
    return this.#nowNs;
  }

  monotonicNanos(): bigint {
    return this.#nowNs;
  }

  advance(ms: number): void {
    this.#nowNs += BigInt(ms) * 1_000_000n;
  }
}

interface Wait {
  readonly key: string;
  readonly demand: () => number;
  /** Undefined when it is given up. */
  readonly serve: (isCancelled: boolean) => void;
}

/** The worker and the kernel's tables: serves one question at a time, what is wanted most first. */
export class FakeLoader implements TableLoader {
  /** What files have, by key: bytes, or why nothing. */
  readonly files = new Map<string, number | Missing>();
  /** Slot → key of what is in the kernel. */
  readonly inKernel = new Map<number, string>();
  /** Keys of the files that were compiled, in order. */
  readonly compiled: string[] = [];
  /** Bytes that were in the kernel at once, at most. */
  bytesMost = 0;
  /** Serves nothing until it is told. */
  isHeld = false;
  /** Takes no table out. */
  dropsFail = false;
  readonly #waits: Wait[] = [];
  #isServing = false;

  get bytes(): number {
    return this.inKernel.values().reduce((sum, key) => sum + this.#bytesOf(key), 0);
  }

  get waiting(): number {
    return this.#waits.length;
  }

  loadUnwindTable(
    file: ExecutableFile,
    target: TableTarget,
    demand: () => number,
  ): Promise<LoadedTable | TooLarge | Missing> {
    const { key } = file;
    const { promise, resolve } = Promise.withResolvers<LoadedTable | TooLarge | Missing>();
    const serve = (isCancelled: boolean): void =>
      resolve(isCancelled ? { missing: "cancelled", kind: "given_up" } : this.#put(key, target));
    this.#push({ key, demand, serve });
    return promise;
  }

  dropUnwindTables(_slots: number, dropped: readonly number[]): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const serve = (): void => {
      if (this.dropsFail) {
        resolve(false);
        return;
      }
      for (const slot of dropped) this.inKernel.delete(slot);
      resolve(true);
    };
    this.#push({ key: "drop", demand: () => Number.POSITIVE_INFINITY, serve });
    return promise;
  }

  async cancelUnwindTables(): Promise<void> {
    for (const { serve } of this.#waits.splice(0)) serve(true);
  }

  /** Serves all that waits, and what comes of it. */
  async release(): Promise<void> {
    this.isHeld = false;
    await this.#serveAll();
  }

  #push(wait: Wait): void {
    this.#waits.push(wait);
    if (!this.isHeld) void this.#serveAll();
  }

  async #serveAll(): Promise<void> {
    if (this.#isServing) return;
    this.#isServing = true;
    // As from another thread: everybody has asked by then.
    await turn();
    while (this.#waits.length > 0) {
      const most = this.#waits.toSorted((a, b) => b.demand() - a.demand())[0] as Wait;
      this.#waits.splice(this.#waits.indexOf(most), 1);
      most.serve(false);
      await turn();
    }
    this.#isServing = false;
  }

  #put(key: string, { slot, bytesMax }: TableTarget): LoadedTable | TooLarge | Missing {
    const found = this.files.get(key) ?? { missing: "no such file" };
    this.compiled.push(key);
    if (typeof found === "object") return found;
    if (found > bytesMax) return { tooLarge: found };
    this.inKernel.set(slot, key);
    this.bytesMost = Math.max(this.bytesMost, this.bytes);
    return { base: 0, pageCount: PAGE_COUNT, bytes: found };
  }

  #bytesOf(key: string): number {
    const found = this.files.get(key);
    return typeof found === "number" ? found : 0;
  }
}

/** Resolves when everything that can go on without new events has gone on. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** A map of the kernel in memory. */
class FakeMap implements BpfMap {
  readonly name = "fake";
  readonly fd = 99;
  readonly entries = new Map<string, Uint8Array>();
  readonly #keyBytes: number;
  entriesMax: number;

  constructor(keyBytes: number, entriesMax: number) {
    this.#keyBytes = keyBytes;
    this.entriesMax = entriesMax;
  }

  lookup(key: Uint8Array, value: Uint8Array): boolean {
    const found = this.entries.get(key.toHex());
    if (found !== undefined) value.set(found);
    return found !== undefined;
  }

  update(key: Uint8Array, value: Uint8Array): void {
    // As in older kernels: a full trie takes not even another value for what is in it.
    if (this.entries.size >= this.entriesMax) throw new CollectorError("UNSUPPORTED", "full");
    this.entries.set(key.toHex(), value.slice());
  }

  delete(key: Uint8Array): boolean {
    return this.entries.delete(key.toHex());
  }

  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void {
    const valueBytes = values.byteLength / count;
    for (let index = 0; index < count; index++) {
      const value = values.subarray(index * valueBytes, (index + 1) * valueBytes);
      this.update(this.#keyAt(keys, index), value);
    }
  }

  deleteBatch(keys: Uint8Array, count: number): void {
    for (let index = 0; index < count; index++) this.delete(this.#keyAt(keys, index));
  }

  #keyAt(keys: Uint8Array, index: number): Uint8Array {
    return keys.subarray(index * this.#keyBytes, (index + 1) * this.#keyBytes);
  }
}

/** What the kernel would find for an address. */
export interface FoundRange {
  readonly start: number;
  readonly end: number;
  readonly slot: number;
  readonly pageCount: number;
  readonly tableStart: bigint;
}

/** The maps of the program in the kernel, and its look into them. */
export class FakeMapSet implements UnwindMapSet {
  readonly processes = new FakeMap(4, 100);
  readonly children = new FakeMap(4, 100);
  readonly mappings = new FakeMap(16, 100_000);
  readonly tables = new FakeMap(4, 100);

  knows(pid: number): boolean {
    return this.processes.lookup(new Uint8Array(Uint32Array.of(pid).buffer), new Uint8Array(4));
  }

  /** The range with the longest prefix of the address, as the kernel finds it. */
  find(pid: number, address: number): FoundRange | undefined {
    const owner = new Uint8Array(4);
    if (!this.processes.lookup(new Uint8Array(Uint32Array.of(pid).buffer), owner)) return undefined;
    for (let bits = 64; bits >= 0; bits--) {
      const key = new Uint8Array(16);
      const view = new DataView(key.buffer);
      view.setUint32(0, 32 + bits, true);
      view.setUint32(4, new DataView(owner.buffer).getUint32(0, true), false);
      const mask = bits === 0 ? 0n : (2n ** BigInt(bits) - 1n) << BigInt(64 - bits);
      view.setBigUint64(8, BigInt(address) & mask, false);
      const value = new Uint8Array(32);
      if (this.mappings.lookup(key, value)) return rangeOf(new DataView(value.buffer));
    }
    return undefined;
  }
}

function rangeOf(view: DataView): FoundRange {
  return {
    start: Number(view.getBigUint64(0, true)),
    end: Number(view.getBigUint64(8, true)),
    tableStart: view.getBigInt64(16, true),
    slot: view.getUint32(24, true),
    pageCount: view.getUint32(28, true),
  };
}

/** A program with these mappings; of process 100 when nothing else is said. */
export function programWith(
  mappings: readonly ProcessMapping[],
  more: Partial<ImageOrigin> = {},
): TrackedImage {
  return imageWith(mappings, more);
}

/** A mapping of 64 KiB; "" is memory without a file. */
export function mapped(start: number, path: string): ProcessMapping {
  return mappingAt(BigInt(start), { path });
}

/** A file by its key alone. */
export function fileNamed(key: string): ExecutableFile {
  return { key, buildId: "", open: () => ({ missing: "never opened" }) };
}

/** Files that are their paths, and lie in memory as in themselves. */
export class FakeRegistry {
  /** Set while files are not identified yet. */
  gate: Promise<void> | undefined;

  meet(): void {}

  async identified({ path }: ProcessMapping): Promise<IdentifiedFile | Missing> {
    await this.gate;
    const size = 2n ** 40n;
    const segments = [
      { address: 0n, fileOffset: 0n, fileSize: size, memorySize: size, executable: true },
    ];
    return { file: fileNamed(path), info: { buildId: "", goBuildId: "", htlhash: "", segments } };
  }

  get registry(): ExecutableRegistry {
    return this as unknown as ExecutableRegistry;
  }
}
