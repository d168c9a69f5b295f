import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { ByteReader } from "../../support/byte-reader.ts";
import {
  CollectorError,
  isCollectorError,
  limitExceeded,
  malformed,
  messageOf,
} from "../../support/errors.ts";
import { CodeMap, NONE } from "./code-map.ts";
import { LINES_MAX, type LineRange, LineTable } from "./line-table.ts";
import { isV8Code, isV8Script } from "./runtime-names.ts";

/** A dump holds the code itself: one of a day may have a gigabyte. */
export const JITDUMP_BYTES_MAX: number = 4 * 1024 ** 3;
/** Read in one go, and records and lines in it: half a second. */
const PART_BYTES = 256 * 1024 * 1024;
const PART_STEPS = 250_000;
/** One record: a function's code and name, or its lines. */
const RECORD_BYTES_MAX = 64 * 1024 * 1024;
/** Read of a record of code: its place and its name, which the code itself follows. */
const LOAD_BYTES_MAX = 8192;
/** Lines of one function. */
const CODE_LINES_MAX = 100_000;
/** A line's address, its line, what else it says, and the end of a name. */
const LINE_RECORD_BYTES = 17;
/** Of all names of files: what has others stays without lines. */
const FILE_NAMES_CHARACTERS_MAX = 8 * 1024 * 1024;
/** A longer path is none. */
const FILE_NAME_CHARACTERS_MAX = 4096;
const HEADER_BYTES = 40;
const RECORD_HEADER_BYTES = 16;
/** "JiTD", as a number of the machine that wrote it. */
const MAGIC = 0x4a695444;

const JIT_CODE_LOAD = 0;
const JIT_CODE_MOVE = 1;
const JIT_CODE_DEBUG_INFO = 2;
const JIT_CODE_CLOSE = 3;

/** Where an address of a dump comes from. */
export interface DumpedCode {
  readonly name: string;
  /** As the runtime wrote it. */
  readonly file?: string;
  readonly line?: number;
  /** V8 has it where the format has a discriminator. */
  readonly column?: number;
}

/** Lines that were written for code which the next record loads. */
interface PendingLines extends LineRange {
  /** Its address. */
  readonly code: number;
  /** Each line names its file, and none says that it is the one before. */
  readonly namesEach: boolean;
}

/**
 * Reads a file to which a runtime wrote its code. The record that was being written when it was
 * stopped is left out. Source: the kernel's tools/perf/Documentation/jitdump-specification.txt.
 *
 * @throws CollectorError NOT_FOUND, INPUT_MALFORMED, LIMIT_EXCEEDED
 */
export function readJitDump(path: string): JitDump {
  let fd: number;
  try {
    // Opening a pipe would wait for who writes to it.
    if (!statSync(path).isFile()) throw malformed(path, "is no regular file");
    fd = openSync(path, "r");
  } catch (error) {
    if (isCollectorError(error)) throw error;
    throw new CollectorError("NOT_FOUND", `${path} cannot be read: ${messageOf(error)}`);
  }
  try {
    const { size } = fstatSync(fd);
    if (size > JITDUMP_BYTES_MAX) throw limitExceeded(path, "bytes", size, JITDUMP_BYTES_MAX);
    const dump = new JitDump(path);
    while (!dump.readOn(fd, size));
    return dump;
  } finally {
    closeSync(fd);
  }
}

/** The code of a dump that grows, by its addresses; the newest counts. */
export class JitDump {
  readonly #path: string;
  readonly #codes = new CodeMap();
  readonly #lines = new LineTable();
  /** By row of the code. */
  #ranges = new Map<number, LineRange>();
  #pending: PendingLines | undefined;
  /** By the runtime's number of the code, which MOVE names. */
  #rows = new Map<bigint, number>();
  readonly #files: string[] = [];
  readonly #fileNumbers = new Map<string, number>();
  #fileCharacters = 0;
  /** Records and lines that were read. */
  #steps = 0;
  #littleEndian = true;
  /** Where the next record begins; 0 before the header was read. */
  #at = 0;
  #isClosed = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Memory that it takes, about. */
  get bytes(): number {
    const entries = this.#rows.size + this.#ranges.size + this.#files.length;
    const tables = this.#codes.bytes + this.#lines.bytes;
    return tables + ENTRY_BYTES * entries + 2 * this.#fileCharacters;
  }

  /** Whether a file of that size may be the one that was read, and more of it. */
  isGrown(size: number): boolean {
    return size >= this.#at;
  }

