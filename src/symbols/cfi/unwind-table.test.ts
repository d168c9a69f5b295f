import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { deflateSync } from "node:zlib";
import { readElf } from "../elf/elf-file.ts";
import { bytesAccess } from "../elf/random-access.ts";
import {
  FrameWriter,
  sleb,
  TEXT,
  USUAL_START,
  u32,
  u64,
  uleb,
  type WrittenCfiElf,
  type WrittenCie,
  type WrittenFde,
  writeCfiElf,
} from "./testing/cfi-writer.ts";
import { rowTexts } from "./testing/row-text.ts";
import { buildUnwindTable, type UnwindTable } from "./unwind-table.ts";

const EM_AARCH64 = 183;
/** The code behind the FDE of 0x100 bytes, which has none. */
const GAP = "100 gap";
/** Of arm64 leaves, and what is behind the text. */
const AROUND: readonly string[] = [GAP, "100 leaf sp+0 u u", "1000 gap"];

function tableOf(elf: WrittenCfiElf): UnwindTable {
  const table = buildUnwindTable(readElf(bytesAccess(writeCfiElf(elf), "written")));
  assert.ok("rows" in table);
  return table;
}

/** Rows of one CIE and one FDE, without those of the code around it. */
function rowsOf(cie: WrittenCie, fde: WrittenFde, elf: Partial<WrittenCfiElf> = {}): string[] {
  const writer = new FrameWriter(elf);
  writer.fde(writer.cie(cie), fde);
  const rows = rowTexts(tableOf({ ...elf, frame: writer.bytes }));
  return rows.filter((row) => !row.startsWith("-") && !AROUND.includes(row));
}

const advance1 = 0x41;
const rbp = 6;
/** breg7 160; deref. */
const signalFrame = [0x77, ...sleb(160), 0x06];
/** breg7 8; breg16 0; lit15; and; lit11; ge; lit3; shl; plus. */
const pltEntry = [0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22];

