import type { Worker } from "node:worker_threads";
import { systemClock } from "../support/clock.ts";

/** A thread that does not even say what it took is in a read that does not return. */
const SILENT_FACTOR = 5;
/** On the busiest machine a thread gets a twentieth of a CPU. */
const WALL_FACTOR = 20;

/**
 * Calls back when a worker has taken too much CPU time for one question: between once and twice
 * `limitMs`, because its time is looked at only when that long has passed. The clock on the wall
 * would blame a file for a busy machine.
 */
export class CpuDeadline implements Disposable {
  readonly #worker: Worker;
  readonly #limitMs: number;
  readonly #onExceeded: (reason: string) => void;
  readonly #startNs = systemClock.monotonicNanos();
  /** Milliseconds of CPU time at the first look. */
  #usedAtFirst: number | undefined;
  #timer: NodeJS.Timeout;
  #hasEnded = false;

  constructor(worker: Worker, limitMs: number, onExceeded: (reason: string) => void) {
    this.#worker = worker;
    this.#limitMs = limitMs;
    this.#onExceeded = onExceeded;
    this.#timer = setTimeout(() => void this.#look(), limitMs);
  }

  async #look(): Promise<void> {
    const usedMs = await this.#usedMs();
    if (this.#hasEnded) return;
    const wallMs = Number(systemClock.monotonicNanos() - this.#startNs) / 1e6;
    if (usedMs === undefined || wallMs > WALL_FACTOR * this.#limitMs) {
      this.#exceeded(`did not end in ${Math.round(wallMs)} ms`);
      return;
    }
    this.#usedAtFirst ??= usedMs;
    const leftMs = this.#limitMs - (usedMs - this.#usedAtFirst);
    if (leftMs <= 0) this.#exceeded(`took over ${this.#limitMs} ms`);
    else this.#timer = setTimeout(() => void this.#look(), leftMs);
  }

  /** Undefined when the worker does not answer. */
  async #usedMs(): Promise<number | undefined> {
    const { promise: silence, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), SILENT_FACTOR * this.#limitMs);
    // One that has ended meanwhile has no times; whoever ended it does not wait for this.
    const usage = this.#worker.cpuUsage().catch(() => undefined);
    const used = await Promise.race([usage, silence]);
    clearTimeout(timer);
    return used === undefined ? undefined : (used.user + used.system) / 1000;
  }

  #exceeded(reason: string): void {
    // When this thread was busy, the answer may be there already: it comes before this.
    setImmediate(() => {
      if (!this.#hasEnded) this.#onExceeded(reason);
    });
  }

  [Symbol.dispose](): void {
    this.#hasEnded = true;
    clearTimeout(this.#timer);
  }
}
