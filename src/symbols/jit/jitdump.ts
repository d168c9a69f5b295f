import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { ByteReader } from "../../support/byte-reader.ts";
import { CollectorError, malformed, messageOf } from "../../support/errors.ts";
import { CodeMap, NONE } from "./code-map.ts";

/** A dump holds the code itself: one of a day may have a gigabyte. */
const FILE_BYTES_MAX = 4 * 1024 ** 3;
/** One record: a function's code and name, or its lines. */
const RECORD_BYTES_MAX = 64 * 1024 * 1024;
/** Lines of all code. */
const LINES_MAX = 4_000_000;
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

interface LineEntry {
  readonly address: number;
  readonly line: number;
  readonly file: string;
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
    fd = openSync(path, "r");
  } catch (error) {
    throw new CollectorError("NOT_FOUND", `${path} cannot be read: ${messageOf(error)}`);
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw malformed(path, "is no regular file");
    return new JitDump(path, fd, Math.min(stats.size, FILE_BYTES_MAX));
  } finally {
    closeSync(fd);
  }
}

/** The code of a dump, by its addresses; the newest counts. */
export class JitDump {
  readonly #path: string;
  readonly #fd: number;
  readonly #codes = new CodeMap();
  /** By row of the code. */
  readonly #lines = new Map<number, readonly LineEntry[]>();
  /** Of code that the next records load, by its address. */
  readonly #pendingLines = new Map<number, readonly LineEntry[]>();
  /** By the runtime's number of the code, which MOVE names. */
  readonly #rows = new Map<string, number>();
  #lineCount = 0;

  constructor(path: string, fd: number, size: number) {
    this.#path = path;
    this.#fd = fd;
    const header = this.#read(0, Math.min(HEADER_BYTES, size));
    if (header.length < HEADER_BYTES) throw malformed(path, "is too short for a jitdump");
    const littleEndian = new ByteReader(header, path).u32() === MAGIC;
    const reader = new ByteReader(header, path, littleEndian);
    if (reader.u32() !== MAGIC) throw malformed(path, "is no jitdump file");
    reader.skip(4);
    let at = reader.u32();
    while (at >= HEADER_BYTES && at + RECORD_HEADER_BYTES <= size) {
      const record = new ByteReader(this.#read(at, RECORD_HEADER_BYTES), path, littleEndian);
      const id = record.u32();
      const bytes = record.u32();
      if (bytes < RECORD_HEADER_BYTES || at + bytes > size || id === JIT_CODE_CLOSE) break;
      const isWanted = id <= JIT_CODE_DEBUG_INFO && bytes <= RECORD_BYTES_MAX;
      if (isWanted) this.#take(id, at, bytes, littleEndian);
      at += bytes;
    }
  }

  lookup(address: number): DumpedCode | undefined {
    const row = this.#codes.rowAt(address);
    if (row === NONE) return undefined;
    const { name } = this.#codes.code(row);
    const entry = this.#lines.get(row)?.findLast((one) => one.address <= address);
    if (entry === undefined) return { name };
    return { name, file: entry.file, ...(entry.line > 0 && { line: entry.line }) };
  }

  /** A broken record costs itself: its length led to the next one. */
  #take(id: number, at: number, bytes: number, littleEndian: boolean): void {
    const start = at + RECORD_HEADER_BYTES;
    const body = this.#read(start, bytes - RECORD_HEADER_BYTES);
    const reader = new ByteReader(body, `${this.#path} at ${at}`, littleEndian);
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
    const lines = this.#lines.get(row);
    if (moved === NONE || lines === undefined) return;
    const shift = after - before;
    this.#lines.set(
      moved,
      lines.map((one) => ({ ...one, address: one.address + shift })),
    );
  }

  #debugInfo(reader: ByteReader): void {
    const code = reader.u64Number("code_addr");
    const count = reader.u64Number("nr_entry");
    const lines: LineEntry[] = [];
    let file = "";
    for (let left = count; left > 0 && this.#lineCount < LINES_MAX; left--) {
      const address = reader.u64Number("code_addr");
      const line = reader.i32();
      reader.skip(4);
      const named = reader.cString();
      // A byte that is in no name stands for the file before.
      if (named !== "\ufffd") file = named;
      lines.push({ address, line, file });
      this.#lineCount++;
    }
    this.#pendingLines.set(
      code,
      lines.sort((a, b) => a.address - b.address),
    );
  }

  #read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const count = readSync(this.#fd, bytes, filled, length - filled, offset + filled);
      if (count === 0) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  }
}
