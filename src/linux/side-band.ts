import { closeSync } from "node:fs";
import { CollectorError, isCollectorError } from "../support/errors.ts";
import { errnoCode, errnoText } from "./errno.ts";
import { forgetMemory, memoryAt } from "./ffi.ts";
import { mmapShared, munmap, PROT_READ, PROT_WRITE, pageSize, perfEventOpen } from "./libc.ts";
import { PerfRing } from "./perf-ring.ts";
import { readSideBandRecord, type SideBandRecord } from "./side-band-records.ts";

/**
 * Data of the ring of one CPU. A process that is started and ends writes about 1 KiB, so this
 * holds a second of 500 on one CPU.
 */
const RING_BYTES_MAX = 512 * 1024;
const RING_BYTES_MIN = 64 * 1024;
/** Of all CPUs together, as long as each has its minimum: the kernel keeps rings in memory. */
const RINGS_BYTES_MAX = 16 * 1024 * 1024;

/** What is told of the side-band when it cannot be opened. */
const PURPOSE = "watching which processes run and what they map (perf_event_open)";

/** The records of every process of the host, from every online CPU, in the order of their times. */
export class SideBand implements Disposable {
  readonly #rings = new Map<number, CpuRing>();
  readonly #ringBytes: number;
  /** Records that are younger than the last drain's moment, so that none overtakes another. */
  #later: SideBandRecord[] = [];
  /** Rings whose contents could not be read, or CPUs whose ring could not be opened. */
  #gaps = 0;

  private constructor(cpuCount: number) {
    this.#ringBytes = ringBytesFor(cpuCount);
  }

  /**
   * Records come from here on.
   *
   * @throws CollectorError PERMISSION or UNSUPPORTED  the kernel refuses; the message says what
   */
  static open(cpus: readonly number[]): SideBand {
    const sideBand = new SideBand(cpus.length);
    try {
      for (const cpu of cpus) sideBand.#openCpu(cpu);
      return sideBand;
    } catch (error) {
      sideBand[Symbol.dispose]();
      throw error;
    }
  }

