import type { Clock } from "./clock.ts";
import type { Logger } from "./logger.ts";

/** What fails for hours is said once in this time. */
const INTERVAL_NS = 60_000_000_000n;

/** Failures of one kind, summed and logged at most once a minute: the first one at once. */
export class Complaints {
  readonly #message: string;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #batches = 0;
  #samples = 0;
  #reason = "";
  #saidNs: bigint | undefined;

  /** @param message  what happened, without numbers: "not sent" */
  constructor(
    message: string,
    { logger, clock }: { readonly logger: Logger; readonly clock: Clock },
  ) {
    this.#message = message;
    this.#logger = logger;
    this.#clock = clock;
  }

  /** One more batch with so many samples. */
  add(samples: number, reason: string): void {
    this.#batches++;
    this.#samples += samples;
    this.#reason = reason;
    const now = this.#clock.monotonicNanos();
    if (this.#saidNs !== undefined && now - this.#saidNs < INTERVAL_NS) return;
    this.#saidNs = now;
    this.flush();
  }

  /** Says what was not said yet, with the last reason. */
  flush(): void {
    if (this.#batches === 0) return;
    const fields = { batches: this.#batches, samples: this.#samples, reason: this.#reason };
    this.#batches = this.#samples = 0;
    this.#logger.error(this.#message, fields);
  }
}
