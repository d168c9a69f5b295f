import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readElf } from "../elf/elf-file.ts";
import { bytesAccess } from "../elf/random-access.ts";
import { writeElf } from "../testing/elf-writer.ts";
import { AddressSpace } from "./address-space.ts";
import { DwarfCursor } from "./dwarf-cursor.ts";
import { readOldRanges, readRangeList } from "./range-lists.ts";

const BASE = 0x40_1000;
const PAIRS = [0x10n, 0x20n, -0x30n, -0x10n, -0x9000n, 0x40n];
const EXPECTED = [0x40_1010, 0x40_1020, 0x40_0fd0, 0x40_0ff0, 0x3f_8000, 0x40_1040];

const elf = readElf(
  bytesAccess(writeElf({ is64: true, littleEndian: true, symbols: [] }), "written"),
);
const space = new AddressSpace(elf);

describe("ranges that are counted from a base above them, as Go's linker does", () => {
  it("are read modulo 2^64 from .debug_rnglists", () => {
    const pairs = [0, 2, 4].flatMap((at) => [4, ...uleb128(PAIRS[at]), ...uleb128(PAIRS[at + 1])]);
    const cursor = cursorOf(Uint8Array.from([...pairs, 0]));
    const context = { space, addressBytes: 8, base: BASE };
    const found = readRangeList(cursor, context, () => assert.fail());
    assert.deepEqual(found, EXPECTED);
  });

  for (const addressBytes of [4, 8]) {
    it(`are read modulo 2^${8 * addressBytes} from .debug_ranges`, () => {
      const words = [-1n, BigInt(BASE), ...PAIRS, 0n, 0n];
      const cursor = cursorOf(wordsOf(words, addressBytes));
      assert.deepEqual(readOldRanges(cursor, { space, addressBytes, base: 0 }), EXPECTED);
    });
  }
});

describe("ranges of a kernel, which are addresses counted from 0", () => {
  const kernelBase = 0xffff_ffff_8100_0000n;
  const kernel = readElf(
    bytesAccess(
      writeElf({ is64: true, littleEndian: true, symbols: [], segmentAddress: kernelBase }),
      "written",
    ),
  );
  const kernelSpace = new AddressSpace(kernel);
  const pairs = [kernelBase + 0x10n, kernelBase + 0x21n];
  // What the unit's low address of 0 is, from the kernel's start on.
  const base = kernelSpace.read(cursorOf(new Uint8Array(8)), 8);
  const context = { space: kernelSpace, addressBytes: 8, base };

  it("are exact in .debug_ranges", () => {
    const cursor = cursorOf(wordsOf([...pairs, 0n, 0n], 8));
    assert.deepEqual(readOldRanges(cursor, context), [0x10, 0x21]);
  });

  it("are exact in .debug_rnglists", () => {
    const cursor = cursorOf(Uint8Array.from([4, ...pairs.flatMap((one) => uleb128(one)), 0]));
    assert.deepEqual(
      readRangeList(cursor, context, () => assert.fail()),
      [0x10, 0x21],
    );
  });
});

function cursorOf(bytes: Uint8Array): DwarfCursor {
  return new DwarfCursor(bytes, "written", true);
}

function wordsOf(words: readonly bigint[], byteCount: number): Uint8Array {
  return Uint8Array.from(
    words.flatMap((word) =>
      Array.from({ length: byteCount }, (_, at) => Number((word >> BigInt(8 * at)) & 0xffn)),
    ),
  );
}

function uleb128(value = 0n): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}