  /** Of all rings together. */
  get byteLength(): number {
    let bytes = 0;
    for (const ring of this.#rings.values()) bytes += ring.byteLength;
    return bytes;
  }

  /** CPUs that are listened to. */
  get cpus(): number[] {
    return [...this.#rings.keys()];
  }

  /**
   * Listens to the CPUs that came online and gives back the rings of those that went. What such
   * a CPU did in between is missing, which the next drain reports as lost.
   */
  follow(online: readonly number[]): void {
    for (const cpu of this.#rings.keys()) {
      if (!online.includes(cpu)) this.#closeCpu(cpu);
    }
    for (const cpu of online) {
      if (this.#rings.has(cpu)) continue;
      try {
        this.#openCpu(cpu);
      } catch {
        // It went again; the next call sees what is true then. Its records are a gap.
      }
      this.#gaps++;
    }
  }

  /**
   * The records up to now. Never blocks; the work is bounded by the size of the rings.
   *
   * @param nowNs  CLOCK_MONOTONIC, read just before the call: younger records wait for the next
   *   drain, when all that is older than them is known to have been written
   */
  drain(nowNs: bigint): SideBandRecord[] {
    const records = this.#later;
    for (const ring of this.#rings.values()) {
      if (!ring.drainTo(records)) this.#gaps++;
    }
    records.sort(byTime);
    const cut = records.findLastIndex((record) => record.timeNs <= nowNs) + 1;
    this.#later = records.splice(cut);
    if (this.#gaps > 0) records.push({ kind: "lost", timeNs: nowNs, cpu: 0, count: this.#gaps });
    this.#gaps = 0;
    return records;
  }

  #openCpu(cpu: number): void {
    this.#rings.set(cpu, CpuRing.open(cpu, this.#ringBytes));
  }

  #closeCpu(cpu: number): void {
    const ring = this.#rings.get(cpu);
    ring?.drainTo(this.#later);
    ring?.[Symbol.dispose]();
    this.#rings.delete(cpu);
  }

  [Symbol.dispose](): void {
    for (const ring of this.#rings.values()) ring[Symbol.dispose]();
    this.#rings.clear();
    this.#later = [];
  }
}

function byTime(a: SideBandRecord, b: SideBandRecord): number {
  if (a.timeNs < b.timeNs) return -1;
  return a.timeNs > b.timeNs ? 1 : 0;
}

function ringBytesFor(cpuCount: number): number {
  let bytes = RING_BYTES_MAX;
  while (bytes > RING_BYTES_MIN && bytes * cpuCount > RINGS_BYTES_MAX) bytes /= 2;
  return bytes;
}

/** One CPU's event and the mapping of its ring. */
class CpuRing implements Disposable {
  readonly #fd: number;
  readonly #address: number;
  readonly byteLength: number;
  readonly #memory: Uint8Array<ArrayBuffer>;
  readonly #ring: PerfRing;
  #isOpen = true;

  private constructor(fd: number, address: number, byteLength: number) {
    this.#fd = fd;
    this.#address = address;
    this.byteLength = byteLength;
    this.#memory = memoryAt(address, byteLength);
    this.#ring = new PerfRing(this.#memory, pageSize());
  }

  static open(cpu: number, ringBytes: number): CpuRing {
    const fd = openEvent(cpu);
    const pageBytes = pageSize();
    let result = 0;
    // Without CAP_IPC_LOCK the kernel bounds what may be locked, so a smaller ring may do.
    for (let bytes = ringBytes; bytes >= pageBytes; bytes /= 2) {
      result = mmapShared(fd, pageBytes + bytes, PROT_READ | PROT_WRITE);
      if (result >= 0) return new CpuRing(fd, result, pageBytes + bytes);
    }
    closeSync(fd);
    throw new CollectorError(errnoCode(result), `${PURPOSE}: ring memory: ${errnoText(result)}`);
  }

  /** Appends every record. False when some could not be read. */
  drainTo(records: SideBandRecord[]): boolean {
    let isWhole = true;
    const isRingWhole = this.#ring.drain((bytes) => {
      try {
        const record = readSideBandRecord(bytes);
        if (record !== undefined) records.push(record);
      } catch (error) {
        if (!isCollectorError(error, "INPUT_MALFORMED")) throw error;
        isWhole = false;
      }
    });
    return isWhole && isRingWhole;
  }

  /** Not to be drained after it. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    forgetMemory(this.#memory.buffer);
    munmap(this.#address, this.byteLength);
    closeSync(this.#fd);
  }
}

const PERF_TYPE_SOFTWARE = 1n;
const PERF_COUNT_SW_DUMMY = 9n;
const SAMPLE_TIME_AND_CPU = (1n << 2n) | (1n << 7n);
const CLOCK_MONOTONIC = 1;

/** Bits of struct perf_event_attr after read_format. */
const FLAG_MMAP = 1n << 8n;
const FLAG_COMM = 1n << 9n;
const FLAG_TASK = 1n << 13n;
const FLAG_SAMPLE_ID_ALL = 1n << 18n;
const FLAG_MMAP2 = 1n << 23n;
const FLAG_COMM_EXEC = 1n << 24n;
const FLAG_USE_CLOCKID = 1n << 25n;
const FLAG_BUILD_ID = 1n << 34n;
const FLAGS =
  FLAG_MMAP |
  FLAG_COMM |
  FLAG_TASK |
  FLAG_SAMPLE_ID_ALL |
  FLAG_MMAP2 |
  FLAG_COMM_EXEC |
  FLAG_USE_CLOCKID;

/** Build ids came with Linux 5.12; without them mappings have a device and an inode. */
function openEvent(cpu: number): number {
  const EVERY_PROCESS = -1;
  let fd = perfEventOpen(eventAttributes(FLAGS | FLAG_BUILD_ID), EVERY_PROCESS, cpu);
  if (fd < 0) fd = perfEventOpen(eventAttributes(FLAGS), EVERY_PROCESS, cpu);
  if (fd < 0) throw new CollectorError(errnoCode(fd), `${PURPOSE}: ${errnoText(fd)}`);
  return fd;
}

/** struct perf_event_attr, of an event that counts nothing and only carries the side-band. */
function eventAttributes(flags: bigint): Uint8Array {
  const ATTRIBUTE_BYTES = 136;
  const attributes = new Uint8Array(ATTRIBUTE_BYTES);
  const view = new DataView(attributes.buffer);
  view.setBigUint64(0, PERF_TYPE_SOFTWARE | (BigInt(ATTRIBUTE_BYTES) << 32n), true);
  view.setBigUint64(8, PERF_COUNT_SW_DUMMY, true);
  view.setBigUint64(24, SAMPLE_TIME_AND_CPU, true);
  view.setBigUint64(40, flags, true);
  view.setInt32(92, CLOCK_MONOTONIC, true);
  return attributes;
}