  /**
   * Reads what was written since the last time, in parts; a record that is not whole is read when
   * it is.
   *
   * @returns whether that was all; else it is called again
   * @throws INPUT_MALFORMED  it is no jitdump
   */
  readOn(fd: number, size: number): boolean {
    const file = new Window(fd);
    if (this.#at === 0) this.#readHeader(file, size);
    const partEnd = this.#at + PART_BYTES;
    const stepsMax = this.#steps + PART_STEPS;
    while (!this.#isClosed && this.#at + RECORD_HEADER_BYTES <= size) {
      if (this.#at > partEnd || this.#steps > stepsMax) return false;
      const head = file.read(this.#at, RECORD_HEADER_BYTES);
      const record = new ByteReader(head, this.#path, this.#littleEndian);
      const id = record.u32();
      const bytes = record.u32();
      if (bytes < RECORD_HEADER_BYTES || id === JIT_CODE_CLOSE) {
        this.#isClosed = true;
        break;
      }
      if (this.#at + bytes > size) break;
      if (id <= JIT_CODE_DEBUG_INFO && bytes <= RECORD_BYTES_MAX) {
        const wanted = id === JIT_CODE_DEBUG_INFO ? bytes : Math.min(bytes, LOAD_BYTES_MAX);
        const start = this.#at + RECORD_HEADER_BYTES;
        this.#take(id, file.read(start, wanted - RECORD_HEADER_BYTES));
        this.#steps++;
      }
      this.#at += bytes;
    }
    return true;
  }

  #readHeader(file: Window, size: number): void {
    const header = file.read(0, Math.min(HEADER_BYTES, size));
    if (header.length < HEADER_BYTES) throw malformed(this.#path, "is too short for a jitdump");
    this.#littleEndian = new ByteReader(header, this.#path).u32() === MAGIC;
    const reader = new ByteReader(header, this.#path, this.#littleEndian);
    if (reader.u32() !== MAGIC) throw malformed(this.#path, "is no jitdump file");
    reader.skip(4);
    this.#at = Math.max(reader.u32(), HEADER_BYTES);
  }

  lookup(address: number): DumpedCode | undefined {
    const row = this.#codes.rowAt(address);
    if (row === NONE) return undefined;
    const { name, start } = this.#codes.code(row);
    const range = this.#ranges.get(row);
    const shift = isV8Code(name) ? V8_LINES_OFFSET : 0;
    const found = range && this.#lines.find(range, address - start + shift);
    const file = found && this.#files[found.file];
    if (found === undefined || file === undefined) return { name };
    const { line, column } = found;
    return { name, file, ...(line > 0 && { line }), ...(line > 0 && column > 0 && { column }) };
  }

  /** A broken record costs itself: its length led to the next one. */
  #take(id: number, body: Uint8Array): void {
    const reader = new ByteReader(body, `${this.#path} at ${this.#at}`, this.#littleEndian);
    try {
      if (id === JIT_CODE_LOAD) this.#load(reader);
      else if (id === JIT_CODE_MOVE) this.#move(reader);
      else this.#debugInfo(reader);
    } catch {
      // What it says is not known.
    }
  }

  #load(reader: ByteReader): void {
    reader.skip(8 + 8);
    const address = reader.u64Number("code_addr");
    const size = reader.u64Number("code_size");
    const index = reader.u64();
    const name = reader.cString();
    const row = this.#add(address, size, Buffer.from(name));
    const pending = this.#pending;
    if (row === NONE || pending?.code !== address) this.#dropPending();
    else this.#ranges.set(row, this.#ownLines(pending, name));
    this.#pending = undefined;
    if (row !== NONE) this.#rows.set(index, row);
  }

  /**
   * V8 that names each line's file writes with each the file of the line before: it looks at the
   * name before it goes on to the next. Source: LogWriteDebugInfo in src/diagnostics/perf-jit.cc.
   */
  #ownLines({ start, end, namesEach }: PendingLines, name: string): LineRange {
    if (namesEach && isV8Script(name)) this.#lines.advanceFiles({ start, end });
    this.#lines.sort({ start, end });
    return { start, end };
  }

  #move(reader: ByteReader): void {
    // pid and tid, vma, old_code_addr.
    reader.skip(8 + 8 + 8);
    const address = reader.u64Number("new_code_addr");
    const size = reader.u64Number("code_size");
    const index = reader.u64();
    const before = this.#rows.get(index);
    if (before === undefined) return;
    const name = Buffer.from(this.#codes.code(before).name);
    const row = this.#add(address, size, name);
    if (row === NONE) return;
    // What was known of the code is looked up again: making room gives other numbers.
    const range = this.#ranges.get(this.#rows.get(index) ?? NONE);
    if (range !== undefined) this.#ranges.set(row, range);
    this.#rows.set(index, row);
  }

  #debugInfo(reader: ByteReader): void {
    this.#dropPending();
    const code = reader.u64Number("code_addr");
    const said = reader.u64Number("nr_entry");
    const held = Math.floor(reader.remaining / LINE_RECORD_BYTES);
    const count = Math.min(said, held, CODE_LINES_MAX);
    if (count === 0) return;
    this.#steps += count;
    if (this.#lines.count + count > LINES_MAX) this.#forgetLines(this.#ranges, undefined);
    const start = this.#lines.count;
    let file: number | undefined;
    let namesEach = true;
    for (let left = count; left > 0; left--) {
      const offset = reader.u64Number("code_addr") - code;
      const line = reader.i32();
      const column = reader.u32();
      const named = reader.cString();
      // A byte that is in no name stands for the file before.
      if (named === "\ufffd") namesEach = false;
      else file = this.#fileNumber(named);
      this.#lines.add({ offset, line, column, file: file ?? NO_FILE });
    }
    const end = this.#lines.count;
    if (end === start) return;
    this.#pending = { code, start, end, namesEach };
  }

  /** They were the last that was added. */
  #dropPending(): void {
    if (this.#pending !== undefined) this.#lines.cutTo(this.#pending.start);
    this.#pending = undefined;
  }

  #add(address: number, size: number, name: Uint8Array): number {
    const row = this.#codes.add(address, size, name);
    if (row !== NONE || !this.#codes.isFull) return row;
    this.#forget();
    return this.#codes.add(address, size, name);
  }

  /** Makes room for code. */
  #forget(): void {
    const kept = this.#codes.forget();
    const rows = new Map(kept.entries().map(([row, before]) => [before, row]));
    this.#rows = new Map(movedValues(this.#rows, rows));
    const ranges = new Map<number, LineRange>();
    for (const [row, before] of kept.entries()) {
      const range = this.#ranges.get(before);
      if (range !== undefined) ranges.set(row, range);
    }
    this.#forgetLines(ranges, this.#pending);
  }

  /** Keeps the lines of code that still is there, of the oldest code none if there are many. */
  #forgetLines(ranges: ReadonlyMap<number, LineRange>, pending: PendingLines | undefined): void {
    const kept: { row: number; range: LineRange }[] = [];
    let lineCount = 0;
    for (const [row, range] of [...ranges].sort(([a], [b]) => b - a)) {
      lineCount += range.end - range.start;
      if (lineCount > LINES_MAX / 2) break;
      kept.push({ row, range });
    }
    kept.sort((a, b) => a.range.start - b.range.start);
    // Behind all others: they were added last.
    if (pending !== undefined) kept.push({ row: NONE, range: pending });
    const moved = this.#lines.keep(kept.map(({ range }) => range));
    this.#ranges = new Map(kept.map(({ row }, index) => [row, moved[index] as LineRange]));
    this.#ranges.delete(NONE);
    const last = moved.at(-1);
    if (pending !== undefined && last !== undefined) this.#pending = { ...pending, ...last };
  }

  /** Undefined when there is no room for the name. */
  #fileNumber(file: string): number | undefined {
    const known = this.#fileNumbers.get(file);
    if (known !== undefined) return known;
    const characters = this.#fileCharacters + file.length;
    const hasRoom = characters <= FILE_NAMES_CHARACTERS_MAX;
    if (!hasRoom || file.length > FILE_NAME_CHARACTERS_MAX) return undefined;
    this.#fileCharacters = characters;
    const number = this.#files.push(file) - 1;
    this.#fileNumbers.set(file, number);
    return number;
  }
}

/** Rows by the runtime's numbers, of the code that is still known. */
function* movedValues(
  rows: ReadonlyMap<bigint, number>,
  moved: ReadonlyMap<number, number>,
): Generator<[bigint, number]> {
  for (const [index, before] of rows) {
    const row = moved.get(before);
    if (row !== undefined) yield [index, row];
  }
}

/**
 * V8 adds the size of the ELF header to the addresses of its lines, where `perf inject` puts one
 * before the code. Source: kElfHeaderSize in its src/diagnostics/perf-jit.cc.
 */
export const V8_LINES_OFFSET = 64;

/** Of a map's entry, about. */
const ENTRY_BYTES = 64;
/** The file of a line whose name is none, or that there is no room for. */
const NO_FILE = 2 ** 32 - 1;

/** Bytes that are read at once: most records have some hundreds. */
const WINDOW_BYTES = 256 * 1024;

/** Reads a file from its start to its end, small pieces together. */
class Window {
  readonly #fd: number;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Fewer bytes where the file ends; a view until the next call. */
  read(offset: number, length: number): Uint8Array {
    const at = offset - this.#start;
    if (at >= 0 && at + length <= this.#bytes.length) return this.#bytes.subarray(at, at + length);
    this.#bytes = readAt(this.#fd, offset, Math.max(length, WINDOW_BYTES));
    this.#start = offset;
    return this.#bytes.subarray(0, length);
  }
}

function readAt(fd: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const count = readSync(fd, bytes, filled, length - filled, offset + filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.subarray(0, filled);
}
