import { CollectorError } from "../../support/errors.ts";

/** Lets so many through at a time; the others wait in the order in which they came. */
export class Gate {
  readonly #slots: number;
  /** As many as there are requests, which an Admission bounds. */
  readonly #waiting = new Set<() => void>();
  #taken = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  /**
   * Resolves with what gives the place back, which is called once.
   *
   * @throws CollectorError REFUSED_BACKPRESSURE  no place within the time
   */
  async enter(waitMaxMs: number): Promise<() => void> {
    if (this.#taken < this.#slots) this.#taken++;
    else await this.#turn(waitMaxMs);
    return () => this.#leave();
  }

  #turn(waitMaxMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const go = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      this.#waiting.delete(go);
      reject(new CollectorError("REFUSED_BACKPRESSURE", `no room within ${waitMaxMs} ms`));
    }, waitMaxMs);
    timer.unref();
    this.#waiting.add(go);
    return promise;
  }

  /** The place goes to who waits longest. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#taken--;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
