import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, globSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { packageRoot } from "../../support/package-root.ts";
import { jitDumpFrames } from "./address-file.ts";
import { JitDump, readJitDump, V8_LINES_OFFSET } from "./jitdump.ts";

const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());

describe("JitDump", () => {
  it("has for an address the line and column of its code, and the script's path", () => {
    const dump = read([
      // V8 adds the size of an ELF header.
      lines(0x1000, [
        { at: 0x1048, line: 4, column: 9, file: "file:///a%20b/x.mjs" },
        { at: 0x1040, line: 3, column: 5, file: "\ufffd" },
      ]),
      load({ index: 1, at: 0x1000, size: 16, name: "JS:*work file:///a%20b/x.mjs:3:14" }),
    ]);
    const places = [0x1000, 0x1007, 0x1008, 0x100f].map((address) => {
      const [frame] = jitDumpFrames(dump, address);
      assert.deepEqual([frame?.name, frame?.file], ["work", "/a b/x.mjs"]);
      return [frame?.line, frame?.column];
    });
    assert.deepEqual(places, [
      [3, 5],
      [3, 5],
      [4, 9],
      [4, 9],
    ]);
  });

  it("says of what was inlined from another script where the function itself begins", () => {
    const dump = read([
      lines(0x1000, [{ at: 0x1040, line: 30, column: 5, file: "/b.js" }]),
      load({ index: 1, at: 0x1000, size: 16, name: "JS:*work /a.js:3:14" }),
    ]);
    const [frame] = jitDumpFrames(dump, 0x1000);
    assert.deepEqual([frame?.file, frame?.line, frame?.column], ["/a.js", 3, 14]);
  });

  it("undoes that V8 names with each line the file of the line before", () => {
    const row = (at: number, line: number, file: string): Line => ({ at: 0x1040 + at, line, file });
    // True are /a.js 1, /b.js 50, /b.js 51, /a.js 2.
    const dump = read([
      lines(0x1000, [
        row(0, 1, "/a.js"),
        row(4, 50, "/a.js"),
        row(8, 51, "/b.js"),
        row(12, 2, "/b.js"),
      ]),
      load({ index: 1, at: 0x1000, size: 16, name: "JS:*work /a.js:1:5" }),
    ]);
    const found = [0, 4, 8].map((at) => dump.lookup(0x1000 + at));
    assert.deepEqual(
      found.map((code) => [code?.file, code?.line]),
      [
        ["/a.js", 1],
        ["/b.js", 50],
        ["/b.js", 51],
      ],
    );
  });

  it("has no column where a runtime other than V8 writes lines", () => {
    const dump = read([
      lines(0x1000, [{ at: 0x1000, line: 3, column: 5, file: "a.py" }]),
      load({ index: 1, at: 0x1000, size: 16, name: "py::f:/a.py" }),
    ]);
    const [frame] = jitDumpFrames(dump, 0x1000);
    assert.equal(frame?.line, 3);
    assert.equal(frame.column, undefined);
  });

  it("follows code that is moved twice, its lines with it", () => {
    const dump = read([
      lines(0x1000, [
        { at: 0x1000, line: 10, file: "a" },
        { at: 0x1008, line: 20, file: "b" },
      ]),
      load({ index: 1, at: 0x1000, size: 16, name: "f" }),
      move({ index: 1, from: 0x1000, to: 0x5000, size: 16 }),
      move({ index: 1, from: 0x5000, to: 0x9000, size: 16 }),
    ]);
    const found = [0x9000, 0x9007, 0x9008].map((address) => dump.lookup(address)?.line);
    assert.deepEqual(found, [10, 10, 20]);
  });

  it("gives lines to the code that they were written for, and to no other", () => {
    const dump = read([
      lines(0x2000, [{ at: 0x2000, line: 7, file: "a" }]),
      load({ index: 1, at: 0x1000, size: 16, name: "other" }),
      load({ index: 2, at: 0x2000, size: 16, name: "late" }),
    ]);
    assert.deepEqual(dump.lookup(0x1000), { name: "other" });
    assert.deepEqual(dump.lookup(0x2000), { name: "late" });
  });

  it("keeps lines apart when it makes room, though a record had none that it could use", () => {
    const again = Array.from({ length: 530_000 }, (_, index) =>
      load({ index: 10 + index, at: 0x90_0000, size: 8, name: "again" }),
    );
    const dump = read([
      lines(0x1000, [{ at: 0x1000, line: 10, file: "a.js" }]),
      load({ index: 1, at: 0x1000, size: 16, name: "a" }),
      lines(0x2000, [{ at: 0x1ff0, line: 20, file: "x.js" }]),
      load({ index: 2, at: 0x2000, size: 16, name: "x" }),
      lines(0x3000, [{ at: 0x3000, line: 30, file: "y.js" }]),
      load({ index: 3, at: 0x3000, size: 16, name: "y" }),
      move({ index: 2, from: 0x2000, to: 0x4000, size: 16 }),
      ...again,
    ]);
    assert.deepEqual(dump.lookup(0x1000), { name: "a", file: "a.js", line: 10 });
    assert.deepEqual(dump.lookup(0x3000), { name: "y", file: "y.js", line: 30 });
    assert.deepEqual(dump.lookup(0x4000), { name: "x" });
  });

  it("loses no code when it has too many lines", () => {
    const many = Array.from({ length: 100_000 }, (_, index) => ({
      at: 0x10_0000 + index,
      line: 1 + index,
      file: "\ufffd",
    }));
    const records = [load({ index: 0, at: 0x100, size: 64, name: "oldest" })];
    for (let index = 1; index <= 25; index++) {
      const at = 0x10_0000 * index;
      const entries = many.map((one) => ({ ...one, at: one.at - 0x10_0000 + at, file: "a" }));
      records.push(lines(at, entries), load({ index, at, size: 100_000, name: `f${index}` }));
    }
    const dump = read(records);
    assert.equal(dump.lookup(0x100)?.name, "oldest");
    assert.deepEqual(dump.lookup(0x10_0000), { name: "f1" });
    assert.equal(dump.lookup(0x10_0000 * 25 + 5)?.line, 6);
  });

  it("reads records that replace one another in parts, too", () => {
    const entries = Array.from({ length: 100_000 }, (_, row) => ({
      at: 0x1000 + row,
      line: 1,
      file: "",
    }));
    const record = lines(0x1000, entries);
    assert.ok(partsOf(Array(10).fill(record)) >= 4);
  });

  it("lets the newest code win however much was written before it", () => {
    const records = [];
    for (let round = 0; round < 600; round++) {
      for (let place = 0; place < 1000; place++) {
        const at = 0x10000 + 64 * place;
        if (round % 100 === 0) records.push(lines(at, [{ at, line: round + 1, file: "a" }]));
        records.push(load({ index: place, at, size: 64, name: `r${round}` }));
      }
    }
    const dump = read([...records, move({ index: 3, from: 0x100c0, to: 0x100, size: 64 })]);
    assert.equal(dump.lookup(0x10000)?.name, "r599");
    assert.equal(dump.lookup(0x10000)?.line, undefined);
    assert.equal(dump.lookup(0x100)?.name, "r599");
  });

  it("counts what it takes, and takes little for records that say nothing", () => {
    const empty = Array.from({ length: 200_000 }, (_, index) => lines(0x1000 + 64 * index, []));
    const dump = read(empty);
    assert.ok(dump.bytes < 1024 * 1024, `${dump.bytes}`);
    const names = Array.from({ length: 3000 }, (_, index) =>
      lines(0x1000, [{ at: 0x1000, line: 1, file: `${index}`.padEnd(4000, "x") }]),
    );
    const named = read(names);
    assert.ok(named.bytes > 8 * 1024 * 1024 && named.bytes < 48 * 1024 * 1024, `${named.bytes}`);
  });
});

