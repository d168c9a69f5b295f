import assert from "node:assert/strict";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { jitDumpFrames } from "./address-file.ts";
import { JitDump } from "./jitdump.ts";

const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());

describe("JitDump", () => {
  it("has for an address the line and column of its code, and the script's path", () => {
    const dump = read([
      lines(0x1000, [
        { at: 0x1008, line: 4, column: 9, file: "file:///a%20b/x.mjs" },
        { at: 0x1000, line: 3, column: 5, file: "\ufffd" },
      ]),
      load({ index: 1, at: 0x1000, size: 16, name: "JS:*work file:///a%20b/x.mjs:3:14" }),
    ]);
    const [frame] = jitDumpFrames(dump, 0x1009);
    const { name, file, line, column } = frame ?? assert.fail();
    assert.deepEqual([name, file, line, column], ["work", "/a b/x.mjs", 4, 9]);
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

function read(records: readonly Buffer[]): JitDump {
  const path = folder.file("jit-1.dump");
  const bytes = Buffer.concat([HEADER, ...records]);
  writeFileSync(path, bytes);
  const fd = openSync(path, "r");
  const dump = new JitDump(path);
  while (!dump.readOn(fd, bytes.length));
  closeSync(fd);
  return dump;
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
