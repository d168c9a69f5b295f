import { sleep } from "../support/clock.ts";
import { CollectorError } from "../support/errors.ts";

/** How long a stop waits for what is on its way; a user at the keyboard waits as well. */
export const STOP_WAIT_MAX_MS = 5000;

/** Sends that are under way, for an exporter to wait for when it stops. */
export class SendsUnderWay {
  readonly #abort = new AbortController();
  /** As many as are given at the same time; who gives them bounds that. */
  readonly #pending = new Set<Promise<unknown>>();
  #isStopped = false;

  /**
   * Begins a send at once.
   *
   * @throws CollectorError UNAVAILABLE_RETRYABLE  stopped already
   */
  async run<Result>(send: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    if (this.#isStopped) throw new CollectorError("UNAVAILABLE_RETRYABLE", "stopped");
    const pending = send(this.#abort.signal);
    this.#pending.add(pending);
    try {
      return await pending;
    } finally {
      this.#pending.delete(pending);
    }
  }

  /** Resolves when every send has ended; those that take too long are aborted. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const all = Promise.allSettled(this.#pending);
    const done = new AbortController();
    const settled = all.then(() => done.abort());
    await Promise.race([settled, sleep(STOP_WAIT_MAX_MS, done.signal)]);
    this.#abort.abort();
    await settled;
  }
}