describe("the lines of a dump that node wrote", () => {
  it("are in the file that has so many, also of what was inlined from another", () => {
    using own = temporaryFolder();
    const main = own.file("main.cjs");
    const helper = own.file("helper.cjs");
    const blank = 500;
    const body = "exports.help = (v) => {\n let a = v * 31;\n a = a % 65537;\n return a + 1;\n};\n";
    writeFileSync(helper, `${"\n".repeat(blank)}${body}`);
    writeFileSync(main, INLINING);
    execFileSync(process.execPath, ["--perf-prof", main], { cwd: own.path });
    const [path = ""] = globSync(own.file("jit-*.dump"));
    const dump = readJitDump(path);
    let inlined = 0;
    for (const address of codeAddresses(readFileSync(path), "JS:*")) {
      const { file, line = 0 } = dump.lookup(address) ?? {};
      if (file === main) assert.ok(line < 10, `line ${line} of the main script`);
      if (file === helper) inlined++;
    }
    assert.ok(inlined > 0);
  });

  it("begin where V8's do, and stay within their code", () => {
    const script = join(packageRoot(), "test/programs/two_loops.cjs");
    execFileSync(process.execPath, ["--perf-prof", script, "10"], { cwd: folder.path });
    const [path] = globSync(folder.file("jit-[0-9]*[0-9][0-9].dump"));
    const offsets = lineOffsets(readFileSync(path ?? ""));
    assert.ok(offsets.length > 10, `${offsets.length} pieces of code`);
    for (const { first, last, size } of offsets) {
      assert.ok(
        first >= V8_LINES_OFFSET && last - V8_LINES_OFFSET < size,
        `${first} ${last} ${size}`,
      );
    }
    const exact = offsets.filter(({ first }) => first === V8_LINES_OFFSET);
    assert.ok(exact.length > offsets.length / 3, `${exact.length} of ${offsets.length}`);
  });
});

