import { Int32Column } from "../columns.ts";

/** An id may be this much larger than there are ids and still index an array directly. */
const SLACK = 1024;

/**
 * Rows by pprof id. Ids are any non-zero 64-bit numbers; most writers count from 1, and then a
 * look-up is one array access.
 */
export class IdMap {
  /** Row + 1 by id, for small ids; 0 where there is none. */
  readonly #dense = new Int32Column();
  readonly #sparse = new Map<bigint, number>();

  get size(): number {
    return this.#size;
  }
  #size = 0;

  /** Returns false, and adds nothing, when the id is there already. */
  add(low: number, high: number, row: number): boolean {
    if (this.find(low, high) >= 0) return false;
    this.#size++;
    if (high === 0 && low < 2 * this.#size + SLACK) {
      while (this.#dense.length <= low) this.#dense.push(0);
      this.#dense.data[low] = row + 1;
    } else {
      this.#sparse.set((BigInt(high) << 32n) | BigInt(low), row);
    }
    return true;
  }

  /** The row of an id, or -1. */
  find(low: number, high: number): number {
    if (high === 0 && low < this.#dense.length) {
      const row = (this.#dense.data[low] as number) - 1;
      if (row >= 0) return row;
    }
    if (this.#sparse.size === 0) return -1;
    return this.#sparse.get((BigInt(high) << 32n) | BigInt(low)) ?? -1;
  }
}
