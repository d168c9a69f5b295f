import { limitExceeded } from "../../support/errors.ts";
import type { IndexedRange } from "../index/index-writer.ts";

/** Ranges of one file; a browser's debug information has 20 million. */
const RANGES_MAX = 32 * 1024 * 1024;

/** Ranges in the order in which they were found, several times or once. */
export class RangeColumns {
  #starts = new Float64Array(64 * 1024);
  /** Name, file, line, column and call of each, one behind the other. */
  #values = new Uint32Array(FIELDS * 64 * 1024);
  readonly #max: number;
  #count = 0;

  /** @param max  ranges beyond it are refused */
  constructor(max: number) {
    this.#max = Math.min(max, RANGES_MAX);
  }

  add({ start, name, file, line, column, call }: IndexedRange): void {
    const row = this.#newRow(start);
    this.#values[row] = name;
    this.#values[row + 1] = file;
    this.#values[row + 2] = line;
    this.#values[row + 3] = column;
    this.#values[row + 4] = call;
  }

  /** Nothing is there. */
  addGap(start: number): void {
    const row = this.#newRow(start);
    this.#values.fill(0, row, row + FIELDS);
  }

  /** In order, without those that go on as the one before. */
  *merged(): Generator<IndexedRange> {
    const values = this.#values;
    let last = -1;
    for (const index of this.#order()) {
      const row = FIELDS * index;
      if (last >= 0 && isSame(values, last, row)) continue;
      last = row;
      const start = this.#starts[index] as number;
      const [name = 0, file = 0, line = 0, column = 0, call = 0] = values.subarray(
        row,
        row + FIELDS,
      );
      yield { start, name, file, line, column, call };
    }
  }

  /** Rows by their starts, each start once. */
  #order(): Uint32Array {
    const starts = this.#starts.subarray(0, this.#count);
    const order = Uint32Array.from({ length: this.#count }, (_, index) => index);
    order.sort((a, b) => (starts[a] as number) - (starts[b] as number));
    let count = 0;
    for (const index of order) {
      if (count > 0 && starts[order[count - 1] as number] === starts[index]) continue;
      order[count++] = index;
    }
    return order.subarray(0, count);
  }

  #newRow(start: number): number {
    const count = this.#count + 1;
    if (count > this.#max) throw limitExceeded("a symbol index", "ranges", count, this.#max);
    if (this.#count === this.#starts.length) this.#grow();
    this.#starts[this.#count] = start;
    return FIELDS * this.#count++;
  }

  #grow(): void {
    const length = 2 * this.#starts.length;
    const starts = new Float64Array(length);
    starts.set(this.#starts);
    this.#starts = starts;
    const values = new Uint32Array(FIELDS * length);
    values.set(this.#values);
    this.#values = values;
  }
}

const FIELDS = 5;

function isSame(values: Uint32Array, a: number, b: number): boolean {
  for (let field = 0; field < FIELDS; field++) {
    if (values[a + field] !== values[b + field]) return false;
  }
  return true;
}
