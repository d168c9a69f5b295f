import assert from "node:assert/strict";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { isCollectorError } from "../../support/errors.ts";
import { type ElfFile, type LoadSegment, PROGRAM_HEADERS_MAX, readElf } from "./elf-file.ts";
import { fileAddress } from "./file-address.ts";
import { htlhash } from "./htlhash.ts";
import { readBuildIds } from "./notes.ts";
import { bytesAccess, fileAccess, READ_BYTES_MAX } from "./random-access.ts";
import { type FunctionAt, findFunctions } from "./symbol-table.ts";

const SECTION_BYTES = 64;
const PROGRAM_BYTES = 56;
const SECTIONS_AT = 64;
const SYMBOLS_AT = 512;
const STRINGS_AT = 640;
const FILE_BYTES = 1024;

/** A 64-bit little-endian file: null, .text, .symtab with one function of 16 bytes, .strtab. */
function smallElf(): DataView {
  const view = new DataView(new ArrayBuffer(FILE_BYTES));
  view.setUint32(0, 0x7f454c46);
  view.setUint8(4, 2);
  view.setUint8(5, 1);
  view.setUint16(16, 3, true);
  view.setUint16(18, 62, true);
  view.setBigUint64(40, BigInt(SECTIONS_AT), true);
  view.setUint16(58, SECTION_BYTES, true);
  view.setUint16(60, 4, true);
  section(view, 1, { type: 1, flags: 4, offset: 0, size: 0, link: 0, entrySize: 0 });
  section(view, 2, { type: 2, flags: 0, offset: SYMBOLS_AT, size: 48, link: 3, entrySize: 24 });
  section(view, 3, { type: 3, flags: 0, offset: STRINGS_AT, size: 8, link: 0, entrySize: 0 });
  new Uint8Array(view.buffer).set(Buffer.from("\0main\0\0\0"), STRINGS_AT);
  view.setUint32(SYMBOLS_AT + 24, 1, true);
  view.setUint8(SYMBOLS_AT + 28, 0x12);
  view.setUint16(SYMBOLS_AT + 30, 1, true);
  view.setBigUint64(SYMBOLS_AT + 32, 0x1000n, true);
  view.setBigUint64(SYMBOLS_AT + 40, 16n, true);
  return view;
}

interface SectionFields {
  type: number;
  flags: number;
  offset: number;
  size: number;
  link: number;
  entrySize: number;
}

function section(view: DataView, index: number, fields: SectionFields): void {
  const at = SECTIONS_AT + index * SECTION_BYTES;
  view.setUint32(at + 4, fields.type, true);
  view.setBigUint64(at + 8, BigInt(fields.flags), true);
  view.setBigUint64(at + 24, BigInt(fields.offset), true);
  view.setBigUint64(at + 32, BigInt(fields.size), true);
  view.setUint32(at + 40, fields.link, true);
  view.setBigUint64(at + 56, BigInt(fields.entrySize), true);
}

function parse(view: DataView, bytes = FILE_BYTES): ElfFile {
  return readElf(bytesAccess(new Uint8Array(view.buffer, 0, bytes), "crafted"));
}

