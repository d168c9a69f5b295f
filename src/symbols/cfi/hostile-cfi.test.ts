import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCollectorError } from "../../support/errors.ts";
import { readElf } from "../elf/elf-file.ts";
import { bytesAccess } from "../elf/random-access.ts";
import { REMEMBERED_MAX } from "./rule-machine.ts";
import { FLOW_BYTES_MAX } from "./stack-flow.ts";
import {
  FrameWriter,
  TEXT,
  u32,
  u64,
  uleb,
  type WrittenCfiElf,
  writeCfiElf,
} from "./testing/cfi-writer.ts";
import { rowTexts } from "./testing/row-text.ts";
import { buildUnwindTable, type UnwindTable } from "./unwind-table.ts";

/** One hostile file may take no more [S5]. */
const CPU_MS_MAX = 2000;
const MILLION = 1_000_000;

/** Rows of the one good FDE that stands behind what is broken. */
const GOOD = "200 rsp+8 u c-8";
const GOOD_FDE = { start: TEXT + 0x200 };

function build(elf: WrittenCfiElf): UnwindTable {
  const bytes = writeCfiElf(elf);
  const before = process.cpuUsage();
  const table = buildUnwindTable(readElf(bytesAccess(bytes, "hostile")));
  const { user, system } = process.cpuUsage(before);
  assert.ok((user + system) / 1000 <= CPU_MS_MAX, `took ${(user + system) / 1000} ms`);
  assert.ok("rows" in table);
  return table;
}

/** Each spoils one record, before or behind a good FDE of a good CIE. */
const spoiled: { name: string; write: (writer: FrameWriter) => void }[] = [
  { name: "a CIE of version 2", write: (w) => w.fde(w.cie({ version: 2 })) },
  {
    name: "an augmentation string that does not end",
    write: (w) => w.fde(w.cie({ augmentation: "z".repeat(2000) })),
  },
  { name: "an augmentation without a length", write: (w) => w.fde(w.cie({ augmentation: "RX" })) },
  {
    name: "augmentation data beyond the CIE",
    write: (w) => {
      const cie = w.cie({ instructions: [] });
      w.bytes[cie + 15] = 0x7f;
      w.fde(cie);
    },
  },
  { name: "an FDE of no CIE", write: (w) => w.fde(3) },
  { name: "an FDE that is its own CIE", write: (w) => w.fde(w.bytes.length) },
  { name: "an FDE whose CIE is behind it", write: (w) => w.fde(w.bytes.length + 100) },
  { name: "an FDE whose CIE is an FDE", write: (w) => w.fde(w.fde(w.cie({ version: 2 }))) },
  {
    name: "an FDE that ends in its pointer",
    write: (w) => w.bytes.push(...u32(6), ...u32(w.bytes.length + 4), 1, 2),
  },
  {
    name: "an FDE whose augmentation is longer than it",
    write: (w) => w.fde(w.cie(), { range: [...u32(0), ...u32(8), 0xff, 0xff, 0xff, 0x7f] }),
  },
  { name: "an unknown instruction", write: (w) => w.fde(w.cie(), { instructions: [0x3f] }) },
  { name: "an instruction that is cut", write: (w) => w.fde(w.cie(), { instructions: [0x0c, 7] }) },
  { name: "a jump back", write: (w) => w.fde(w.cie(), { instructions: [1, 0, 0, 0, 0x80] }) },
  {
    name: "restore_state without a state",
    write: (w) => w.fde(w.cie(), { instructions: [0x41, 0x0e, 16, 0x0b] }),
  },
  {
    name: "a LEB128 number that does not end",
    write: (w) => w.fde(w.cie(), { instructions: [0x0e, ...Array(50).fill(0xff), 0] }),
  },
  {
    name: "remember_state a million times",
    write: (w) => w.fde(w.cie(), { instructions: Array(MILLION).fill(0x0a) }),
  },
  {
    name: "an expression longer than the FDE",
    write: (w) => w.fde(w.cie(), { instructions: [0x0f, ...uleb(2 ** 32), 0x77, 8] }),
  },
];