const instructionCases: { name: string; instructions: number[]; rows: string[] }[] = [
  { name: "none", instructions: [], rows: ["0 rsp+8 u c-8"] },
  { name: "nop", instructions: [0, 0, 0], rows: ["0 rsp+8 u c-8"] },
  {
    name: "advance_loc and def_cfa_offset",
    instructions: [advance1, 0x0e, 16],
    rows: ["0 rsp+8 u c-8", "1 rsp+16 u c-8"],
  },
  {
    name: "advance_loc1, 2 and 4",
    instructions: [2, 0x10, 0x0e, 16, 3, 0x10, 0, 0x0e, 24, 4, 0x10, 0, 0, 0, 0x0e, 32],
    rows: ["0 rsp+8 u c-8", "10 rsp+16 u c-8", "20 rsp+24 u c-8", "30 rsp+32 u c-8"],
  },
  {
    name: "MIPS_advance_loc8",
    instructions: [0x1d, ...u64(0x20), 0x0e, 16],
    rows: ["0 rsp+8 u c-8", "20 rsp+16 u c-8"],
  },
  {
    name: "rows of no bytes",
    instructions: [0x0e, 16, 0x40, 0x0e, 24, 2, 0, 0x0e, 32],
    rows: ["0 rsp+32 u c-8"],
  },
  {
    name: "rows behind the function's end",
    instructions: [3, 0, 1, 0x0e, 16, advance1, 0x0e, 24],
    rows: ["0 rsp+8 u c-8"],
  },
  { name: "def_cfa", instructions: [0x0c, rbp, 16], rows: ["0 rbp+16 u c-8"] },
  { name: "def_cfa_sf", instructions: [0x12, rbp, ...sleb(-4)], rows: ["0 rbp+32 u c-8"] },
  { name: "def_cfa_register", instructions: [0x0d, rbp], rows: ["0 rbp+8 u c-8"] },
  { name: "def_cfa_offset_sf", instructions: [0x13, ...sleb(-2)], rows: ["0 rsp+16 u c-8"] },
  { name: "a leaf's register", instructions: [0x0c, 10, 0], rows: ["0 r10+0 u c-8"] },
  { name: "offset", instructions: [0x80 | rbp, 2], rows: ["0 rsp+8 c-16 c-8"] },
  { name: "offset_extended", instructions: [5, rbp, 2], rows: ["0 rsp+8 c-16 c-8"] },
  {
    name: "offset_extended_sf",
    instructions: [0x11, rbp, ...sleb(-2)],
    rows: ["0 rsp+8 c+16 c-8"],
  },
  {
    name: "GNU_negative_offset_extended",
    instructions: [0x2f, rbp, 2],
    rows: ["0 rsp+8 c+16 c-8"],
  },
  {
    name: "restore and restore_extended",
    instructions: [0x86, 2, advance1, 0xc6, advance1, 0x86, 3, advance1, 6, rbp],
    rows: ["0 rsp+8 c-16 c-8", "1 rsp+8 u c-8", "2 rsp+8 c-24 c-8", "3 rsp+8 u c-8"],
  },
  {
    name: "undefined and same_value",
    instructions: [7, rbp, advance1, 8, rbp],
    rows: ["0 rsp+8 u c-8", "1 rsp+8 u c-8"],
  },
  { name: "register", instructions: [9, rbp, 12], rows: ["0 rsp+8 r12 c-8"] },
  { name: "a return address in a register", instructions: [9, 16, 5], rows: ["0 rsp+8 u r5"] },
  { name: "an undefined return address", instructions: [7, 16], rows: ["0 end"] },
  {
    name: "remember_state and restore_state",
    instructions: [0x0e, 16, 0x0a, advance1, 0x0e, 64, 0x86, 2, advance1, 0x0b],
    rows: ["0 rsp+16 u c-8", "1 rsp+64 c-16 c-8", "2 rsp+16 u c-8"],
  },
  {
    name: "set_loc",
    instructions: [1, ...u32(TEXT + 0x40 - (TEXT + 0x1000 + 40)), 0x0e, 16],
    rows: ["0 rsp+8 u c-8", "40 rsp+16 u c-8"],
  },
  {
    name: "val_offset of the stack pointer",
    instructions: [0x14, 7, 0, advance1, 0x15, 7, 1],
    rows: ["0 rsp+8 u c-8", "1 cannot"],
  },
  { name: "val_offset of rbp", instructions: [0x14, rbp, 2], rows: ["0 rsp+8 u c-8"] },
  {
    name: "expression of rbp",
    instructions: [0x10, rbp, 2, 0x76, 0],
    rows: ["0 rsp+8 exp c-8"],
  },
  { name: "val_expression", instructions: [0x16, rbp, 2, 0x76, 0], rows: ["0 rsp+8 u c-8"] },
  {
    name: "an over-aligned frame",
    instructions: [0x0f, 3, 0x76, ...sleb(-8), 6, 0x10, rbp, 2, 0x76, 0],
    rows: ["0 kind2(r6,-8,0) exp c-8"],
  },
  {
    name: "libcrypto's saved stack pointer",
    instructions: [0x0f, 5, 0x77, 40, 6, 0x23, 8],
    rows: ["0 kind2(r7,40,8) u c-8"],
  },
  {
    name: "libcrypto's index",
    instructions: [0x0f, 10, 0x77, 8, 0x79, 0, 0x38, 0x1e, 0x22, 6, 0x23, 8],
    rows: ["0 kind5(r9,8,8) u c-8"],
  },
  {
    name: ".plt",
    instructions: [0x0f, pltEntry.length, ...pltEntry],
    rows: ["0 plt(8,11) u c-8"],
  },
  { name: "any other expression", instructions: [0x0f, 1, 0x9c], rows: ["0 cannot"] },
  {
    name: "GNU_args_size and negate_ra_state",
    instructions: [0x2e, ...uleb(1000), 0x2d, 0x2c],
    rows: ["0 rsp+8 u c-8"],
  },
  {
    name: "a frame of 16 MiB less a word",
    instructions: [0x0e, ...uleb(16 * 1024 ** 2 - 8)],
    rows: ["0 rsp+16777208 u c-8"],
  },
  {
    name: "a frame of 16 MiB",
    instructions: [0x0e, ...uleb(16 * 1024 ** 2)],
    rows: ["0 cannot"],
  },
  { name: "an odd offset", instructions: [0x0e, 12], rows: ["0 cannot"] },
  { name: "no CFA register of ours", instructions: [0x0d, 32], rows: ["0 cannot"] },
];

describe("call frame instructions", () => {
  for (const { name, instructions, rows } of instructionCases) {
    it(name, () => assert.deepEqual(rowsOf({}, { instructions }), rows));
  }

  it("are scaled by the alignments of the CIE", () => {
    const cie = { codeAlignment: 4, dataAlignment: -4 };
    const instructions = [0x90, 2, 0x42, 0x0e, 16, 0x86, 4];
    assert.deepEqual(rowsOf(cie, { instructions }), ["0 rsp+8 u c-8", "8 rsp+16 c-16 c-8"]);
  });

  it("tell the end where only the CIE says so", () => {
    assert.deepEqual(rowsOf({ instructions: [...USUAL_START, 7, 16] }, {}), ["0 end"]);
  });
});

