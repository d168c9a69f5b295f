import type { Clock } from "../../support/clock.ts";

/** As Pyroscope's client: so many failures in a row, and a server is left alone for a while. */
export const FAILURES_MAX = 5;
export const OPEN_MS = 60_000;

/** Keeps requests away from a server that fails each of them. */
export class CircuitBreaker {
  readonly #clock: Clock;
  #failures = 0;
  #openUntilMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** After the pause one request may try; whether it fails decides about the next ones. */
  get isOpen(): boolean {
    return this.#failures >= FAILURES_MAX && this.#nowMs() < this.#openUntilMs;
  }

  /** Seconds until the server is asked again. */
  get pauseSeconds(): number {
    return Math.ceil(Math.max(this.#openUntilMs - this.#nowMs(), 0) / 1000);
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    this.#failures++;
    if (this.#failures >= FAILURES_MAX) this.#openUntilMs = this.#nowMs() + OPEN_MS;
  }

  /** Call before a request is sent: of those that wait at the end of the pause only one is. */
  begin(): void {
    if (this.#failures >= FAILURES_MAX) this.#openUntilMs = this.#nowMs() + OPEN_MS;
  }

  #nowMs(): number {
    return Number(this.#clock.monotonicNanos()) / 1e6;
  }
}
