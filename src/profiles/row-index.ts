/** Slots that one search looks at. Rows of good hashes stand within a few dozen of their place. */
export const PROBES_MAX = 256;

/**
 * Finds the row of a table that equals a candidate, by hash: open addressing with linear
 * probing over row numbers. The table keeps the rows; this keeps only their places, so a
 * table that is never interned into pays nothing.
 *
 * Rows may come from an adversary who makes their hashes collide. A search gives up after
 * PROBES_MAX slots, and a row that finds no slot within them is not found again: the table then
 * holds a row twice, which every reader of a table has to bear anyway.
 */
export class RowIndex {
  /** Row + 1, or 0 for an empty slot. */
  #slots: Int32Array = new Int32Array(64);
  #hashes: Int32Array = new Int32Array(64);
  #count = 0;

  /** The row with this hash for which `equals` holds, or -1. */
  find(hash: number, equals: (row: number) => boolean): number {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (let probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] as number;
      if (entry === 0) return -1;
      if (this.#hashes[slot] === (hash | 0) && equals(entry - 1)) return entry - 1;
    }
    return -1;
  }

  add(hash: number, row: number): void {
    if (2 * (this.#count + 1) > this.#slots.length) this.#rehash();
    this.#place(hash | 0, row + 1);
    this.#count++;
  }

  #place(hash: number, entry: number): void {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (let probe = 0; probe < PROBES_MAX; probe++, slot = (slot + 1) & mask) {
      if (this.#slots[slot] !== 0) continue;
      this.#slots[slot] = entry;
      this.#hashes[slot] = hash;
      return;
    }
  }

  #rehash(): void {
    const slots = this.#slots;
    const hashes = this.#hashes;
    this.#slots = new Int32Array(slots.length * 2);
    this.#hashes = new Int32Array(slots.length * 2);
    for (let slot = 0; slot < slots.length; slot++) {
      const entry = slots[slot] as number;
      if (entry !== 0) this.#place(hashes[slot] as number, entry);
    }
  }
}

/** Mixes one 32-bit value into a running hash. Start with any constant. */
export function mixHash(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/** An index of a table that has rows already. */
export function builtIndex(rowCount: number, hashOf: (row: number) => number): RowIndex {
  const index = new RowIndex();
  for (let row = 0; row < rowCount; row++) index.add(hashOf(row), row);
  return index;
}
