import { Int32Column } from "../columns.ts";
import type { Dictionary } from "../dictionary.ts";
import { ListTable } from "../list-table.ts";
import { mixHash, RowIndex } from "../row-index.ts";

/**
 * Finds pieces of one input that were seen before: most samples have the labels of others, so
 * a label is parsed once for each of its distinct encodings.
 */
export class BytesIndex {
  readonly #bytes: Uint8Array;
  readonly #index = new RowIndex();
  readonly #starts = new Int32Column();
  readonly #ends = new Int32Column();
  /** Makes collisions unforeseeable for who writes the input. */
  readonly #seed = Math.floor(Math.random() * 2 ** 32) | 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The number of the equal piece, counted in the order of `add`; -1 when there is none. */
  find(start: number, end: number): number {
    return this.#index.find(this.#hash(start, end), (row) => this.#equals(row, start, end));
  }

  add(start: number, end: number): void {
    this.#index.add(this.#hash(start, end), this.#starts.length);
    this.#starts.push(start);
    this.#ends.push(end);
  }

  #hash(start: number, end: number): number {
    const bytes = this.#bytes;
    let hash = this.#seed ^ (end - start);
    for (let at = start; at < end; at++) hash = mixHash(hash, bytes[at] as number);
    return hash;
  }

  #equals(row: number, start: number, end: number): boolean {
    const bytes = this.#bytes;
    const known = this.#starts.at(row);
    if (this.#ends.at(row) - known !== end - start) return false;
    for (let at = 0; at < end - start; at++) {
      if (bytes[known + at] !== bytes[start + at]) return false;
    }
    return true;
  }
}

/** Interns rows of attributes as sets in which a key stands once: several values are an array. */
export class SetInterner {
  readonly #dictionary: Dictionary;
  /** The lists as they came, and the set that each of them is. */
  readonly #lists = new ListTable();
  readonly #setOfList = new Int32Column();

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary;
  }

  intern({ data, length }: Int32Column): number {
    if (length === 0) return 0;
    const list = this.#lists.intern(data, length);
    if (list === this.#setOfList.length) {
      this.#setOfList.push(this.#setOf(data.subarray(0, length)));
    }
    return this.#setOfList.at(list);
  }

  #setOf(rows: Int32Array): number {
    const { attributes, attributeSets } = this.#dictionary;
    const byKey = Map.groupBy(rows, (row) => attributes.key.at(row));
    const merged = [...byKey].map(([key, group]) => {
      const [first] = group;
      if (group.length === 1) return first as number;
      const value = group.map((row) => attributes.value(row));
      return attributes.intern(key, { type: "array", value }, attributes.unit.at(first as number));
    });
    return attributeSets.intern(merged);
  }
}