const arm64Cases: { name: string; instructions: number[]; rows: string[] }[] = [
  { name: "a leaf", instructions: [], rows: ["0 sp+0 u u"] },
  {
    name: "a frame record",
    instructions: [advance1, 0x0e, 32, 0x9d, 4, 0x9e, 3],
    rows: ["0 sp+0 u u", "4 sp+32 c-32 c-24"],
  },
  {
    name: "a frame record by x29",
    instructions: [0x0e, 32, 0x9d, 4, 0x9e, 3, 0x0c, 29, 32],
    rows: ["0 x29+32 c-32 c-24"],
  },
  {
    name: "the return address alone",
    instructions: [0x0e, 16, 0x9e, 2],
    rows: ["0 sp+16 u c-16"],
  },
  { name: "x29 alone", instructions: [0x0e, 16, 0x9d, 2], rows: ["0 sp+16 c-16 u"] },
  {
    name: "both, far from one another",
    instructions: [0x0e, ...uleb(256), 0x9d, 30, 0x9e, 1],
    rows: ["0 cannot"],
  },
  { name: "an x29 by an expression", instructions: [0x10, 29, 2, 0x8f, 0], rows: ["0 cannot"] },
  { name: "an x29 that is lost", instructions: [7, 29], rows: ["0 cannot"] },
  {
    name: "the expression of x86-64's .plt",
    instructions: [0x0f, 11, 0x8f, 8, 0x8e, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22],
    rows: ["0 cannot"],
  },
  {
    name: "a signed return address",
    instructions: [0x2d, advance1, 0x0e, 16, 0x9d, 2, 0x9e, 1],
    rows: ["0 sp+0 u u", "4 sp+16 c-16 c-8"],
  },
  {
    name: "a large frame",
    instructions: [0x0e, ...uleb(300_000), 0x9d, 2, 0x9e, 1],
    rows: ["0 sp+300000 c-16 c-8"],
  },
];

describe("arm64", () => {
  const cie = { codeAlignment: 4, returnRegister: 30, instructions: [0x0c, 31, 0] };
  for (const { name, instructions, rows } of arm64Cases) {
    it(name, () => {
      assert.deepEqual(rowsOf(cie, { instructions }, { machine: EM_AARCH64 }), rows);
    });
  }

  it("takes signal frames by their mark, and key B", () => {
    const marked = { ...cie, augmentation: "zRSB" };
    assert.deepEqual(rowsOf(marked, { start: TEXT + 4 }, { machine: EM_AARCH64 }), [
      "0 leaf sp+0 u u",
      "3 signal 312",
      "104 leaf sp+0 u u",
    ]);
  });
});

/** Where an FDE's pointer stands: behind the length and id of an FDE at 0x18. */
const pointerAt = TEXT + 0x1000 + 0x20;
const encodings: { name: string; encoding: number; range: number[] }[] = [
  { name: "absptr", encoding: 0x00, range: [...u64(TEXT), ...u64(0x100)] },
  { name: "uleb128", encoding: 0x01, range: [...uleb(TEXT), ...uleb(0x100)] },
  { name: "udata4", encoding: 0x03, range: [...u32(TEXT), ...u32(0x100)] },
  { name: "udata8", encoding: 0x04, range: [...u64(TEXT), ...u64(0x100)] },
  { name: "sleb128", encoding: 0x09, range: [...sleb(TEXT), ...sleb(0x100)] },
  { name: "sdata4", encoding: 0x0b, range: [...u32(TEXT), ...u32(0x100)] },
  { name: "sdata8", encoding: 0x0c, range: [...u64(TEXT), ...u64(0x100)] },
  { name: "pcrel sdata2", encoding: 0x1a, range: [...u32(TEXT - pointerAt).slice(0, 2), 0, 1] },
  { name: "pcrel udata8", encoding: 0x14, range: [...u64(TEXT - pointerAt), ...u64(0x100)] },
  { name: "textrel sdata4", encoding: 0x2b, range: [...u32(0x20), ...u32(0x100)] },
  { name: "aligned", encoding: 0x50, range: [...u64(TEXT), ...u64(0x100)] },
  { name: "indirect", encoding: 0x83, range: [...u32(TEXT), ...u32(0x100)] },
];