function fieldAt(index: number, offset: number): number {
  return SECTIONS_AT + index * SECTION_BYTES + offset;
}

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** Each breaks a good file in one place; all are refused, none hangs or allocates. */
const hostile: { name: string; damage: (view: DataView) => void }[] = [
  { name: "no magic", damage: (v) => v.setUint8(0, 0) },
  { name: "class 0", damage: (v) => v.setUint8(4, 0) },
  { name: "byte order 3", damage: (v) => v.setUint8(5, 3) },
  { name: "section headers beyond the end", damage: (v) => v.setBigUint64(40, 1000n, true) },
  { name: "section headers at 2^64 − 1", damage: (v) => v.setBigUint64(40, ALL_ONES, true) },
  { name: "65,535 sections in 1 KiB", damage: (v) => v.setUint16(60, 0xffff, true) },
  { name: "section entries of no bytes", damage: (v) => v.setUint16(58, 0, true) },
  { name: "section entries of odd size", damage: (v) => v.setUint16(58, 63, true) },
  {
    name: "2^32 sections counted in section 0",
    damage: (v) => {
      v.setUint16(60, 0, true);
      v.setBigUint64(fieldAt(0, 32), 1n << 32n, true);
    },
  },
  {
    name: "65,534 program headers in 1 KiB",
    damage: (v) => {
      v.setBigUint64(32, 64n, true);
      v.setUint16(54, 56, true);
      v.setUint16(56, 0xfffe, true);
    },
  },
  {
    name: "2^32 − 1 program headers counted in section 0",
    damage: (v) => {
      v.setBigUint64(32, 64n, true);
      v.setUint16(54, 56, true);
      v.setUint16(56, 0xffff, true);
      v.setUint32(fieldAt(0, 44), 0xffff_ffff, true);
    },
  },
  { name: "symbols beyond the end", damage: (v) => v.setBigUint64(fieldAt(2, 24), 1008n, true) },
  {
    name: "symbols of 2^64 − 1 bytes",
    damage: (v) => v.setBigUint64(fieldAt(2, 32), ALL_ONES, true),
  },
  { name: "symbols of 2^40 bytes", damage: (v) => v.setBigUint64(fieldAt(2, 32), 1n << 40n, true) },
  { name: "symbol entries of no bytes", damage: (v) => v.setBigUint64(fieldAt(2, 56), 0n, true) },
  { name: "symbol entries of 1 byte", damage: (v) => v.setBigUint64(fieldAt(2, 56), 1n, true) },
  { name: "sh_link out of range", damage: (v) => v.setUint32(fieldAt(2, 40), 0xffff_ffff, true) },
  { name: "names beyond the end", damage: (v) => v.setBigUint64(fieldAt(3, 24), 1020n, true) },
  { name: "a name that does not end", damage: (v) => v.setBigUint64(fieldAt(3, 32), 5n, true) },
  { name: "a name outside of the names", damage: (v) => v.setUint32(SYMBOLS_AT + 24, 999, true) },
];

function mainOf(elf: ElfFile): FunctionAt | undefined {
  return findFunctions(elf, [0x1000n])[0];
}

describe("hostile ELF files [S5]", () => {
  it("starts from a file that is good", () => {
    const found = findFunctions(parse(smallElf()), [0x100fn, 0x1010n, 0xfffn]);
    assert.deepEqual(
      found.map(({ symbol }) => symbol?.name),
      ["main", undefined, undefined],
    );
  });

  for (const { name, damage } of hostile) {
    it(`refuses ${name}`, () => {
      const view = smallElf();
      damage(view);
      assert.throws(
        () => mainOf(parse(view)),
        (error) => isCollectorError(error, "INPUT_MALFORMED", "LIMIT_EXCEEDED"),
      );
    });
  }

  it("answers or refuses at every truncation point", () => {
    const view = smallElf();
    for (let bytes = 0; bytes < FILE_BYTES; bytes++) {
      try {
        mainOf(parse(view, bytes));
      } catch (error) {
        assert.ok(isCollectorError(error, "INPUT_MALFORMED", "LIMIT_EXCEEDED"), String(error));
      }
    }
  });

  it("reads as many program headers as the limit, and no more", () => {
    const withPrograms = (count: number): DataView => {
      const bytes = new Uint8Array(FILE_BYTES + count * PROGRAM_BYTES);
      bytes.set(new Uint8Array(smallElf().buffer));
      const view = new DataView(bytes.buffer);
      view.setBigUint64(32, BigInt(FILE_BYTES), true);
      view.setUint16(54, PROGRAM_BYTES, true);
      view.setUint16(56, count, true);
      return view;
    };
    const bytesOf = (count: number): number => FILE_BYTES + count * PROGRAM_BYTES;
    const most = PROGRAM_HEADERS_MAX;
    assert.equal(parse(withPrograms(most), bytesOf(most)).segments.length, 0);
    assert.throws(
      () => parse(withPrograms(most + 1), bytesOf(most + 1)),
      (error) => isCollectorError(error, "LIMIT_EXCEEDED"),
    );
  });

  it("passes over a size that reaches beyond the address space", () => {
    const view = smallElf();
    view.setBigUint64(SYMBOLS_AT + 40, ALL_ONES, true);
    assert.equal(mainOf(parse(view))?.symbol, undefined);
  });

  it("refuses a file that is cut while it is read [S7]", () => {
    const folder = mkdtempSync(join(tmpdir(), "obsforge-elf-"));
    const descriptor = openSync(join(folder, "cut"), "w+");
    try {
      writeFileSync(descriptor, new Uint8Array(smallElf().buffer));
      const elf = readElf(fileAccess(descriptor, "cut"));
      ftruncateSync(descriptor, SYMBOLS_AT);
      assert.throws(
        () => mainOf(elf),
        (error) => isCollectorError(error, "INPUT_MALFORMED"),
      );
    } finally {
      closeSync(descriptor);
      rmSync(folder, { recursive: true });
    }
  });
});

