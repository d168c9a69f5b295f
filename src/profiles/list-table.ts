import { Int32Column } from "./columns.ts";
import { builtIndex, mixHash, type RowIndex } from "./row-index.ts";

/**
 * Rows that are lists of indices: stacks (of locations, leaf first) and sets of attributes.
 * All items stand in one column; a row is a range of it.
 */
export class ListTable {
  /** Where each row ends in `items`; a row starts where the one before it ends. */
  readonly ends: Int32Column = new Int32Column();
  readonly items: Int32Column = new Int32Column();
  #index: RowIndex | undefined;

  get length(): number {
    return this.ends.length;
  }

  start(row: number): number {
    return row === 0 ? 0 : this.ends.at(row - 1);
  }

  end(row: number): number {
    return this.ends.at(row);
  }

  size(row: number): number {
    return this.end(row) - this.start(row);
  }

  /** The item at a place between `start(row)` and `end(row)`. */
  item(place: number): number {
    return this.items.at(place);
  }

  row(row: number): Int32Array {
    return this.items.data.slice(this.start(row), this.end(row));
  }

  append(list: ArrayLike<number>, count: number = list.length): number {
    for (let i = 0; i < count; i++) this.items.push(list[i] as number);
    return this.endRow();
  }

  /** Makes a row of the items that were pushed to `items` since the last row. */
  endRow(): number {
    this.ends.push(this.items.length);
    const row = this.ends.length - 1;
    this.#index?.add(this.#hashOf(row), row);
    return row;
  }

  /** The row that equals the list's first `count` items, in order; appended when there is none. */
  intern(list: ArrayLike<number>, count: number = list.length): number {
    this.#index ??= builtIndex(this.length, (row) => this.#hashOf(row));
    let hash = count;
    for (let i = 0; i < count; i++) hash = mixHash(hash, list[i] as number);
    const found = this.#index.find(hash, (row) => this.#equals(row, list, count));
    return found >= 0 ? found : this.append(list, count);
  }

  #equals(row: number, list: ArrayLike<number>, count: number): boolean {
    const start = this.start(row);
    if (this.end(row) - start !== count) return false;
    const items = this.items.data;
    for (let i = 0; i < count; i++) if (items[start + i] !== list[i]) return false;
    return true;
  }

  #hashOf(row: number): number {
    const end = this.end(row);
    let hash = this.size(row);
    for (let place = this.start(row); place < end; place++) hash = mixHash(hash, this.item(place));
    return hash;
  }
}
