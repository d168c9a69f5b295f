import { sleep } from "../../support/clock.ts";
import { CollectorError } from "../../support/errors.ts";

export interface AdmissionLimits {
  /** Requests that are read or worked on at the same time. */
  readonly requestsMax: number;
  /** Bytes that all of them may hold together. */
  readonly bytesMax: number;
}

/** What one request holds of the limits, until it is released. */
export interface Admitted {
  /**
   * Holds so many bytes more, or fewer when it is negative.
   *
   * @throws CollectorError REFUSED_BACKPRESSURE  there is no room; nothing more is held
   */
  hold(bytes: number): void;
  /** Gives all of it back; a second call does nothing. */
  release(): void;
}

/** Lets requests in while there is room for them; all listeners of a server share one. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #idle = new Set<() => void>();
  #requests = 0;
  #bytes = 0;
  #isClosed = false;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get requests(): number {
    return this.#requests;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Counts a request in. Release what it returns.
   *
   * @throws CollectorError REFUSED_BACKPRESSURE  there is no room
   * @throws CollectorError UNAVAILABLE_RETRYABLE  closed
   */
  enter(bytes = 0): Admitted {
    if (this.#isClosed) throw new CollectorError("UNAVAILABLE_RETRYABLE", "the receiver is ending");
    if (this.#requests >= this.#limits.requestsMax) {
      const message = `${this.#limits.requestsMax} requests are being worked on`;
      throw new CollectorError("REFUSED_BACKPRESSURE", message);
    }
    this.#hold(bytes);
    this.#requests++;
    let held = bytes;
    let isReleased = false;
    return {
      hold: (more) => {
        if (isReleased) return;
        this.#hold(more);
        held += more;
      },
      release: () => {
        if (isReleased) return;
        isReleased = true;
        this.#release(held);
      },
    };
  }

  /** Lets nobody in any more. */
  close(): void {
    this.#isClosed = true;
  }

  open(): void {
    this.#isClosed = false;
  }

  /** Resolves when nothing is held, or after so long. */
  async drained(waitMaxMs: number): Promise<void> {
    if (this.#requests === 0) return;
    const end = new AbortController();
    const done = (): void => end.abort();
    this.#idle.add(done);
    await sleep(waitMaxMs, end.signal);
    this.#idle.delete(done);
  }

  #hold(bytes: number): void {
    if (bytes > 0 && this.#bytes + bytes > this.#limits.bytesMax) {
      const message = `requests hold ${this.#bytes} of ${this.#limits.bytesMax} bytes`;
      throw new CollectorError("REFUSED_BACKPRESSURE", message);
    }
    this.#bytes += bytes;
  }

  #release(bytes: number): void {
    this.#bytes -= bytes;
    this.#requests--;
    if (this.#requests === 0) for (const done of this.#idle) done();
  }
}
