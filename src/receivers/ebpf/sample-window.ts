import { Float64Column, Int32Column } from "../../profiles/columns.ts";
import { ListTable } from "../../profiles/list-table.ts";
import { mixHash, RowIndex } from "../../profiles/row-index.ts";
import type { RawSample } from "./on-cpu-sampler.ts";
import type { ProcessImage } from "./process-image.ts";
import type { StackResult } from "./sample-record.ts";

/** What one window holds before it goes out early. */
export interface WindowLimits {
  readonly rows: number;
  /** Different raw frames, of the user's stacks and of the kernel's each. */
  readonly frames: number;
  /** Timestamps, when they are kept. */
  readonly times: number;
}

/** Some 40 MB of each kind: what a busy host of 64 CPUs gives in a minute. */
export const WINDOW_LIMITS: WindowLimits = { rows: 1 << 18, frames: 1 << 22, times: 1 << 20 };

/** Samples of equal identity, counted: one row of a window. */
export interface WindowRow {
  readonly image: ProcessImage;
  readonly threadId: number;
  readonly threadName: string;
  /** The process's name in the row's first sample, for a program of which nothing else is known. */
  readonly processName: string;
  readonly cpu: number;
  /** Rows of the window's tables of raw stacks. */
  readonly userStack: number;
  readonly kernelStack: number;
  readonly result: StackResult;
}

/** A sample that waits for its process to be known. */
export interface PendingSample {
  readonly timeNs: bigint;
  readonly pid: number;
  readonly threadId: number;
  readonly threadName: string;
  readonly processName: string;
  readonly cpu: number;
  readonly userStack: number;
  readonly kernelStack: number;
  readonly result: StackResult;
  readonly value: number;
}

/**
 * The samples of one reporting window. They come in two steps, because what the kernel says
 * of processes arrives on another channel: `add` keeps a sample as it was taken, and `settle`,
 * called after the side-band was read past it, gives it to the program that ran then.
 *
 * Equal samples (same program, thread, CPU and stack) are one row with a count, so the window
 * grows with the number of different stacks.
 */
export class SampleWindow {
  /** Raw frames, leaf first: two 32-bit halves a frame, low half first. */
  readonly userStacks: ListTable = new ListTable();
  readonly kernelStacks: ListTable = new ListTable();
  readonly rows: WindowRow[] = [];
  /** The samples of each row. */
  readonly values: Float64Column = new Float64Column();
  /** For every sample, when timestamps are kept: its row, and its time. */
  readonly timedRows: Int32Column = new Int32Column();
  readonly times: bigint[] = [];
  readonly #limits: WindowLimits;
  readonly #keepTimes: boolean;
  readonly #periodNs: number;
  readonly #index = new RowIndex();
  /** Samples are decoded into the same memory over and over: one view of each is enough. */
  readonly #halvesOf = new WeakMap<Uint32Array, Int32Array>();
  readonly #imageIds = new Map<ProcessImage, number>();
  #pending: PendingSample[] = [];

  /** @param options.periodNs  CPU time of one sample, by which values are counted */
  constructor(options: { keepTimes: boolean; periodNs: number; limits?: WindowLimits }) {
    this.#limits = options.limits ?? WINDOW_LIMITS;
    this.#keepTimes = options.keepTimes;
    this.#periodNs = options.periodNs;
  }

  get isEmpty(): boolean {
    return this.rows.length === 0 && this.#pending.length === 0;
  }

  /**
   * True when it should go out before its time, to bound its memory. What is in the ring by then
   * still has room: it is small beside the limits.
   */
  get isFull(): boolean {
    const limits = this.#limits;
    return (
      this.rows.length >= limits.rows ||
      this.times.length >= limits.times ||
      Math.max(this.userStacks.items.length, this.kernelStacks.items.length) >= 2 * limits.frames
    );
  }

  /** The sum of all samples: as many as were added and settled. */
  get total(): number {
    let total = 0;
    for (let row = 0; row < this.rows.length; row++) total += this.values.at(row);
    return total;
  }

  /**
   * From the start to the end of the window, wide enough for the times that it keeps: a sample
   * taken while the ring is read for the end of one window may go into this one or the next.
   */
  span(startNs: bigint, endNs: bigint): { readonly startNs: bigint; readonly endNs: bigint } {
    let [first, last] = [startNs, endNs];
    for (const time of this.times) {
      if (time < first) first = time;
      if (time >= last) last = time + 1n;
    }
    return { startNs: first, endNs: last };
  }

  /** Takes what it needs of a sample, whose memory is reused after the call. */
  add(sample: RawSample): void {
    this.#pending.push({
      timeNs: sample.timeNs,
      pid: sample.pid,
      threadId: sample.tid,
      threadName: sample.threadName,
      processName: sample.processName,
      cpu: sample.cpu,
      userStack: this.userStacks.intern(this.#halves(sample.user), 2 * sample.userCount),
      kernelStack: this.kernelStacks.intern(this.#halves(sample.kernel), 2 * sample.kernelCount),
      result: sample.result,
      value: sample.value,
    });
  }

  /**
   * Gives each sample that waits to the program that `imageOf` names. Returns the rows that
   * are new since the last call, so that their files can be opened while they still run.
   */
  settle(imageOf: (sample: PendingSample) => ProcessImage): readonly WindowRow[] {
    const firstNew = this.rows.length;
    const pending = this.#pending;
    this.#pending = [];
    for (const sample of pending) this.#count(sample, imageOf(sample));
    return this.rows.slice(firstNew);
  }

  /** The frames as the signed halves that a ListTable holds. */
  #halves(frames: Uint32Array): Int32Array {
    let halves = this.#halvesOf.get(frames);
    if (halves === undefined) {
      halves = new Int32Array(frames.buffer, frames.byteOffset, frames.length);
      this.#halvesOf.set(frames, halves);
    }
    return halves;
  }

  #count(sample: PendingSample, image: ProcessImage): void {
    const row = this.#rowOf(sample, image);
    const ticks = Math.round(sample.value / this.#periodNs);
    this.values.data[row] = this.values.at(row) + ticks;
    if (!this.#keepTimes) return;
    this.timedRows.push(row);
    this.times.push(sample.timeNs);
  }

  #rowOf(sample: PendingSample, image: ProcessImage): number {
    let hash = mixHash(this.#imageId(image), sample.threadId);
    hash = mixHash(mixHash(hash, sample.cpu), sample.userStack);
    hash = mixHash(mixHash(hash, sample.kernelStack), sample.result);
    const found = this.#index.find(hash, (row) =>
      isSame(this.rows[row] as WindowRow, sample, image),
    );
    if (found >= 0) return found;
    const row = this.rows.push(rowFrom(sample, image)) - 1;
    this.values.push(0);
    this.#index.add(hash, row);
    return row;
  }

  #imageId(image: ProcessImage): number {
    const known = this.#imageIds.get(image);
    if (known !== undefined) return known;
    const id = this.#imageIds.size;
    this.#imageIds.set(image, id);
    return id;
  }
}

function isSame(row: WindowRow, sample: PendingSample, image: ProcessImage): boolean {
  return (
    row.image === image &&
    row.threadId === sample.threadId &&
    row.cpu === sample.cpu &&
    row.userStack === sample.userStack &&
    row.kernelStack === sample.kernelStack &&
    row.result === sample.result &&
    row.threadName === sample.threadName
  );
}

function rowFrom(sample: PendingSample, image: ProcessImage): WindowRow {
  const { threadId, threadName, processName, cpu, userStack, kernelStack, result } = sample;
  return { image, threadId, threadName, processName, cpu, userStack, kernelStack, result };
}
