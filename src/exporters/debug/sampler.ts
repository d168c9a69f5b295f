import type { Clock } from "../../support/clock.ts";

const SECOND_NS = 1_000_000_000n;

export interface LogSamplerOptions {
  /** How many of a second are shown in any case. */
  readonly initial: number;
  /** Then every so many-th; 0 is none. */
  readonly thereafter: number;
  readonly clock: Clock;
}

/** Bounds how much a second shows, in the way of the Collector's log. */
export class LogSampler {
  readonly #options: LogSamplerOptions;
  #secondEndsNs = 0n;
  #count = 0;

  constructor(options: LogSamplerOptions) {
    this.#options = options;
  }

  isNextShown(): boolean {
    const { initial, thereafter, clock } = this.#options;
    const now = clock.monotonicNanos();
    if (now >= this.#secondEndsNs) {
      this.#secondEndsNs = now + SECOND_NS;
      this.#count = 0;
    }
    this.#count++;
    if (this.#count <= initial) return true;
    return thereafter > 0 && (this.#count - initial) % thereafter === 0;
  }
}