const INLINING = `
const { help } = require("./helper.cjs");
function outer(n) {
  let s = 0;
  for (let i = 0; i < n; i++) { s += help(i); s %= 1e6; s += help(s); }
  return s;
}
for (let i = 0, end = performance.now() + 300; performance.now() < end; i++) outer(10000);
`;

/** All addresses of code whose name begins so. */
function codeAddresses(dump: Buffer, prefix: string): number[] {
  const found: number[] = [];
  for (let at = dump.readUInt32LE(8); at + 16 <= dump.length; at += dump.readUInt32LE(at + 4)) {
    const end = at + dump.readUInt32LE(at + 4);
    if (end > dump.length || end === at) break;
    if (
      dump.readUInt32LE(at) !== 0 ||
      !dump
        .subarray(at + 56)
        .toString("latin1", 0, 8)
        .startsWith(prefix)
    )
      continue;
    const start = Number(dump.readBigUInt64LE(at + 32));
    const size = Number(dump.readBigUInt64LE(at + 40));
    for (let offset = 0; offset < size; offset++) found.push(start + offset);
  }
  return found;
}

/** Of each piece of code that has lines: its first and its last, as they are written, and its size. */
function lineOffsets(dump: Buffer): { first: number; last: number; size: number }[] {
  const found: { first: number; last: number; size: number }[] = [];
  let places: number[] = [];
  for (let at = dump.readUInt32LE(8); at + 16 <= dump.length; at += dump.readUInt32LE(at + 4)) {
    const end = at + dump.readUInt32LE(at + 4);
    if (end > dump.length) break;
    const id = dump.readUInt32LE(at);
    if (id === 2) places = placesOf(dump.subarray(at + 16, end));
    if (id !== 0 || places.length === 0) continue;
    const size = Number(dump.readBigUInt64LE(at + 40));
    found.push({ first: Math.min(...places), last: Math.max(...places), size });
    places = [];
  }
  return found;
}

/** Distances of lines from their code. */
function placesOf(record: Buffer): number[] {
  const code = record.readBigUInt64LE(0);
  const places: number[] = [];
  let at = 16;
  for (let left = Number(record.readBigUInt64LE(8)); left > 0; left--) {
    places.push(Number(record.readBigUInt64LE(at) - code));
    at = record.indexOf(0, at + 16) + 1;
  }
  return places;
}

function read(records: readonly Buffer[]): JitDump {
  return readInParts(records).dump;
}

function partsOf(records: readonly Buffer[]): number {
  return readInParts(records).parts;
}

function readInParts(records: readonly Buffer[]): { dump: JitDump; parts: number } {
  const path = folder.file("jit-1.dump");
  const bytes = Buffer.concat([HEADER, ...records]);
  writeFileSync(path, bytes);
  const fd = openSync(path, "r");
  const dump = new JitDump(path);
  let parts = 1;
  while (!dump.readOn(fd, bytes.length)) parts++;
  closeSync(fd);
  return { dump, parts };
}

const HEADER = Buffer.alloc(40);
HEADER.writeUInt32LE(0x4a69_5444, 0);
HEADER.writeUInt32LE(1, 4);
HEADER.writeUInt32LE(40, 8);

interface Line {
  readonly at: number;
  readonly line: number;
  readonly column?: number;
  readonly file: string;
}

function lines(code: number, entries: readonly Line[]): Buffer {
  const parts = entries.map(({ at, line, column = 0, file }) => {
    const place = Buffer.alloc(8);
    place.writeInt32LE(line, 0);
    place.writeInt32LE(column, 4);
    // One byte that is in no name stands for the name before.
    const name = file === "\ufffd" ? Buffer.of(0xff, 0) : Buffer.from(`${file}\0`);
    return Buffer.concat([words(at), place, name]);
  });
  return record(2, [words(code, entries.length), ...parts]);
}

interface Code {
  readonly index: number;
  readonly at: number;
  readonly size: number;
  readonly name: string;
}

function load({ index, at, size, name }: Code): Buffer {
  return record(0, [words(0, at, at, size, index), Buffer.from(`${name}\0`)]);
}

interface Move {
  readonly index: number;
  readonly from: number;
  readonly to: number;
  readonly size: number;
}

function move({ index, from, to, size }: Move): Buffer {
  return record(1, [words(0, to, from, to, size, index)]);
}

function record(id: number, parts: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(16);
  const body = Buffer.concat(parts);
  head.writeUInt32LE(id, 0);
  head.writeUInt32LE(16 + body.length, 4);
  return Buffer.concat([head, body]);
}

function words(...values: readonly number[]): Buffer {
  return Buffer.from(BigUint64Array.from(values, BigInt).buffer);
}
