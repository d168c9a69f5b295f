import { lastAtOrBefore } from "../../support/sorted-search.ts";

/** Pieces of code of one process; beyond it some are forgotten. Node makes 100,000 in a day. */
const CODES_MAX = 512 * 1024;
/** Bytes of all names. With the rest, a map never takes more than 64 MiB. */
const NAMES_BYTES_MAX = 24 * 1024 * 1024;
/** A longer name is cut: a JVM writes the types of all arguments. */
const NAME_BYTES_MAX = 4096;
/** Newest ones that are looked through one by one, before they are sorted. */
const RECENT_MAX = 256;
/** User space ends below it on every machine; above it a number is not exact. */
const ADDRESS_MAX = 2 ** 52;
/** Code of one name: a runtime reserves 256 MiB for all. */
const SIZE_MAX = 2 ** 32 - 1;
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
  #rows: Rows = newRows(1024);
  #names: Uint8Array = new Uint8Array(64 * 1024);
  #count = 0;
  /**
   * The sorted rows, oldest first, each level at most half as long as the one before it: what a
   * program adds costs no sorting of all that it has.
   */
  #levels: Level[] = [];

  get count(): number {
    return this.#count;
  }

  /** No more code can be added before some is forgotten. */
  get isFull(): boolean {
    const namesEnd = this.#rows.nameStarts[this.#count] as number;
    return this.#count >= CODES_MAX || namesEnd + NAME_BYTES_MAX > NAMES_BYTES_MAX;
  }

  /** Memory that it takes. */
  get bytes(): number {
    const { starts, sizes, nameStarts } = this.#rows;
    const rows = starts.byteLength + sizes.byteLength + nameStarts.byteLength;
    const levels = this.#levels.reduce((sum, { starts, rows: of }) => {
      return sum + starts.byteLength + of.byteLength;
    }, 0);
    return rows + levels + this.#names.byteLength;
  }

  /**
   * Adds code; what has no size is only at its start.
   *
   * @param name  UTF-8; it is copied
   * @returns its row; NONE when it cannot be, or there is no room
   */
  add(start: number, size: number, name: Uint8Array): number {
    const isSane = start >= 0 && start < ADDRESS_MAX && size >= 0 && size < SIZE_MAX;
    const bytes = name.subarray(0, NAME_BYTES_MAX);
    if (!isSane || bytes.length === 0 || !this.#makeRoom(bytes.length)) return NONE;
    const row = this.#count++;
    const { starts, sizes, nameStarts } = this.#rows;
    const nameStart = nameStarts[row] as number;
    starts[row] = start;
    sizes[row] = Math.max(size, 1);
    this.#names.set(bytes, nameStart);
    nameStarts[row + 1] = nameStart + bytes.length;
    return row;
  }

  /** The row of the newest code around an address; NONE when there is none. */
  rowAt(address: number): number {
    if (this.#count - this.#sorted > RECENT_MAX) this.#sort();
    const { starts, sizes } = this.#rows;
    for (let row = this.#count - 1; row >= this.#sorted; row--) {
      const distance = address - (starts[row] as number);
      if (distance >= 0 && distance < (sizes[row] as number)) return row;
    }
    for (let index = this.#levels.length - 1; index >= 0; index--) {
      const row = segmentRow(this.#levels[index] as Level, address);
      if (row !== NONE) return row;
    }
    return NONE;
  }

  code(row: number): JitCode {
    const { starts, sizes, nameStarts } = this.#rows;
    const name = this.#names.subarray(nameStarts[row], nameStarts[row + 1]);
    return {
      name: Buffer.from(name.buffer, name.byteOffset, name.length).toString("utf8"),
      start: starts[row] as number,
      size: sizes[row] as number,
    };
  }

  /**
   * Makes room: forgets what newer code has covered and, where that is not enough, the oldest,
   * which has no name then. Rows get other numbers.
   *
   * @returns for each row the number that it had
   */
  forget(): Uint32Array {
    const { starts, sizes, nameStarts } = this.#rows;
    const kept = this.#newestUncovered();
    let namesEnd = 0;
    for (const [row, before] of kept.entries()) {
      const [nameStart, nameEnd] = [nameStarts[before] as number, nameStarts[before + 1] as number];
      starts[row] = starts[before] as number;
      sizes[row] = sizes[before] as number;
      this.#names.copyWithin(namesEnd, nameStart, nameEnd);
      namesEnd += nameEnd - nameStart;
      nameStarts[row + 1] = namesEnd;
    }
    this.#count = kept.length;
    this.#levels = [];
    return kept;
  }

  /** In their order: all, if that leaves a quarter free, else the newest half. */
  #newestUncovered(): Uint32Array {
    const isOpen = new Uint8Array(this.#count);
    for (const row of segmentsOf(this.#rows, 0, this.#count).rows) {
      if (row !== NONE) isOpen[row] = 1;
    }
    const newest = new Uint32Array(this.#count);
    let count = 0;
    let nameBytes = 0;
    let halfCount = 0;
    for (let row = this.#count - 1; row >= 0; row--) {
      if (isOpen[row] === 0) continue;
      newest[count++] = row;
      nameBytes += this.#nameLength(row);
      if (count <= CODES_MAX / 2 && nameBytes <= NAMES_BYTES_MAX / 2) halfCount = count;
    }
    const isEnough = count <= (3 / 4) * CODES_MAX && nameBytes <= (3 / 4) * NAMES_BYTES_MAX;
    return newest.slice(0, isEnough ? count : halfCount).reverse();
  }

  #nameLength(row: number): number {
    const { nameStarts } = this.#rows;
    return (nameStarts[row + 1] as number) - (nameStarts[row] as number);
  }

  get #sorted(): number {
    return this.#levels.at(-1)?.end ?? 0;
  }

  /** False when the limits allow none. */
  #makeRoom(nameBytes: number): boolean {
    const namesEnd = (this.#rows.nameStarts[this.#count] as number) + nameBytes;
    if (this.#count >= CODES_MAX || namesEnd > NAMES_BYTES_MAX) return false;
    if (this.#count >= this.#rows.starts.length) this.#rows = grown(this.#rows);
    if (namesEnd > this.#names.length) {
      const names = new Uint8Array(Math.min(2 * this.#names.length, NAMES_BYTES_MAX));
      names.set(this.#names);
      this.#names = names;
    }
    return true;
  }

  #sort(): void {
    const levels = this.#levels;
    let start = this.#sorted;
    for (let last = levels.at(-1); last !== undefined; last = levels.at(-1)) {
      if (2 * (this.#count - start) <= last.end - last.start) break;
      start = last.start;
      levels.pop();
    }
    const segments = segmentsOf(this.#rows, start, this.#count);
    levels.push({ start, end: this.#count, ...segments });
  }
}

interface Rows {
  readonly starts: Float64Array<ArrayBuffer>;
  /** Bytes; 1 for code without a size. */
  readonly sizes: Uint32Array<ArrayBuffer>;
  /** Where each name begins in the bytes of all, and at the end where the last one ends. */
  readonly nameStarts: Uint32Array<ArrayBuffer>;
}

function newRows(length: number): Rows {
  return {
    starts: new Float64Array(length),
    sizes: new Uint32Array(length),
    nameStarts: new Uint32Array(length + 1),
  };
}

function grown(before: Rows): Rows {
  const after = newRows(2 * before.starts.length);
  after.starts.set(before.starts);
  after.sizes.set(before.sizes);
  after.nameStarts.set(before.nameStarts);
  return after;
}

/** From each start on, which row counts; NONE where none does. */
interface Segments {
  readonly starts: Float64Array;
  readonly rows: Int32Array;
}

/** The segments of the rows from `start` to before `end`. */
interface Level extends Segments {
  readonly start: number;
  readonly end: number;
}

function segmentRow({ starts, rows }: Segments, address: number): number {
  const segment = lastAtOrBefore(starts, address);
  return segment < 0 ? NONE : (rows[segment] as number);
}

/** Sweeps over the starts and ends of some rows; of those that are open the newest counts. */
function segmentsOf({ starts, sizes }: Rows, first: number, end: number): Segments {
  const order = Uint32Array.from({ length: end - first }, (_, index) => first + index);
  order.sort((a, b) => (starts[a] as number) - (starts[b] as number) || a - b);
  const found = new SegmentList(2 * order.length);
  const open = new NewestFirst();
  const endOf = (row: number): number => (starts[row] as number) + (sizes[row] as number);
  const closeUntil = (address: number): void => {
    for (let top = open.top; top !== NONE; top = open.top) {
      const topEnd = endOf(top);
      if (topEnd > address) return;
      open.pop();
      while (open.top !== NONE && endOf(open.top) <= topEnd) open.pop();
      found.mark(topEnd, open.top);
    }
  };
  for (const row of order) {
    const start = starts[row] as number;
    closeUntil(start);
    open.push(row);
    found.mark(start, open.top);
  }
  closeUntil(Number.POSITIVE_INFINITY);
  return found.segments;
}

/** Segments as a sweep finds them. */
class SegmentList {
  readonly #starts: Float64Array;
  readonly #rows: Int32Array;
  #count = 0;

  /** @param max  a row has one start and one end */
  constructor(max: number) {
    this.#starts = new Float64Array(max);
    this.#rows = new Int32Array(max);
  }

  mark(start: number, row: number): void {
    const last = this.#count - 1;
    if (last >= 0 && this.#rows[last] === row) return;
    if (last >= 0 && this.#starts[last] === start) {
      this.#rows[last] = row;
      return;
    }
    this.#starts[this.#count] = start;
    this.#rows[this.#count++] = row;
  }

  get segments(): Segments {
    const count = this.#count;
    return { starts: this.#starts.slice(0, count), rows: this.#rows.slice(0, count) };
  }
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
