import { systemClock } from "../support/clock.ts";
import { STANDARD_STREAM } from "../support/output.ts";

/** How often the line on the terminal is written anew. */
const REFRESH_INTERVAL_MS = 250;

interface Counters {
  readonly delivered: number;
  readonly lost: number;
  readonly processes: number;
}

export interface RecordingShares {
  /** Frames without a name, of all frames that were to be named: 0 to 1. */
  readonly unnamedShare: number;
  /** Samples whose stack does not reach its thread's start, of all: 0 to 1. */
  readonly incompleteShare: number;
}

/**
 * What a recording says on standard error: while it runs one line that is written over itself,
 * on a terminal only, and one line at its end.
 */
export class RecordProgress implements Disposable {
  readonly #options: { readonly quiet?: boolean; readonly output: string };
  readonly #counters: () => Counters;
  readonly #startNs = systemClock.monotonicNanos();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    options: { readonly quiet?: boolean; readonly output: string },
    counters: () => Counters,
  ) {
    this.#options = options;
    this.#counters = counters;
    if (options.quiet || !process.stderr.isTTY) return;
    this.#timer = setInterval(() => this.#refresh(), REFRESH_INTERVAL_MS);
  }

  /** Ends the line and says what was recorded. */
  finish({ unnamedShare, incompleteShare }: RecordingShares): void {
    this[Symbol.dispose]();
    if (this.#options.quiet) return;
    const { delivered, lost, processes } = this.#counters();
    const file =
      this.#options.output === STANDARD_STREAM ? "standard output" : this.#options.output;
    process.stderr.write(
      `${count(delivered, "sample")} of ${count(processes, "process", "processes")}, ` +
        `${lost.toLocaleString("en")} lost, ` +
        `${percent(unnamedShare)} of frames without a name, ` +
        `${percent(incompleteShare)} of stacks incomplete → ${file}\n`,
    );
    if (delivered === 0) process.stderr.write(NOTHING_RAN);
  }

  [Symbol.dispose](): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    process.stderr.write("\r\x1b[K");
  }

  #refresh(): void {
    const { delivered, lost } = this.#counters();
    const elapsed = Number(systemClock.monotonicNanos() - this.#startNs) / 1e9;
    process.stderr.write(
      `\r\x1b[K${elapsed.toFixed(1)} s  ${count(delivered, "sample")}  ` +
        `${lost.toLocaleString("en")} lost  (Ctrl-C ends and writes)`,
    );
  }
}

const NOTHING_RAN = "Nothing was on a CPU: the processes waited the whole time.\n";

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function count(value: number, one: string, many: string = `${one}s`): string {
  return `${value.toLocaleString("en")} ${value === 1 ? one : many}`;
}