describe("fileAccess [S5]", () => {
  it("reads no more at once than the limit, whatever the file's size", () => {
    const folder = mkdtempSync(join(tmpdir(), "obsforge-elf-"));
    const descriptor = openSync(join(folder, "holes"), "w+");
    try {
      ftruncateSync(descriptor, 2 ** 32);
      const access = fileAccess(descriptor, "holes");
      assert.equal(access.read(2 ** 31, 4096).length, 4096);
      for (const length of [READ_BYTES_MAX + 1, 2 ** 31, 2 ** 32]) {
        assert.throws(
          () => access.read(0, length),
          (error) => isCollectorError(error, "LIMIT_EXCEEDED"),
        );
      }
    } finally {
      closeSync(descriptor);
      rmSync(folder, { recursive: true });
    }
  });
});

describe("identity", () => {
  it("reads the ids of both owners, and stops at a note that is cut", () => {
    const gnu = [4, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0x47, 0x4e, 0x55, 0, 0xab, 0xcd, 0, 0];
    const go = [4, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 0x47, 0x6f, 0, 0, 0x68, 0x69, 0, 0];
    const layout = { littleEndian: true, alignment: 4 };
    const whole = Uint8Array.from([...gnu, ...go]);
    assert.deepEqual(readBuildIds(whole, layout, "notes"), { gnu: "abcd", go: "hi" });
    assert.deepEqual(readBuildIds(whole.subarray(0, 36), layout, "notes"), { gnu: "abcd", go: "" });
  });

  it("refuses an id that is too long to be one", () => {
    const area = new Uint8Array(16 + 512);
    area.set([4, 0, 0, 0, 0, 2, 0, 0, 3, 0, 0, 0, 0x47, 0x4e, 0x55, 0]);
    assert.throws(
      () => readBuildIds(area, { littleEndian: true, alignment: 4 }, "notes"),
      (error) => isCollectorError(error, "LIMIT_EXCEEDED"),
    );
  });

  it("hashes a file that is shorter than its two ends", () => {
    assert.match(htlhash(bytesAccess(new Uint8Array([1, 2, 3]), "three bytes")), /^[0-9a-f]{32}$/);
  });
});

function segment(
  fileOffset: bigint,
  address: bigint,
  fileSize: bigint,
  executable: boolean,
): LoadSegment {
  return { fileOffset, address, fileSize, memorySize: fileSize, executable };
}

describe("fileAddress", () => {
  const lld = [segment(0n, 0n, 0x1560n, false), segment(0x1560n, 0x2560n, 0x800n, true)];

  const cases = [
    {
      name: "PIE: the address is the distance from where it was loaded",
      segments: [segment(0x1000n, 0x1000n, 0x500n, true)],
      mapping: { start: 0x5555_0000_1000n, fileOffset: 0x1000n },
      address: 0x5555_0000_1234n,
      expected: 0x1234n,
    },
    {
      name: "fixed addresses stay what they are",
      segments: [segment(0x1000n, 0x40_1000n, 0x500n, true)],
      mapping: { start: 0x40_1000n, fileOffset: 0x1000n },
      address: 0x40_1234n,
      expected: 0x40_1234n,
    },
    {
      name: "lld: the address of a segment is not its offset",
      segments: lld,
      mapping: { start: 0x7f00_0000_0000n, fileOffset: 0x1000n },
      address: 0x7f00_0000_0600n,
      expected: 0x2600n,
    },
    {
      name: "lld: a page that two segments show is the executable one's",
      segments: lld,
      mapping: { start: 0x7f00_0000_0000n, fileOffset: 0x1000n },
      address: 0x7f00_0000_0000n,
      expected: 0x2000n,
    },
    {
      name: "nothing shows the place",
      segments: lld,
      mapping: { start: 0x7f00_0000_0000n, fileOffset: 0x10_0000n },
      address: 0x7f00_0000_0000n,
      expected: undefined,
    },
  ];
  for (const { name, segments, mapping, address, expected } of cases) {
    it(name, () => assert.equal(fileAddress(segments, mapping, address), expected));
  }
});
