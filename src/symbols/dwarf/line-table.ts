import { limitExceeded, malformed } from "../../support/errors.ts";
import { lastAtOrBefore } from "../../support/sorted-search.ts";
import { NO_ADDRESS } from "./address-space.ts";
import { DwarfCursor } from "./dwarf-cursor.ts";
import { type LineHeader, readLineHeader } from "./line-header.ts";
import type { Unit } from "./unit.ts";
import { unitLength } from "./unit-header.ts";

/** Rows of one program; a program linked as one has 8 million. They take 162 MB. */
const ROWS_MAX = 9_000_000;
/** Bytes of one program; the same has 25 MB. */
const PROGRAM_BYTES_MAX = 32 * 1024 * 1024;
/** A row has one byte at least; few programs are as large. */
const LARGE_PROGRAM_BYTES = 4 * 1024 * 1024;
/** A row takes some three bytes of the program: room for all of most programs at once. */
const BYTES_PER_ROW = 2.5;
/** Columns above it are counted as not known. */
const COLUMN_MAX = 0xffff;

/** What a program costs before its first row, in bytes of rows. */
const TABLE_COST = 512;
/** A length in the 64-bit format. */
const LENGTH_BYTES = 12;

const DW_LNS_copy = 1;
const DW_LNS_advance_pc = 2;
const DW_LNS_advance_line = 3;
const DW_LNS_set_file = 4;
const DW_LNS_set_column = 5;
const DW_LNS_const_add_pc = 8;
const DW_LNS_fixed_advance_pc = 9;
const DW_LNE_end_sequence = 1;
const DW_LNE_set_address = 2;

/** Where an address comes from. */
export interface SourcePlace {
  readonly file: string | undefined;
  /** 0 when it is not known; so is the column. */
  readonly line: number;
  readonly column: number;
}

/** The rows of a unit's line-number program. Source: DWARF 5, section 6.2. */
export class LineTable {
  readonly #header: LineHeader;
  #addresses: Float64Array<ArrayBuffer>;
  #lines: Uint32Array<ArrayBuffer>;
  #files: Uint32Array<ArrayBuffer>;
  #columns: Uint16Array<ArrayBuffer>;
  #count = 0;
  /** Of the sequence that is being read. */
  #first = 0;
  /** Of each sequence, in the order of their ends: its end, and its first and last rows. */
  #ends = new Float64Array(0);
  #firsts = new Uint32Array(0);
  #lasts = new Uint32Array(0);

