import { lastAtOrBefore } from "../../support/sorted-search.ts";

/** Lines of all code; 32 MB. */
export const LINES_MAX = 2_000_000;
/** Of a line, in its four columns. */
const LINE_BYTES = 16;

/** The rows of one piece of code: from the first to before the end. */
export interface LineRange {
  readonly start: number;
  readonly end: number;
}

/** What one address of a piece of code comes from. */
export interface CodeLine {
  /** Bytes from the start of the code, wherever that was moved. */
  readonly offset: number;
  /** From 1 on, or 0. */
  readonly line: number;
  /** What the record has beside the line: V8's columns, from 1 on. */
  readonly column: number;
  /** The dump's number of the file. */
  readonly file: number;
}

/** The lines of all code of a dump, in columns: most pieces of code have a few. */
export class LineTable {
  #columns: Columns = newColumns(1024);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Memory that it takes. */
  get bytes(): number {
    return LINE_BYTES * this.#columns.lines.length;
  }

  /** False when there is no room, or the place is none. */
  add({ offset, line, column, file }: CodeLine): boolean {
    if (this.#count >= LINES_MAX || offset < 0 || offset >= 2 ** 32) return false;
    if (this.#count >= this.#columns.lines.length) this.#columns = grown(this.#columns);
    const { offsets, lines, columns, files } = this.#columns;
    const row = this.#count++;
    offsets[row] = offset;
    lines[row] = line;
    columns[row] = column;
    files[row] = file;
    return true;
  }

  /** Sorts the rows of one piece of code; of equal ones the last written counts. */
  sort({ start, end }: LineRange): void {
    const { offsets } = this.#columns;
    const order = Uint32Array.from({ length: end - start }, (_, index) => start + index);
    if (order.every((row, index) => index === 0 || isSorted(offsets, row))) return;
    order.sort((a, b) => (offsets[a] as number) - (offsets[b] as number) || a - b);
    for (const column of Object.values(this.#columns)) {
      const sorted = order.map((row) => column[row] as number);
      column.set(sorted, start);
    }
  }

  /** Gives each row the file of the next; the last keeps its own. */
  advanceFiles({ start, end }: LineRange): void {
    this.#columns.files.copyWithin(start, start + 1, end);
  }

  /** Takes back what was added last. */
  cutTo(count: number): void {
    this.#count = count;
  }

  /** What is at a distance from the start of code; undefined before its first line. */
  find({ start, end }: LineRange, offset: number): CodeLine | undefined {
    const { offsets, lines, columns, files } = this.#columns;
    const row = lastAtOrBefore(offsets, offset, start, end);
    if (row < start) return undefined;
    return {
      offset: offsets[row] as number,
      line: lines[row] as number,
      column: columns[row] as number,
      file: files[row] as number,
    };
  }

  /**
   * Keeps the rows of the ranges, one after the other, and forgets all others.
   *
   * @param kept  in the order of their rows; one that stands twice is kept once
   * @returns for each the range that it has now
   */
  keep(kept: readonly LineRange[]): LineRange[] {
    const moved: LineRange[] = [];
    let count = 0;
    let previous: LineRange | undefined;
    for (const range of kept) {
      if (range.start !== previous?.start || range.end !== previous.end) {
        for (const column of Object.values(this.#columns)) {
          column.copyWithin(count, range.start, range.end);
        }
        count += range.end - range.start;
      }
      previous = range;
      moved.push({ start: count - (range.end - range.start), end: count });
    }
    this.#count = count;
    return moved;
  }
}

interface Columns {
  readonly offsets: Uint32Array;
  readonly lines: Int32Array;
  readonly columns: Uint32Array;
  readonly files: Uint32Array;
}

function newColumns(length: number): Columns {
  return {
    offsets: new Uint32Array(length),
    lines: new Int32Array(length),
    columns: new Uint32Array(length),
    files: new Uint32Array(length),
  };
}

function grown(before: Columns): Columns {
  const after = newColumns(Math.min(2 * before.lines.length, LINES_MAX));
  after.offsets.set(before.offsets);
  after.lines.set(before.lines);
  after.columns.set(before.columns);
  after.files.set(before.files);
  return after;
}

function isSorted(offsets: Uint32Array, row: number): boolean {
  return (offsets[row - 1] as number) <= (offsets[row] as number);
}