describe("hostile call frame information [S5]", () => {
  for (const { name, write } of spoiled) {
    it(`${name} loses itself only`, () => {
      const writer = new FrameWriter();
      writer.fde(writer.cie(), GOOD_FDE);
      write(writer);
      writer.fde(writer.cie(), { start: TEXT + 0x400 });
      const table = build({ frame: writer.bytes });
      const rows = rowTexts(table);
      assert.ok(rows.includes(GOOD), rows.join());
      assert.ok(rows.includes("400 rsp+8 u c-8"), rows.join());
      assert.ok(table.statistics.brokenFdes > 0);
      assert.ok(rows.every((row) => !row.startsWith("0 rsp")));
    });
  }

  for (const { name, length } of [
    { name: "one byte beyond the section", length: 1 },
    { name: "of 2^32 − 16", length: 2 ** 32 - 16 },
  ]) {
    it(`a record ${name} ends the walk`, () => {
      const writer = new FrameWriter();
      writer.fde(writer.cie(), GOOD_FDE);
      const rest = writer.bytes.length + 4;
      writer.bytes.push(...u32(length === 1 ? 13 : length), ...u32(rest), ...u64(0));
      const table = build({ frame: writer.bytes });
      assert.ok(rowTexts(table).includes(GOOD));
      assert.equal(table.statistics.brokenFdes, 1);
    });
  }

  it("a record of 2^64 − 1 bytes ends the walk", () => {
    const writer = new FrameWriter();
    writer.fde(writer.cie(), GOOD_FDE);
    writer.bytes.push(...Array(12).fill(0xff));
    assert.equal(build({ frame: writer.bytes }).statistics.brokenFdes, 1);
  });

  for (const addressBytes of [0, 1, 255]) {
    it(`addresses of ${addressBytes} bytes lose their CIE`, () => {
      const writer = new FrameWriter({ isDebugFrame: true });
      writer.fde(writer.cie({ version: 4, addressBytes }));
      writer.fde(writer.cie({ version: 4 }), GOOD_FDE);
      const table = build({ frame: writer.bytes, isDebugFrame: true });
      assert.equal(table.statistics.brokenFdes, 2);
      assert.ok(rowTexts(table).includes(GOOD));
    });
  }

  it("remembers as many states as the limit, and no more", () => {
    const rows = (depth: number): string[] => {
      const writer = new FrameWriter();
      const instructions = [...Array(depth).fill(0x0a), 0x0e, 16];
      writer.fde(writer.cie(), { instructions });
      return rowTexts(build({ frame: writer.bytes })).slice(1);
    };
    assert.deepEqual(rows(REMEMBERED_MAX), ["0 rsp+16 u c-8", "100 gap"]);
    assert.deepEqual(rows(REMEMBERED_MAX + 1), ["0 cannot", "100 gap"]);
  });

  it("an expression of 1 MiB at each of a thousand rows is passed over", () => {
    const writer = new FrameWriter();
    const expression = [0x0f, ...uleb(MILLION), ...Array(MILLION).fill(0x77)];
    const moves = Array.from({ length: 200 }, () => [0x41, 0x2e, 0]).flat();
    writer.fde(writer.cie(), { instructions: [...expression, ...moves] });
    const { reduced } = build({ frame: writer.bytes }).statistics;
    assert.equal(reduced.expression.bytes, 0x100);
  });

  it("overlapping FDEs hold to the start of the next", () => {
    const writer = new FrameWriter();
    const cie = writer.cie();
    writer.fde(cie, { byteCount: 0x100 });
    writer.fde(cie, { start: TEXT + 0x80, byteCount: 0x20, instructions: [0x0e, 16] });
    writer.fde(cie, { start: TEXT + 0x80, byteCount: 0x80, instructions: [0x0e, 24] });
    const table = build({ frame: writer.bytes });
    assert.deepEqual(rowTexts(table).slice(1), ["0 rsp+8 u c-8", "80 rsp+16 u c-8", "a0 gap"]);
    assert.equal(table.statistics.overlappingFdes, 1);
    assert.equal(table.statistics.outsideFdes, 1);
  });

  it("a broken FDE takes back the rows that it gave", () => {
    const writer = new FrameWriter();
    const cie = writer.cie();
    writer.fde(cie, { byteCount: 0x40 });
    const instructions = [0x0e, 16, 0x41, 0x0e, 24, 0x41, 0x3f];
    writer.fde(cie, { start: TEXT + 0x40, byteCount: 0x40, instructions });
    writer.fde(cie, { start: TEXT + 0x80, byteCount: 0x80 });
    const table = build({ frame: writer.bytes });
    const rows = ["0 rsp+8 u c-8", "40 cannot", "80 rsp+8 u c-8", "100 gap"];
    assert.deepEqual(rowTexts(table).slice(1), rows);
    assert.deepEqual(table.statistics.reduced.broken, { rows: 1, bytes: 0x40 });
  });

  it("FDEs of other addresses are counted and give no rows", () => {
    const writer = new FrameWriter({ isDebugFrame: true });
    const cie = writer.cie();
    for (const start of [0, TEXT - MILLION, TEXT + MILLION, 2 ** 50]) writer.fde(cie, { start });
    writer.fde(cie, { byteCount: 0 });
    const { statistics } = build({ frame: writer.bytes, isDebugFrame: true });
    assert.equal(statistics.outsideFdes, 5);
    assert.equal(statistics.coveredBytes, 0);
  });

  it("half a million FDEs of one address stay linear", () => {
    const one = new FrameWriter();
    one.fde(one.cie());
    const [cie, fde] = [one.bytes.slice(0, 22), one.bytes.slice(22)];
    const count = 500_000;
    const frame = new Uint8Array(cie.length + count * fde.length);
    const view = new DataView(frame.buffer);
    frame.set(cie);
    for (let index = 0; index < count; index++) {
      const at = cie.length + index * fde.length;
      frame.set(fde, at);
      view.setUint32(at + 4, at + 4, true);
      view.setInt32(at + 8, TEXT - (one.address + at + 8), true);
    }
    const { statistics } = build({ frame });
    assert.equal(statistics.fdes, count);
    assert.equal(statistics.outsideFdes, count - 1);
  });

  for (const { name, code } of [
    { name: "pushes", code: [0x50] },
    { name: "jumps to the next instruction", code: [0xeb, 0] },
    { name: "calls of the next instruction", code: [0xe8, 0, 0, 0, 0] },
    { name: "jumps to the first instruction", code: [0xe9, 0, 0, 0, 0x80] },
    { name: "prefixes", code: [0x66] },
  ]) {
    it(`4 MiB of ${name} without FDEs stay linear`, () => {
      const text = new Uint8Array(FLOW_BYTES_MAX).map((_, at) => code[at % code.length] as number);
      const { statistics } = build({ frame: [], text });
      assert.ok(statistics.followedBytes + statistics.gapBytes > FLOW_BYTES_MAX / 2);
    });
  }

  it("answers or refuses at every truncation point", () => {
    const writer = new FrameWriter();
    writer.fde(writer.cie(), { instructions: [0x41, 0x0e, 16] });
    const bytes = writeCfiElf({ frame: writer.bytes, textBytes: 0x20 });
    for (let length = 0; length < bytes.length; length++) {
      try {
        buildUnwindTable(readElf(bytesAccess(bytes.subarray(0, length), "cut")));
      } catch (error) {
        assert.ok(isCollectorError(error, "INPUT_MALFORMED", "LIMIT_EXCEEDED"), String(error));
      }
    }
  });

  it("refuses code that spans more than 4 GiB", () => {
    const bytes = writeCfiElf({ frame: [] });
    const view = new DataView(bytes.buffer);
    // The second program header becomes a segment far away.
    view.setUint32(64 + 56, 1, true);
    view.setUint32(64 + 56 + 4, 5, true);
    view.setBigUint64(64 + 56 + 16, 1n << 40n, true);
    assert.throws(
      () => buildUnwindTable(readElf(bytesAccess(bytes, "wide"))),
      (error) => isCollectorError(error, "LIMIT_EXCEEDED"),
    );
  });

  it("says why a file of another machine has no table", () => {
    const bytes = writeCfiElf({ frame: [], machine: 3 });
    assert.ok("missing" in buildUnwindTable(readElf(bytesAccess(bytes, "other"))));
  });
});
