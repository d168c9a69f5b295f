import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { ByteReader } from "../../support/byte-reader.ts";
import { CollectorError, isCollectorError, malformed, messageOf } from "../../support/errors.ts";
import { lastAtOrBefore } from "../../support/sorted-search.ts";
import { CodeMap, NONE } from "./code-map.ts";

/** A dump holds the code itself: one of a day may have a gigabyte. */
const FILE_BYTES_MAX = 4 * 1024 ** 3;
/** One record: a function's code and name, or its lines. */
const RECORD_BYTES_MAX = 64 * 1024 * 1024;
/** Read of a record of code: its place and its name, which the code itself follows. */
const LOAD_BYTES_MAX = 8192;
/** Lines of all code; 32 MB. */
const LINES_MAX = 2_000_000;
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
  readonly file?: string;
  readonly line?: number;
}

/** The lines of one piece of code, by their addresses. */
interface CodeLines {
  readonly addresses: Float64Array;
  readonly lines: Int32Array;
  /** Of each line its file, by the dump's numbers of them. */
  readonly files: Uint32Array;
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
    const dump = new JitDump(path);
    dump.readOn(fd, fstatSync(fd).size);
    return dump;
  } finally {
    closeSync(fd);
  }
}

/** The code of a dump that grows, by its addresses; the newest counts. */
export class JitDump {
  readonly #path: string;
  readonly #codes = new CodeMap();
  /** By row of the code. */
  readonly #lines = new Map<number, CodeLines>();
  /** Of code that the next records load, by its address. */
  readonly #pendingLines = new Map<number, CodeLines>();
  /** By the runtime's number of the code, which MOVE names. */
  readonly #rows = new Map<string, number>();
  readonly #files: string[] = [];
  readonly #fileNumbers = new Map<string, number>();
  #lineCount = 0;
  #littleEndian = true;
  /** Where the next record begins; 0 before the header was read. */
  #at = 0;
  #isClosed = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Memory that it takes, about. */
  get bytes(): number {
    return this.#codes.bytes + LINE_BYTES * this.#lineCount + ROW_BYTES * this.#rows.size;
  }

  /** Whether a file of that size may be the one that was read, and more of it. */
  isGrown(size: number): boolean {
    return size >= this.#at;
  }

  /**
   * Reads what was written since the last time; a record that is not whole is read the next time.
   *
   * @throws INPUT_MALFORMED  it is no jitdump
   */
  readOn(fd: number, fileSize: number): void {
    const size = Math.min(fileSize, FILE_BYTES_MAX);
    const file = new Window(fd);
    if (this.#at === 0) this.#readHeader(file, size);
    while (!this.#isClosed && this.#at + RECORD_HEADER_BYTES <= size) {
      const head = file.read(this.#at, RECORD_HEADER_BYTES);
      const record = new ByteReader(head, this.#path, this.#littleEndian);
      const id = record.u32();
      const bytes = record.u32();
      if (bytes < RECORD_HEADER_BYTES || id === JIT_CODE_CLOSE) {
        this.#isClosed = true;
        return;
      }
      if (this.#at + bytes > size) return;
      if (id <= JIT_CODE_DEBUG_INFO && bytes <= RECORD_BYTES_MAX) {
        const wanted = id === JIT_CODE_DEBUG_INFO ? bytes : Math.min(bytes, LOAD_BYTES_MAX);
        const start = this.#at + RECORD_HEADER_BYTES;
        this.#take(id, file.read(start, wanted - RECORD_HEADER_BYTES));
      }
      this.#at += bytes;
    }
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
    const { name } = this.#codes.code(row);
    const known = this.#lines.get(row);
    const index = known === undefined ? -1 : lastAtOrBefore(known.addresses, address);
    if (known === undefined || index < 0) return { name };
    const line = known.lines[index] as number;
    const file = this.#files[known.files[index] as number];
    return { name, ...(file !== undefined && { file }), ...(line > 0 && { line }) };
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
    const index = reader.u64().toString();
    const row = this.#codes.add(address, size, Buffer.from(reader.cString()));
    const lines = this.#pendingLines.get(address);
    this.#pendingLines.clear();
    if (row === NONE) return;
    this.#rows.set(index, row);
    if (lines !== undefined) this.#lines.set(row, lines);
  }

  #move(reader: ByteReader): void {
    reader.skip(8 + 8);
    const before = reader.u64Number("old_code_addr");
    const after = reader.u64Number("new_code_addr");
    const size = reader.u64Number("code_size");
    const row = this.#rows.get(reader.u64().toString());
    if (row === undefined) return;
    const moved = this.#codes.add(after, size, Buffer.from(this.#codes.code(row).name));
    const known = this.#lines.get(row);
    if (moved === NONE || known === undefined) return;
    this.#lineCount += known.lines.length;
    if (this.#lineCount > LINES_MAX) return;
    const addresses = known.addresses.map((address) => address + after - before);
    this.#lines.set(moved, { ...known, addresses });
  }

  #debugInfo(reader: ByteReader): void {
    const code = reader.u64Number("code_addr");
    const count = reader.u64Number("nr_entry");
    const entries: { address: number; line: number; file: number }[] = [];
    let file = 0;
    for (let left = count; left > 0 && this.#lineCount < LINES_MAX; left--) {
      const address = reader.u64Number("code_addr");
      const line = reader.i32();
      reader.skip(4);
      const named = reader.cString();
      // A byte that is in no name stands for the file before.
      if (named !== "\ufffd") file = this.#fileNumber(named);
      entries.push({ address, line, file });
      this.#lineCount++;
    }
    entries.sort((a, b) => a.address - b.address);
    this.#pendingLines.set(code, {
      addresses: Float64Array.from(entries, ({ address }) => address),
      lines: Int32Array.from(entries, ({ line }) => line),
      files: Uint32Array.from(entries, (entry) => entry.file),
    });
  }

  #fileNumber(file: string): number {
    return this.#fileNumbers.getOrInsertComputed(file, () => this.#files.push(file) - 1);
  }
}

/** Of a line, in its three columns. */
const LINE_BYTES = 16;
/** Of the runtime's number of a piece of code. */
const ROW_BYTES = 64;

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