describe("pointer encodings", () => {
  for (const { name, encoding, range } of encodings) {
    it(name, () => {
      const writer = new FrameWriter();
      const cie = writer.cie({
        augmentationData: [encoding],
        instructions: [...USUAL_START, 0, 0],
      });
      writer.fde(cie, { range });
      const text = new Uint8Array(0x1000).fill(0x90);
      // The word that an indirect pointer leads to.
      text.set(u64(TEXT + 0x20));
      const { statistics } = tableOf({ frame: writer.bytes, text });
      assert.equal(statistics.brokenFdes, 0);
      assert.equal(statistics.outsideFdes, 0);
      assert.equal(statistics.coveredBytes, 0x100);
    });
  }

  for (const encoding of [0x05, 0x40, 0x60, 0xff]) {
    it(`refuses 0x${encoding.toString(16)}, and loses nothing else`, () => {
      const writer = new FrameWriter();
      writer.fde(writer.cie({ augmentationData: [encoding] }), { range: u64(TEXT) });
      writer.fde(writer.cie());
      const { statistics } = tableOf({ frame: writer.bytes });
      assert.equal(statistics.brokenFdes + statistics.outsideFdes, 1);
      assert.equal(statistics.coveredBytes, 0x100);
    });
  }
});

describe("a frame's address in a register that callees save", () => {
  it("is where a callee has saved it, at the calls", () => {
    const writer = new FrameWriter({ textBytes: 0x1000 });
    const cie = writer.cie();
    writer.fde(cie, { byteCount: 0x20, instructions: [0x0c, 3, 32] });
    writer.fde(cie, {
      start: TEXT + 0x20,
      byteCount: 0x20,
      instructions: [advance1, 0x0e, 16, 0x83, 2, 0x46, 0x0e, 8],
    });
    const text = new Uint8Array(0x1000).fill(0x90);
    text.set([0xe8, ...u32(0x20 - 0x0d)], 0x08);
    // This one calls what has no call frame information.
    text.set([0xe8, ...u32(0x800)], 0x10);
    const rows = rowTexts(tableOf({ frame: writer.bytes, text })).slice(1, 4);
    assert.deepEqual(rows, ["0 rbx+32 u c-8", "9 kind2(r7,-16,32) u c-8", "d rbx+32 u c-8"]);
  });
});

describe("a function that begins with a stack of its own", () => {
  for (const { name, code, planted } of [
    { name: "is where the stack ends", code: [0x48, 0x89, 0xdc], planted: ["2f end"] },
    { name: "is no other function", code: [0x48, 0x89, 0xd8], planted: [] },
  ]) {
    it(name, () => {
      const writer = new FrameWriter({ textBytes: 0x1000 });
      const cie = writer.cie();
      writer.fde(cie, { byteCount: 0x28, instructions: [0x0e, 16] });
      writer.fde(cie, { start: TEXT + 0x30, byteCount: 0x20 });
      const text = new Uint8Array(0x1000).fill(0x90);
      text.set(code, 0x30);
      const rows = rowTexts(tableOf({ frame: writer.bytes, text })).slice(1, -1);
      assert.deepEqual(rows, ["0 rsp+16 u c-8", ...planted, "30 rsp+8 u c-8"]);
    });
  }
});

describe("CIEs", () => {
  const signalStart = [0x0f, signalFrame.length, ...signalFrame];

  it("of version 3", () => {
    assert.deepEqual(rowsOf({ version: 3 }, {}), ["0 rsp+8 u c-8"]);
  });

  it("with personality and language data", () => {
    const cie = { augmentation: "zPLR", augmentationData: [0x9b, 1, 2, 3, 4, 0x1b, 0x1b] };
    assert.deepEqual(rowsOf(cie, {}), ["0 rsp+8 u c-8"]);
  });

  it("with an augmentation that nobody knows, by its length", () => {
    const cie = { augmentation: "zRX", augmentationData: [0x1b, 1, 2, 3] };
    assert.deepEqual(rowsOf(cie, {}), ["0 rsp+8 u c-8"]);
  });

  it("of signal frames, which begin one byte before their code", () => {
    const cie = { augmentation: "zRS", instructions: signalStart };
    assert.deepEqual(rowsOf(cie, { start: TEXT + 0x20 }), ["1f signal 160", "120 gap"]);
  });

  it("of signal frames in another form", () => {
    assert.deepEqual(rowsOf({ augmentation: "zRS" }, { start: TEXT + 4 }), ["3 cannot", "104 gap"]);
  });

  it("whose return address is another register's", () => {
    assert.deepEqual(rowsOf({ returnRegister: 15 }, {}), ["0 cannot"]);
  });
});

