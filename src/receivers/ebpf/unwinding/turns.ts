import type { Clock } from "../../../support/clock.ts";

/** Work of one turn of the event loop: what else the loop serves does not notice it. */
export const TURN_MS = 10;
/** Works of one turn: what each resolves goes on in the same turn, and nobody measures that. */
const TURN_WORKS_MAX = 200;

/**
 * Does work at once, or in a later turn of the event loop when this one has had enough: a hundred
 * processes that are sampled for the first time in one moment hold up nobody.
 */
export class Turns {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #spentNs = 0n;
  #works = 0;
  #nextTurn: NodeJS.Immediate | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** In the order in which it came. Its callers bound how much can wait. */
  run(work: () => void): void {
    this.#nextTurn ??= setImmediate(() => this.#beginTurn());
    if (this.#waiting.length > 0 || this.#isOver) this.#waiting.push(work);
    else this.#do(work);
  }

  /** As `run`, of work whose synchronous part is what takes time. */
  start<Result>(work: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => this.run(() => work().then(resolve, reject)));
  }

  /** Resolves when all that waits now is done. */
  settled(): Promise<void> {
    return this.start(async () => {});
  }

  get #isOver(): boolean {
    return this.#works >= TURN_WORKS_MAX || this.#spentNs >= BigInt(TURN_MS) * 1_000_000n;
  }

  #beginTurn(): void {
    this.#nextTurn = undefined;
    this.#spentNs = 0n;
    this.#works = 0;
    while (this.#waiting.length > 0 && !this.#isOver) this.#do(this.#waiting.shift() as () => void);
    if (this.#waiting.length > 0) this.#nextTurn ??= setImmediate(() => this.#beginTurn());
  }

  #do(work: () => void): void {
    const startNs = this.#clock.monotonicNanos();
    work();
    this.#works++;
    this.#spentNs += this.#clock.monotonicNanos() - startNs;
  }
}
