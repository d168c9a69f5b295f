import { CollectorError } from "../../support/errors.ts";

/** Lets so many through at a time; the others wait in the order in which they came. */
export class Gate {
  readonly #slots: number;
  /** As many as there are requests, which an Admission bounds: who is gone is taken out. */
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  /**
   * Resolves with what gives the place back, which is called once.
   *
   * @param gone  aborted when nobody wants the place any more
   * @throws CollectorError REFUSED_BACKPRESSURE  no place within the time, or nobody wants it
   */
  async enter(waitMaxMs: number, gone?: AbortSignal): Promise<() => void> {
    if (this.#taken < this.#slots) this.#taken++;
    else await this.#turn(waitMaxMs, gone);
    return () => this.#leave();
  }

  #turn(waitMaxMs: number, gone: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const end = (): void => {
      clearTimeout(timer);
      gone?.removeEventListener("abort", giveUp);
      this.#waiting.delete(go);
    };
    const go = (): void => {
      end();
      resolve();
    };
    const giveUp = (): void => {
      end();
      const why = gone?.aborted ? "nobody waits any more" : `no room within ${waitMaxMs} ms`;
      reject(new CollectorError("REFUSED_BACKPRESSURE", why));
    };
    const timer = setTimeout(giveUp, waitMaxMs);
    timer.unref();
    gone?.addEventListener("abort", giveUp);
    this.#waiting.add(go);
    if (gone?.aborted) giveUp();
    return promise;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** The place goes to who waits longest. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken--;
      return;
    }
    next();
  }
}