describe(".debug_frame", () => {
  for (const version of [1, 3, 4]) {
    it(`of version ${version}`, () => {
      assert.deepEqual(rowsOf({ version }, {}, { isDebugFrame: true }), ["0 rsp+8 u c-8"]);
    });
  }

  it("with compression", () => {
    const writer = new FrameWriter({ isDebugFrame: true });
    writer.fde(writer.cie());
    const packed = deflateSync(Uint8Array.from(writer.bytes));
    const header = [...u32(1), ...u32(0), ...u64(writer.bytes.length), ...u64(8)];
    const frame = [...header, ...packed];
    const table = tableOf({ frame, isDebugFrame: true, frameFlags: 0x800 });
    assert.equal(table.statistics.coveredBytes, 0x100);
  });
});

describe("code without FDEs", () => {
  const frameOf = (start: number, byteCount: number): number[] => {
    const writer = new FrameWriter({ textBytes: 0x1000 });
    writer.fde(writer.cie(), { start, byteCount });
    return writer.bytes;
  };
  const rowsWith = (bytes: readonly number[], elf: Partial<WrittenCfiElf> = {}): string[] => {
    const text = new Uint8Array(0x1000).fill(0x90);
    text.set(bytes, 0x200);
    return rowTexts(tableOf({ frame: frameOf(TEXT, 0x100), text, ...elf })).slice(2);
  };

  it("keeps frame pointers where prologues are", () => {
    assert.deepEqual(rowsWith([0x55, 0x48, 0x89, 0xe5]), ["100 frame pointer", "1000 gap"]);
    assert.deepEqual(rowsWith([0x55, 0x48, 0x8b, 0xec]), ["100 frame pointer", "1000 gap"]);
  });

  it("of arm64 keeps frame pointers where prologues are", () => {
    const stp = [0xfd, 0x7b, 0xbf, 0xa9];
    assert.deepEqual(rowsWith(stp, { machine: EM_AARCH64 }), ["100 frame pointer", "1000 gap"]);
  });

  it("of arm64 without prologues are leaves", () => {
    const rows = rowsWith([], { machine: EM_AARCH64 });
    assert.deepEqual(rows, ["100 leaf sp+0 u u", "1000 gap"]);
  });

  it("of arm64 has the stub of sigreturn, as in the vdso", () => {
    const stub = [0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4];
    const rows = ["100 leaf sp+0 u u", "1ff signal 312", "208 leaf sp+0 u u", "1000 gap"];
    assert.deepEqual(rowsWith(stub, { machine: EM_AARCH64 }), rows);
  });

  it("is a gap elsewhere", () => {
    assert.deepEqual(rowsWith([]), ["100 gap"]);
  });

  it("has the end of the stack at the entry point", () => {
    const rows = ["100 gap", "2ff end", "340 gap"];
    assert.deepEqual(rowsWith([], { entry: TEXT + 0x300 }), rows);
  });

  it("has the stub of sigreturn", () => {
    const stub = [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
    assert.deepEqual(rowsWith(stub), ["100 gap", "1ff signal 160", "209 rsp+8 u c-8", "1000 gap"]);
  });

  it("of .plt has its own rule", () => {
    assert.deepEqual(rowsWith([], { textName: ".plt" }), ["100 plt(8,11) u c-8", "1000 gap"]);
  });

  it("of up to 15 bytes is padding", () => {
    const writer = new FrameWriter();
    const cie = writer.cie();
    const second = { start: TEXT + 0x1f, byteCount: 0x10, instructions: [0x0e, 16] };
    writer.fde(cie, { byteCount: 0x10 });
    writer.fde(cie, second);
    const rows = rowTexts(tableOf({ frame: writer.bytes })).slice(1);
    assert.deepEqual(rows, ["0 rsp+8 u c-8", "1f rsp+16 u c-8", "2f gap"]);
  });
});

describe("without section headers", () => {
  it("finds .eh_frame by its program header, to its end", () => {
    const writer = new FrameWriter();
    const cie = writer.cie();
    writer.fde(cie);
    writer.bytes.push(0, 0, 0, 0);
    writer.fde(cie, { start: TEXT + 0x200 });
    const { statistics } = tableOf({ frame: writer.bytes, withoutSections: true });
    assert.equal(statistics.fdes, 1);
    assert.equal(statistics.coveredBytes, 0x100);
  });
});
