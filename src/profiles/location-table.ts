import { Float64Column, Int32Column, Uint64Column } from "./columns.ts";
import { builtIndex, mixHash, type RowIndex } from "./row-index.ts";

/**
 * A place in code: an address in a mapping, a chain of lines, or both. The first line of a
 * location is the innermost inlined function, the last the function that contains them all.
 */
export class LocationTable {
  readonly mapping: Int32Column = new Int32Column();
  readonly address: Uint64Column = new Uint64Column();
  readonly attributeSet: Int32Column = new Int32Column();
  /** Where each row's lines end in the three line columns. */
  readonly lineEnds: Int32Column = new Int32Column();
  readonly lineFunction: Int32Column = new Int32Column();
  readonly lineNumber: Float64Column = new Float64Column();
  readonly lineColumn: Float64Column = new Float64Column();
  #index: RowIndex | undefined;

  get length(): number {
    return this.mapping.length;
  }

  /** Makes room for `count` more rows. */
  reserve(count: number): void {
    for (const column of [this.mapping, this.address, this.attributeSet, this.lineEnds]) {
      column.reserve(count);
    }
  }

  lineStart(row: number): number {
    return row === 0 ? 0 : this.lineEnds.at(row - 1);
  }

  lineEnd(row: number): number {
    return this.lineEnds.at(row);
  }

  /**
   * @param lines  three numbers a line: function index, line, column
   */
  append(
    mapping: number,
    addressLow: number,
    addressHigh: number,
    lines: ArrayLike<number>,
    attributeSet: number,
  ): number {
    for (let i = 0; i + 2 < lines.length; i += 3) {
      this.pushLine(lines[i] as number, lines[i + 1] as number, lines[i + 2] as number);
    }
    return this.endRow(mapping, addressLow, addressHigh, attributeSet);
  }

  /** Adds a line to the row that the next `endRow` makes. */
  pushLine(functionIndex: number, line: number, column: number): void {
    this.lineFunction.push(functionIndex);
    this.lineNumber.push(line);
    this.lineColumn.push(column);
  }

  endRow(mapping: number, addressLow: number, addressHigh: number, attributeSet: number): number {
    const row = this.length;
    this.mapping.push(mapping);
    this.address.push(addressLow, addressHigh);
    this.attributeSet.push(attributeSet);
    this.lineEnds.push(this.lineFunction.length);
    this.#index?.add(this.#hashOf(row), row);
    return row;
  }

  /** As `append`, but returns the equal row when there is one. */
  intern(
    mapping: number,
    addressLow: number,
    addressHigh: number,
    lines: ArrayLike<number>,
    attributeSet: number,
  ): number {
    this.#index ??= builtIndex(this.length, (row) => this.#hashOf(row));
    let hash = locationHash(mapping, addressLow, addressHigh, attributeSet);
    for (let i = 0; i + 2 < lines.length; i += 3) {
      hash = lineHash(hash, lines[i] as number, lines[i + 1] as number, lines[i + 2] as number);
    }
    const found = this.#index.find(
      hash,
      (row) =>
        this.mapping.at(row) === mapping &&
        this.address.low(row) === addressLow >>> 0 &&
        this.address.high(row) === addressHigh >>> 0 &&
        this.attributeSet.at(row) === attributeSet &&
        this.#linesEqual(row, lines),
    );
    return found >= 0 ? found : this.append(mapping, addressLow, addressHigh, lines, attributeSet);
  }

  /** Gives a row other attributes. It keeps its index, so stacks that refer to it stay as they are. */
  replaceAttributeSet(row: number, attributeSet: number): void {
    this.attributeSet.data[row] = attributeSet;
    this.#index = undefined;
  }

  /**
   * Gives rows other lines; a row for which `linesOf` returns undefined keeps its own. Rows keep
   * their indices, so stacks that refer to them stay as they are.
   */
  replaceLines(linesOf: (row: number) => ArrayLike<number> | undefined): void {
    const functions = this.lineFunction.data.slice(0, this.lineFunction.length);
    const numbers = this.lineNumber.data.slice(0, this.lineNumber.length);
    const columns = this.lineColumn.data.slice(0, this.lineColumn.length);
    const ends = this.lineEnds.data.slice(0, this.length);
    for (const column of [this.lineFunction, this.lineNumber, this.lineColumn]) column.length = 0;
    for (let row = 0; row < this.length; row++) {
      const lines = linesOf(row);
      const start = row === 0 ? 0 : (ends[row - 1] as number);
      for (let i = 0; lines !== undefined && i + 2 < lines.length; i += 3) {
        this.pushLine(lines[i] as number, lines[i + 1] as number, lines[i + 2] as number);
      }
      for (let line = start; lines === undefined && line < (ends[row] as number); line++) {
        this.pushLine(functions[line] as number, numbers[line] as number, columns[line] as number);
      }
      this.lineEnds.data[row] = this.lineFunction.length;
    }
    this.#index = undefined;
  }

  #linesEqual(row: number, lines: ArrayLike<number>): boolean {
    const start = this.lineStart(row);
    const count = this.lineEnd(row) - start;
    if (count * 3 !== lines.length) return false;
    for (let i = 0; i < count; i++) {
      if (this.lineFunction.at(start + i) !== lines[3 * i]) return false;
      if (this.lineNumber.at(start + i) !== lines[3 * i + 1]) return false;
      if (this.lineColumn.at(start + i) !== lines[3 * i + 2]) return false;
    }
    return true;
  }

  #hashOf(row: number): number {
    let hash = locationHash(
      this.mapping.at(row),
      this.address.low(row),
      this.address.high(row),
      this.attributeSet.at(row),
    );
    const end = this.lineEnd(row);
    for (let line = this.lineStart(row); line < end; line++) {
      hash = lineHash(
        hash,
        this.lineFunction.at(line),
        this.lineNumber.at(line),
        this.lineColumn.at(line),
      );
    }
    return hash;
  }
}

function locationHash(mapping: number, low: number, high: number, attributeSet: number): number {
  return mixHash(mixHash(mixHash(mixHash(23, mapping), low), high), attributeSet);
}

/** With the column: frames of minified code differ in nothing else. */
function lineHash(hash: number, functionIndex: number, line: number, column: number): number {
  return mixHash(mixHash(mixHash(hash, functionIndex), line), column);
}
