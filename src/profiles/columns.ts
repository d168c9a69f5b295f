/**
 * Growable typed arrays: the storage of every table of the profile model. A column of a
 * million rows is one allocation, not a million objects, and a decoder appends to it without
 * making garbage.
 *
 * `data` may be read directly in a hot loop; only its first `length` entries are rows, and it
 * is replaced when the column grows, so do not keep it across an append.
 */

const FIRST_CAPACITY = 16;

/** Shared by all empty columns, so that an object with many costs little until they are used. */
const NO_INT32: Int32Array = new Int32Array(0);
const NO_UINT32: Uint32Array = new Uint32Array(0);
const NO_FLOAT64: Float64Array = new Float64Array(0);

/** 32-bit signed integers: indices, as in the specification's int32 fields. */
export class Int32Column {
  data: Int32Array = NO_INT32;
  length = 0;

  push(value: number): void {
    if (this.length === this.data.length) this.reserve(1);
    this.data[this.length++] = value;
  }

  /** Appends all rows of another column. */
  append(other: Int32Column): void {
    this.reserve(other.length);
    this.data.set(other.data.subarray(0, other.length), this.length);
    this.length += other.length;
  }

  /** Makes room for `count` more rows, so that they can be written to `data` directly. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed > this.data.length) this.data = grown(Int32Array, this.data, needed);
  }

  /** The row's value; 0, the index of the zero entry, for a row that does not exist. */
  at(row: number): number {
    return row < this.length ? (this.data[row] ?? 0) : 0;
  }
}

/** Integers exact to 2^53: values, line numbers. */
export class Float64Column {
  data: Float64Array = NO_FLOAT64;
  length = 0;

  push(value: number): void {
    if (this.length === this.data.length) this.reserve(1);
    this.data[this.length++] = value;
  }

  /** Appends all rows of another column. */
  append(other: Float64Column): void {
    this.reserve(other.length);
    this.data.set(other.data.subarray(0, other.length), this.length);
    this.length += other.length;
  }

  /** Makes room for `count` more rows, so that they can be written to `data` directly. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed > this.data.length) this.data = grown(Float64Array, this.data, needed);
  }

  at(row: number): number {
    return row < this.length ? (this.data[row] ?? 0) : 0;
  }
}

/**
 * Unsigned 64-bit integers as two 32-bit halves, so that addresses above 2^53 (the kernel's)
 * stay exact without one BigInt a row.
 */
export class Uint64Column {
  /** Pairs: low half at 2×row, high half after it. */
  data: Uint32Array = NO_UINT32;
  length = 0;

  push(low: number, high: number): void {
    const at = 2 * this.length;
    if (at === this.data.length) this.reserve(1);
    this.data[at] = low;
    this.data[at + 1] = high;
    this.length++;
  }

  /** Appends all rows of another column. */
  append(other: Uint64Column): void {
    this.reserve(other.length);
    this.data.set(other.data.subarray(0, 2 * other.length), 2 * this.length);
    this.length += other.length;
  }

  /** Makes room for `count` more rows, so that they can be written to `data` directly. */
  reserve(count: number): void {
    const needed = 2 * (this.length + count);
    if (needed > this.data.length) this.data = grown(Uint32Array, this.data, needed);
  }

  pushBigInt(value: bigint): void {
    this.push(Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn));
  }

  /** The low 32 bits, unsigned. */
  low(row: number): number {
    return row < this.length ? (this.data[2 * row] ?? 0) : 0;
  }

  /** The high 32 bits, unsigned. */
  high(row: number): number {
    return row < this.length ? (this.data[2 * row + 1] ?? 0) : 0;
  }

  bigint(row: number): bigint {
    return (BigInt(this.high(row)) << 32n) | BigInt(this.low(row));
  }

  /** As a number: exact below 2^53, rounded above; see `bigint` for the exact value. */
  number(row: number): number {
    return this.high(row) * 2 ** 32 + this.low(row);
  }
}

function grown<Data extends Int32Array | Uint32Array | Float64Array>(
  arrayType: new (length: number) => Data,
  data: Data,
  needed: number,
): Data {
  const larger = new arrayType(Math.max(needed, data.length * 2, FIRST_CAPACITY));
  larger.set(data as never);
  return larger;
}
