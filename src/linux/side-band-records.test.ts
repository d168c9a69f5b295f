import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCollectorError } from "../support/errors.ts";
import { mappingPath } from "./process-mapping.ts";
import { readSideBandRecord } from "./side-band-records.ts";

const TIME_NS = 123_456_789_012_345_678n;

/** A record of the layout on top of side-band-records.ts. */
function recordOf(type: number, misc: number, body: Uint8Array): Uint8Array {
  const padded = (body.length + 7) & ~7;
  const bytes = new Uint8Array(8 + padded + 16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint16(4, misc, true);
  view.setUint16(6, bytes.length, true);
  bytes.set(body, 8);
  view.setBigUint64(8 + padded, TIME_NS, true);
  view.setUint32(16 + padded, 3, true);
  return bytes;
}

function u32s(...values: number[]): number[] {
  return [...new Uint8Array(Uint32Array.from(values).buffer)];
}

function u64s(...values: bigint[]): number[] {
  return [...new Uint8Array(BigUint64Array.from(values).buffer)];
}

const text = (value: string): number[] => [...Buffer.from(`${value}\0`)];
const stamp = { timeNs: TIME_NS, cpu: 3 };

const START = 0x7fff_1234_5000n;
const range = { start: START, end: START + 0x2000n, fileOffset: 0x1000n };
const mmapHead = [...u32s(10, 11), ...u64s(START, 0x2000n, 0x1000n)];

const cases = [
  {
    name: "a mapping with device and inode",
    bytes: recordOf(
      10,
      2,
      Uint8Array.from([
        ...mmapHead,
        ...u32s(254, 7),
        ...u64s(99n, 1n),
        ...u32s(5, 2),
        ...text("/usr/bin/a b"),
      ]),
    ),
    record: {
      kind: "mmap",
      ...stamp,
      pid: 10,
      mapping: {
        ...range,
        path: "/usr/bin/a b",
        buildId: "",
        device: { major: 254, minor: 7 },
        inode: 99n,
      },
    },
  },
  {
    name: "a mapping with a build id",
    bytes: recordOf(
      10,
      1 << 14,
      Uint8Array.from([
        ...mmapHead,
        20,
        0,
        0,
        0,
        ...new Array(19).fill(0xab),
        0x01,
        ...u32s(5, 2),
        ...text("/lib/x.so (deleted)"),
      ]),
    ),
    record: {
      kind: "mmap",
      ...stamp,
      pid: 10,
      mapping: {
        ...range,
        path: "/lib/x.so",
        buildId: `${"ab".repeat(19)}01`,
        device: { major: 0, minor: 0 },
        inode: 0n,
      },
    },
  },
  {
    name: "a build id that claims to be longer than its field",
    bytes: recordOf(
      10,
      1 << 14,
      Uint8Array.from([
        ...mmapHead,
        255,
        0,
        0,
        0,
        ...new Array(20).fill(0xcd),
        ...u32s(5, 2),
        ...text("//anon"),
      ]),
    ),
    record: {
      kind: "mmap",
      ...stamp,
      pid: 10,
      mapping: {
        ...range,
        path: "",
        buildId: "cd".repeat(20),
        device: { major: 0, minor: 0 },
        inode: 0n,
      },
    },
  },
  {
    name: "a new name",
    bytes: recordOf(3, 0, Uint8Array.from([...u32s(10, 11), ...text("worker")])),
    record: { kind: "comm", ...stamp, pid: 10, tid: 11, name: "worker", exec: false },
  },
  {
    name: "an exec",
    bytes: recordOf(3, 1 << 13, Uint8Array.from([...u32s(10, 10), ...text("é")])),
    record: { kind: "comm", ...stamp, pid: 10, tid: 10, name: "é", exec: true },
  },
  {
    name: "a fork",
    bytes: recordOf(7, 0, Uint8Array.from([...u32s(10, 1, 12, 2), ...u64s(5n)])),
    record: { kind: "fork", ...stamp, pid: 10, tid: 12, parentPid: 1, parentTid: 2 },
  },
  {
    name: "an exit",
    bytes: recordOf(4, 0, Uint8Array.from([...u32s(10, 1, 12, 2), ...u64s(5n)])),
    record: { kind: "exit", ...stamp, pid: 10, tid: 12 },
  },
  {
    name: "lost records",
    bytes: recordOf(2, 0, Uint8Array.from(u64s(77n, 1234n))),
    record: { kind: "lost", ...stamp, count: 1234 },
  },
  { name: "a record of another type", bytes: recordOf(9, 0, new Uint8Array(8)), record: undefined },
];

describe("readSideBandRecord", () => {
  for (const { name, bytes, record } of cases) {
    it(`reads ${name}`, () => assert.deepEqual(readSideBandRecord(bytes), record));
  }

  it("says so when a record is cut off anywhere, or reads what is there", () => {
    for (const { bytes } of cases) {
      for (let length = 0; length < bytes.length; length++) {
        try {
          readSideBandRecord(bytes.subarray(0, length));
        } catch (error) {
          assert.ok(isCollectorError(error, "INPUT_MALFORMED"), String(error));
        }
      }
    }
  });

  it("reads a name that has no end up to the trailer", () => {
    const body = Uint8Array.from([...u32s(10, 10), ...Buffer.from("12345678")]);
    const record = readSideBandRecord(recordOf(3, 0, body));
    assert.equal(record?.kind === "comm" && record.name, "12345678");
  });
});

describe("mappingPath", () => {
  for (const [name, path] of [
    ["//anon", ""],
    ["[anon:v8]", ""],
    ["[vdso]", "[vdso]"],
    ["/memfd:jit (deleted)", "/memfd:jit"],
    ["/a", "/a"],
  ] as const) {
    it(`${name} is "${path}"`, () => assert.equal(mappingPath(name), path));
  }
});
