import { limitExceeded } from "../../support/errors.ts";

/**
 * Bytes of what many entries may refer to that are read for one question: abbreviations, lists of
 * ranges, line programs, scopes that are looked into for a name. Where all units have to be looked
 * at, their abbreviations are most of it: a browser has 20 MB.
 */
const BYTES_MAX = 24 * 1024 * 1024;

/**
 * Counts what is read for one question. In a hostile file thousands of entries refer to the same
 * bytes, which are read for each of them anew; in a real one that adds up to little.
 */
export class WorkBudget {
  #left = BYTES_MAX;
  #total = 0;
  #totalMax = Number.POSITIVE_INFINITY;

  /** What all questions from now on may read together. */
  limitAll(bytesMax: number): void {
    this.#totalMax = this.#total + bytesMax;
  }

  /** Another question begins. */
  start(): void {
    this.#left = BYTES_MAX;
  }

  /** Nothing more can be read for it. */
  get isSpent(): boolean {
    return this.#left <= 0;
  }

  /** All questions together have read as much as they may. */
  get isOver(): boolean {
    return this.#total > this.#totalMax;
  }

  /** What is begun may be larger than what is left. @throws LIMIT_EXCEEDED  nothing was left */
  spend(where: string, bytes: number): void {
    if (this.isSpent) throw limitExceeded(where, "bytes read", BYTES_MAX - this.#left, BYTES_MAX);
    this.#left -= bytes;
    this.#total += bytes;
  }
}
