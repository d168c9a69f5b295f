import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type WrittenElf, type WrittenSymbol, writeElf } from "../testing/elf-writer.ts";
import { readElf } from "./elf-file.ts";
import { bytesAccess } from "./random-access.ts";
import { type FunctionAt, findFunctions, SYMBOL_NAME_BYTES_MAX } from "./symbol-table.ts";

const LAYOUT = { is64: true, littleEndian: true };
const STT_NOTYPE = 0;
const STT_OBJECT = 1;
const STB_LOCAL = 0;
const STB_WEAK = 2;

function foundAt(elf: WrittenElf, ...addresses: bigint[]): FunctionAt | undefined {
  return findFunctions(readElf(bytesAccess(writeElf(elf), "test")), addresses)[0];
}

function nameAt(elf: WrittenElf, address: bigint): string | undefined {
  return foundAt(elf, address)?.symbol?.name;
}

function named(symbols: readonly WrittenSymbol[], address: bigint): string | undefined {
  return nameAt({ ...LAYOUT, symbols }, address);
}

function readable(symbols: readonly WrittenSymbol[], address: bigint): string | undefined {
  return foundAt({ ...LAYOUT, symbols }, address)?.symbol?.readableName;
}

describe("findFunctions", () => {
  for (const is64 of [true, false]) {
    for (const littleEndian of [true, false]) {
      it(`reads ${is64 ? 64 : 32} bit, ${littleEndian ? "little" : "big"} endian`, () => {
        const symbols = [{ name: "f", value: 0x1000n, size: 16 }];
        const elf = { is64, littleEndian, symbols };
        assert.equal(nameAt(elf, 0xfffn), undefined);
        assert.equal(nameAt(elf, 0x1000n), "f");
        assert.equal(nameAt(elf, 0x100fn), "f");
        assert.equal(nameAt(elf, 0x1010n), undefined);
      });
    }
  }

  it("reads out global before weak before local, then no underscore, shorter, by bytes", () => {
    const value = 0x1000n;
    const order = [
      { name: "b", value, size: 8 },
      { name: "c", value, size: 8 },
      { name: "aa", value, size: 8 },
      { name: "_a", value, size: 8 },
      { name: "w", value, size: 8, binding: STB_WEAK },
      { name: "l", value, size: 8, binding: STB_LOCAL },
    ];
    for (let first = 0; first < order.length; first++) {
      const rest = order.slice(first);
      assert.equal(readable(rest, value), order[first]?.name);
      assert.equal(readable(rest.toReversed(), value), order[first]?.name);
    }
  });

  it("takes of several at one place the last of the table, as llvm-symbolizer does", () => {
    const symbols = ["b", "a", "_c"].map((name) => ({ name, value: 0x1000n, size: 8 }));
    assert.equal(named(symbols, 0x1004n), "_c");
    assert.equal(readable(symbols, 0x1004n), "a");
  });

  it("lets a function without a size last until something begins or ends", () => {
    const symbols = [
      { name: "sized", value: 0x1000n, size: 16 },
      { name: "unsized", value: 0x1020n, size: 0 },
      { name: "next", value: 0x1040n, size: 16 },
    ];
    assert.equal(named(symbols, 0x1018n), undefined);
    for (const address of [0x1020n, 0x103fn]) assert.equal(named(symbols, address), "unsized");
    assert.equal(named(symbols, 0x1040n), "next");
    assert.equal(named(symbols, 0x1050n), undefined);
  });

  it("finds the innermost of nested functions, and the outer one behind it", () => {
    const symbols = [
      { name: "outer", value: 0x1000n, size: 100 },
      { name: "head", value: 0x1000n, size: 10 },
      { name: "inner", value: 0x1020n, size: 8 },
    ];
    assert.equal(named(symbols, 0x1009n), "head");
    assert.equal(named(symbols, 0x100an), "outer");
    assert.equal(named(symbols, 0x1027n), "inner");
    assert.equal(named(symbols, 0x1028n), "outer");
    assert.equal(named(symbols, 0x1064n), undefined);
  });

  it("takes what has no type only with a size and from code", () => {
    const at = { value: 0x1000n, size: 8 };
    assert.equal(named([{ name: "asm", ...at, type: STT_NOTYPE }], 0x1000n), "asm");
    assert.equal(named([{ name: "asm", ...at, size: 0, type: STT_NOTYPE }], 0x1000n), undefined);
    assert.equal(named([{ name: "d", ...at, type: STT_NOTYPE, section: 3 }], 0x1000n), undefined);
    assert.equal(named([{ name: "o", ...at, type: STT_OBJECT }], 0x1000n), undefined);
    assert.equal(named([{ name: "u", ...at, section: 0 }], 0x1000n), undefined);
  });

  it("follows counts and indexes that do not fit into 16 bits", () => {
    const sectionCount = 0xff10;
    const symbols = [
      { name: "far", value: 0x1000n, size: 8, type: STT_NOTYPE, section: sectionCount - 1 },
    ];
    assert.equal(nameAt({ ...LAYOUT, symbols, sectionCount }, 0x1000n), "far");
  });

  it("is exact above 2^53", () => {
    const segmentAddress = 0xffffffff81000000n;
    const symbols = [{ name: "k", value: segmentAddress + 1n, size: 1 }];
    const elf = { ...LAYOUT, symbols, segmentAddress };
    assert.equal(nameAt(elf, segmentAddress), undefined);
    assert.equal(nameAt(elf, segmentAddress + 1n), "k");
    assert.equal(nameAt(elf, segmentAddress + 2n), undefined);
  });

  for (const [length, isNamed] of [
    [SYMBOL_NAME_BYTES_MAX - 1, true],
    [SYMBOL_NAME_BYTES_MAX, true],
    [SYMBOL_NAME_BYTES_MAX + 1, false],
  ] as const) {
    it(`${isNamed ? "gives out" : "keeps"} a name of ${length} bytes`, () => {
      const symbols = [{ name: "n".repeat(length), value: 0x1000n, size: 8 }];
      assert.equal(named(symbols, 0x1000n) !== undefined, isNamed);
    });
  }
});
