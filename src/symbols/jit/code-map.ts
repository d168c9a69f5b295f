/** Pieces of code of one process; what is made beyond is not known. Node makes 100,000 in a day. */
const CODES_MAX = 1_000_000;
/** Bytes of all names. */
const NAMES_BYTES_MAX = 64 * 1024 * 1024;
/** A longer name is cut: a JVM writes the types of all arguments. */
const NAME_BYTES_MAX = 4096;
/** Newest ones that are looked through one by one, before all are sorted again. */
const RECENT_MAX = 256;
/** User space ends below it on every machine; above it a number is not exact. */
const ADDRESS_MAX = 2 ** 52;
/** Code of one name: a runtime reserves 256 MiB for all. */
const SIZE_MAX = 2 ** 32;
/** No code. */
export const NONE = -1;

/** Code that a runtime made. */
export interface JitCode {
  readonly name: string;
  readonly start: number;
  /** Bytes. */
  readonly size: number;
}

/**
 * What a runtime made, in the order in which it did. The newer counts where it overlaps the older,
 * because the runtime has used the memory again.
 */
export class CodeMap {
  #starts = new Float64Array(1024);
  #ends = new Float64Array(1024);
  #nameStarts = new Float64Array(1025);
  #names = new Uint8Array(64 * 1024);
  #count = 0;
  /** Rows that `#index` knows. */
  #indexed = 0;
  #index: Segments = NO_SEGMENTS;

  get count(): number {
    return this.#count;
  }

  /** Memory that it takes. */
  get bytes(): number {
    const rows = this.#starts.byteLength + this.#ends.byteLength + this.#nameStarts.byteLength;
    return rows + this.#names.byteLength;
  }

  /**
   * Adds code; what has no size is only at its start.
   *
   * @param name  UTF-8; it is copied
   * @returns its row; NONE when it cannot be, or there is no room
   */
  add(start: number, size: number, name: Uint8Array): number {
    const bytes = name.subarray(0, NAME_BYTES_MAX);
    const namesEnd = this.#nameStarts[this.#count] as number;
    const isSane = start >= 0 && start < ADDRESS_MAX && size >= 0 && size < SIZE_MAX;
    const hasRoom = this.#count < CODES_MAX && namesEnd + bytes.length <= NAMES_BYTES_MAX;
    if (!isSane || !hasRoom || bytes.length === 0) return NONE;
    if (this.#count + 1 >= this.#ends.length) this.#growRows();
    if (namesEnd + bytes.length > this.#names.length) this.#growNames(namesEnd + bytes.length);
    const row = this.#count++;
    this.#starts[row] = start;
    this.#ends[row] = start + Math.max(size, 1);
    this.#names.set(bytes, namesEnd);
    this.#nameStarts[row + 1] = namesEnd + bytes.length;
    return row;
  }

  /** The row of the newest code around an address; NONE when there is none. */
  rowAt(address: number): number {
    if (this.#count - this.#indexed > RECENT_MAX) this.#sort();
    for (let row = this.#count - 1; row >= this.#indexed; row--) {
      if (address >= (this.#starts[row] as number) && address < (this.#ends[row] as number)) {
        return row;
      }
    }
    return segmentRow(this.#index, address);
  }

  code(row: number): JitCode {
    const nameStart = this.#nameStarts[row] as number;
    const nameEnd = this.#nameStarts[row + 1] as number;
    const start = this.#starts[row] as number;
    const name = Buffer.from(this.#names.buffer, nameStart, nameEnd - nameStart).toString("utf8");
    return { name, start, size: (this.#ends[row] as number) - start };
  }

  #growRows(): void {
    const length = 2 * this.#ends.length;
    this.#starts = withRoom(this.#starts, length);
    this.#ends = withRoom(this.#ends, length);
    this.#nameStarts = withRoom(this.#nameStarts, length + 1);
  }

  #growNames(bytes: number): void {
    const names = new Uint8Array(Math.max(2 * this.#names.length, bytes));
    names.set(this.#names);
    this.#names = names;
  }

  #sort(): void {
    this.#index = segmentsOf(this.#starts, this.#ends, this.#count);
    this.#indexed = this.#count;
  }
}

/** From each start on, which row counts; NONE where none does. */
interface Segments {
  readonly starts: Float64Array;
  readonly rows: Int32Array;
}

const NO_SEGMENTS: Segments = { starts: new Float64Array(0), rows: new Int32Array(0) };

function segmentRow({ starts, rows }: Segments, address: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] as number) <= address) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? NONE : (rows[low - 1] as number);
}

/** Sweeps over all starts and ends; of the rows that are open the newest counts. */
function segmentsOf(starts: Float64Array, ends: Float64Array, count: number): Segments {
  const order = Uint32Array.from({ length: count }, (_, row) => row);
  order.sort((a, b) => (starts[a] as number) - (starts[b] as number) || a - b);
  const segmentStarts: number[] = [];
  const segmentRows: number[] = [];
  const mark = (start: number, row: number): void => {
    if (segmentRows.at(-1) === row) return;
    if (segmentStarts.at(-1) === start) {
      segmentRows[segmentRows.length - 1] = row;
      return;
    }
    segmentStarts.push(start);
    segmentRows.push(row);
  };
  const open = new NewestFirst();
  const closeUntil = (address: number): void => {
    for (let top = open.top; top !== NONE; top = open.top) {
      const end = ends[top] as number;
      if (end > address) return;
      open.pop();
      while (open.top !== NONE && (ends[open.top] as number) <= end) open.pop();
      mark(end, open.top);
    }
  };
  for (const row of order) {
    const start = starts[row] as number;
    closeUntil(start);
    open.push(row);
    mark(start, open.top);
  }
  closeUntil(Number.POSITIVE_INFINITY);
  return { starts: Float64Array.from(segmentStarts), rows: Int32Array.from(segmentRows) };
}

/** A binary heap of rows, the newest on top. */
class NewestFirst {
  readonly #rows: number[] = [];

  get top(): number {
    return this.#rows[0] ?? NONE;
  }

  push(row: number): void {
    const rows = this.#rows;
    let at = rows.length;
    rows.push(row);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if ((rows[parent] as number) >= row) break;
      rows[at] = rows[parent] as number;
      at = parent;
    }
    rows[at] = row;
  }

  pop(): void {
    const rows = this.#rows;
    const last = rows.pop() as number;
    if (rows.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= rows.length) break;
      if (child + 1 < rows.length && (rows[child + 1] as number) > (rows[child] as number)) child++;
      if ((rows[child] as number) <= last) break;
      rows[at] = rows[child] as number;
      at = child;
    }
    rows[at] = last;
  }
}

function withRoom(before: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const after = new Float64Array(length);
  after.set(before);
  return after;
}