  /** @throws INPUT_MALFORMED, LIMIT_EXCEEDED */
  constructor(unit: Unit, offset: number) {
    const { work } = unit.file;
    work.spend(".debug_line", 0);
    const bytes = programBytes(unit, offset);
    work.spend(".debug_line", bytes.length + TABLE_COST);
    const cursor = new DwarfCursor(bytes, ".debug_line", unit.encoding.littleEndian);
    this.#header = readLineHeader(cursor, unit);
    const { start, end } = this.#header;
    const rows = Math.min(1 + Math.ceil(Math.max(end - start, 0) / BYTES_PER_ROW), ROWS_MAX);
    this.#addresses = new Float64Array(rows);
    this.#lines = new Uint32Array(rows);
    this.#files = new Uint32Array(rows);
    this.#columns = new Uint16Array(rows);
    try {
      this.#run(unit, bytes);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  /** Gives the memory back at once: a collector of garbage sees little need to. Not used after it. */
  release(): void {
    for (const { buffer } of [this.#addresses, this.#lines, this.#files, this.#columns]) {
      buffer.transfer(0);
    }
  }

  get rowCount(): number {
    return this.#count;
  }

  /** A file of the program by its number. */
  path(file: number): string | undefined {
    return this.#header.files.path(file);
  }

  /** Start and end of each sequence, by turns. */
  get sequences(): number[] {
    return Array.from(this.#ends).flatMap((end, index) => [
      this.#addresses[this.#firsts[index] as number] as number,
      end,
    ]);
  }

  /** Where rows begin and sequences end, in any order. */
  get bounds(): Float64Array[] {
    return [this.#addresses.subarray(0, this.#count), this.#ends];
  }

  /** Where the code at an address comes from; of several rows at one address the last counts. */
  find(address: number): SourcePlace | undefined {
    const sequence = lastAtOrBefore(this.#ends, address) + 1;
    if (sequence >= this.#ends.length) return undefined;
    const first = this.#firsts[sequence] as number;
    if (address < (this.#addresses[first] as number)) return undefined;
    const last = this.#lasts[sequence] as number;
    const row = lastAtOrBefore(this.#addresses, address, first, last);
    const line = this.#lines[row] as number;
    return {
      file: this.path(this.#files[row] as number),
      line,
      column: this.#columns[row] as number,
    };
  }

  #run(unit: Unit, bytes: Uint8Array): void {
    const { start, end } = this.#header;
    const { littleEndian } = this.#header.encoding;
    const program = bytes.subarray(0, end);
    const sequences = new Sequences();
    const cursor = new DwarfCursor(program, ".debug_line", littleEndian, Math.min(start, end));
    try {
      this.#execute(cursor, unit, sequences);
    } catch (error) {
      // What came before is as good as ever.
      if (sequences.count === 0) throw error;
      this.#count = sequences.lasts.at(-1) as number;
    }
    const order = sequences.order();
    this.#ends = Float64Array.from(order, (index) => sequences.ends[index] as number);
    this.#firsts = Uint32Array.from(order, (index) => sequences.firsts[index] as number);
    this.#lasts = Uint32Array.from(order, (index) => sequences.lasts[index] as number);
  }

  #execute(cursor: DwarfCursor, unit: Unit, sequences: Sequences): void {
    const { instructionBytes, lineBase, lineRange, opcodeBase, operandCounts, encoding } =
      this.#header;
    const { space } = unit.file;
    const constAdd = lineRange === 0 ? 0 : Math.floor((255 - opcodeBase) / lineRange);
    let address = 0;
    let line = 1;
    let file = 1;
    let column = 0;
    while (cursor.at < cursor.end) {
      const opcode = cursor.u8();
      if (opcode >= opcodeBase) {
        if (lineRange === 0) throw cursor.error("a special opcode, and a line range of 0");
        const adjusted = opcode - opcodeBase;
        const advance = (adjusted / lineRange) | 0;
        address += advance * instructionBytes;
        line += lineBase + (adjusted - advance * lineRange);
        this.#push(address, line, file, column);
        continue;
      }
      switch (opcode) {
        case 0: {
          const length = cursor.uleb();
          const next = cursor.at + length;
          if (length === 0) break;
          const extended = cursor.u8();
          if (extended === DW_LNE_end_sequence) {
            this.#endSequence(unit, sequences, address);
            address = column = 0;
            line = file = 1;
          } else if (extended === DW_LNE_set_address) {
            address = space.read(cursor, length - 1 === 8 ? 8 : encoding.addressBytes);
            // The rows of code that is gone lead nowhere.
            if (address === NO_ADDRESS) address = Number.NEGATIVE_INFINITY;
          }
          cursor.at = next;
          break;
        }
        case DW_LNS_copy:
          this.#push(address, line, file, column);
          break;
        case DW_LNS_advance_pc:
          address += cursor.uleb() * instructionBytes;
          break;
        case DW_LNS_advance_line:
          line += cursor.sleb();
          break;
        case DW_LNS_set_file:
          file = cursor.uleb();
          break;
        case DW_LNS_set_column:
          column = cursor.uleb();
          break;
        case DW_LNS_const_add_pc:
          address += constAdd * instructionBytes;
          break;
        case DW_LNS_fixed_advance_pc:
          address += cursor.u16();
          break;
        default:
          for (let left = operandCounts[opcode] as number; left > 0; left--) cursor.skipLeb();
      }
    }
  }

  /** Keeps the rows since the first; not those of code that is gone. */
  #endSequence(unit: Unit, sequences: Sequences, end: number): void {
    const first = this.#first;
    const start = this.#addresses[first] as number;
    const isThere = first < this.#count && end > start && unit.file.space.isCode(start);
    if (isThere) sequences.add(end, first, this.#count);
    else this.#count = first;
    this.#first = this.#count;
  }

  #push(address: number, line: number, file: number, column: number): void {
    let row = this.#count;
    // Of several at one address the last counts.
    if (row > this.#first && this.#addresses[row - 1] === address) row--;
    if (row >= this.#addresses.length) this.#grow();
    this.#addresses[row] = address;
    this.#lines[row] = line;
    this.#files[row] = file;
    this.#columns[row] = column > COLUMN_MAX ? 0 : column;
    this.#count = row + 1;
  }

  #grow(): void {
    const rows = this.#addresses.length;
    if (rows >= ROWS_MAX) throw limitExceeded(".debug_line", "rows", rows + 1, ROWS_MAX);
    // A row has a byte at least. What is not written takes no memory.
    const { start, end } = this.#header;
    const length = Math.min(end - start + 1, ROWS_MAX);
    this.#addresses = grown(this.#addresses, new Float64Array(length));
    this.#lines = grown(this.#lines, new Uint32Array(length));
    this.#files = grown(this.#files, new Uint32Array(length));
    this.#columns = grown(this.#columns, new Uint16Array(length));
  }
}

/** What was there is given back at once. */
function grown<Column extends LineColumn>(before: Column, after: Column): Column {
  after.set(before);
  before.buffer.transfer(0);
  return after;
}

type LineColumn = Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

/** Whether the rows of a unit may be as many as are kept of all others. False when it has none. */
export function hasLargeLines({ file, encoding, root }: Unit): boolean {
  const section = file.section("line");
  const left = (section?.size ?? 0) - root.stmtList;
  if (section === undefined || root.stmtList < 0 || left < LARGE_PROGRAM_BYTES) return false;
  const head = section.read(root.stmtList, LENGTH_BYTES);
  const cursor = new DwarfCursor(head, section.name, encoding.littleEndian);
  return Math.min(unitLength(cursor).bytes, left) >= LARGE_PROGRAM_BYTES;
}

/** The one program that begins at an offset, with its header. */
function programBytes(unit: Unit, offset: number): Uint8Array {
  const section = unit.file.section("line");
  const left = (section?.size ?? 0) - offset;
  if (section === undefined || !(offset >= 0 && left > 0)) {
    throw malformed(".debug_line", `no program is at ${offset}`);
  }
  const head = section.read(offset, Math.min(LENGTH_BYTES, left));
  const cursor = new DwarfCursor(head, section.name, unit.encoding.littleEndian);
  const length = Math.min(unitLength(cursor).bytes + cursor.at, left);
  if (length > PROGRAM_BYTES_MAX) {
    throw limitExceeded(section.name, "bytes of a program", length, PROGRAM_BYTES_MAX);
  }
  return section.read(offset, length);
}

class Sequences {
  readonly ends: number[] = [];
  readonly firsts: number[] = [];
  readonly lasts: number[] = [];

  get count(): number {
    return this.ends.length;
  }

  add(end: number, first: number, last: number): void {
    this.ends.push(end);
    this.firsts.push(first);
    this.lasts.push(last);
  }

  order(): number[] {
    const order = Array.from(this.ends.keys());
    return order.sort((a, b) => (this.ends[a] as number) - (this.ends[b] as number));
  }
}
