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
  #hasRefused = false;

  /** What all questions from now on may read together. */
  limitAll(bytesMax: number): void {
    this.#totalMax = this.#total + bytesMax;
  }

  /** Another question begins. */
  start(): void {
    this.#left = BYTES_MAX;
  }

  /** Whether more may be read for it; what is not may be missing in answers. */
  mayGoOn(): boolean {
    if (this.#left > 0) return true;
    this.#hasRefused = true;
    return false;
  }

  /** Something was not read that was to be, for this question or one before. */
  get hasRefused(): boolean {
    return this.#hasRefused;
  }

  /** All questions together have read as much as they may. */
  get isOver(): boolean {
    return this.#total > this.#totalMax;
  }

  /** What is begun may be larger than what is left. @throws LIMIT_EXCEEDED  nothing was left */
  spend(where: string, bytes: number): void {
    if (!this.mayGoOn()) {
      throw limitExceeded(where, "bytes read", BYTES_MAX - this.#left, BYTES_MAX);
    }
    this.#left -= bytes;
    this.#total += bytes;
  }
}
