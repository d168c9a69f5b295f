import { ByteWriter } from "./byte-writer.ts";
import { ADDRESSES, BAD_START, debugImage, goodParts } from "./debug-image.ts";
import {
  BASE,
  ElfImage,
  PF_RX,
  PT_LOAD,
  SHT_DYNSYM,
  SHT_STRTAB,
  SHT_SYMTAB,
  TEXT_AT,
} from "./elf-image.ts";
import { goFiles } from "./go-files.ts";
import type { HostileFile } from "./hostile-files.ts";
import { symbolFiles } from "./symbol-files.ts";
import { requireEqual, type SymbolizeCase } from "./symbolize-case.ts";

const MIB = 1024 * 1024;
const ENTRY_BYTES = 24;
const FUNCTION_BYTES = 16;
const EXECUTABLE = 6;
/** Where the stubs of a program are said to be: far from its code. */
const STUBS_AT = 0x1000_0000;

/** A program of functions of some names, one behind the other, and the address of each. */
function named(name: string, names: () => readonly string[]): SymbolizeCase {
  const count = names().length;
  return {
    name,
    addresses: Array.from({ length: count }, (_, index) => BAD_START + index * FUNCTION_BYTES),
    write: (folder) => {
      const image = new ElfImage(0, MIB);
      image.sections.push({ name: ".text", flags: EXECUTABLE, offset: TEXT_AT, size: MIB });
      const symbols = new ByteWriter().times(ENTRY_BYTES, [0]);
      const texts = new ByteWriter().u8(0);
      for (const [index, text] of names().entries()) {
        symbols.u32(texts.length).u8(0x12, 0).u16(1);
        symbols.u64(BAD_START + index * FUNCTION_BYTES).u64(FUNCTION_BYTES);
        texts.text(text);
      }
      image.section(".symtab", symbols.bytes, { type: SHT_SYMTAB, link: 3, entrySize: 24 });
      image.section(".strtab", texts.bytes, { type: SHT_STRTAB });
      image.write(folder.file("program"));
      return ["--binary", folder.file("program")];
    },
    check: ({ answers }) => {
      const found = answers.map(({ frames }) => frames[0]?.systemName);
      const isRight = found.every((one, index) => one === undefined || one === names()[index]);
      if (!isRight) throw new Error("a function has the name of another");
    },
  };
}

/** Each parameter has the one before twice. */
function doubling(levels: number, first: string): string {
  let name = `_Z1f1AIiiE${first}`;
  for (let level = 1; level <= levels; level++) {
    const before = `S${(level - 1).toString(36).toUpperCase()}_`;
    name += `S_I${before}${before}E`;
  }
  return name;
}

const KINDS = 40;
const times = (make: (index: number) => string): string[] =>
  Array.from({ length: KINDS }, (_, index) => make(index));

const names: readonly SymbolizeCase[] = [
  named("names that double themselves 30 times", () =>
    times((index) => doubling(30, "i".repeat(index + 1))),
  ),
  named("names that double themselves as often as is still shown", () =>
    times((index) => doubling(9, "i".repeat(index + 1))),
  ),
  named("names of Rust that lead back, again and again", () =>
    times((index) => `_RNvC${index + 1}${"a".repeat(index + 1)}${"INvB2_".repeat(2000)}`),
  ),
  named("names of Rust with tuples of themselves", () =>
    times((index) => `_RINvC${index + 1}${"a".repeat(index + 1)}1f${"TB8_B8_".repeat(800)}E`),
  ),
  named("pointers 30,000 deep", () => times((index) => `_Z1f${"P".repeat(30_000 - index)}i`)),
  named("templates 8,000 deep", () => times((index) => `_Z${"N1aI".repeat(8000 - index)}E`)),
  named("expressions 10,000 deep", () =>
    times((index) => `_Z1fIXplL${"_Z".repeat(10_000 - index)}iEEvv`),
  ),
  named("older names of Rust with 10,000 escapes", () =>
    times((index) => `_ZN${9 * 1000 + index}${"$u7e$".repeat(2000)}17h0123456789abcdefE`),
  ),
  named("names that are cut and numbers that are not", () =>
    times((index) => `_ZN${"9".repeat(index + 1)}a`),
  ),
  named("names of a hundred versions and copies", () =>
    times((index) => `f${index}${".isra.0.cold".repeat(500)}@@${"V".repeat(500)}`),
  ),
  named("names of 32 KiB of points", () => times((index) => `a${".".repeat(32_000 - index)}`)),
  named("a name of 10 MB among others", () => ["first", "n".repeat(10_000_000), "last"]),
  named("300 names of 30 KiB", () =>
    Array.from({ length: 300 }, (_, index) => `${index}${"n".repeat(30_000)}`),
  ),
];

interface PlacedFunction {
  readonly name: string;
  readonly value: bigint;
  readonly size: bigint;
}

const LAST = 2n ** 64n - 1n;

/** A program whose code is at the end of all addresses, as a kernel's. */
function atTheEnd(name: string, functions: readonly PlacedFunction[]): SymbolizeCase {
  return {
    name,
    addresses: [0n, 0x1000n, 2n ** 53n, 2n ** 63n, LAST - 4095n, LAST - 15n, LAST],
    write: (folder) => {
      const image = new ElfImage(0);
      image.mapsText = false;
      for (const address of [2n ** 64n - 4096n, 2n ** 63n, 2n ** 53n, 0n]) {
        const sizes = { fileSize: 4096, memorySize: LAST };
        image.programs.push({ type: PT_LOAD, flags: PF_RX, offset: 0, address, ...sizes });
      }
      const text = { name: ".text", flags: EXECUTABLE, address: 2n ** 64n - 4096n };
      image.sections.push({ ...text, offset: TEXT_AT, size: 4096 });
      const symbols = new ByteWriter().times(ENTRY_BYTES, [0]);
      const texts = new ByteWriter().u8(0);
      for (const { name: own, value, size } of functions) {
        symbols.u32(texts.length).u8(0x12, 0).u16(1).u64(value).u64(size);
        texts.text(own);
      }
      image.section(".symtab", symbols.bytes, { type: SHT_SYMTAB, link: 3, entrySize: 24 });
      image.section(".strtab", texts.bytes, { type: SHT_STRTAB });
      image.write(folder.file("program"));
      return ["--binary", folder.file("program")];
    },
    check: ({ answers }) => {
      for (const { address, frames } of answers) {
        const found = functions.find(({ name: own }) => own === frames[0]?.systemName);
        if (found === undefined) continue;
        const distance = BigInt(address) - found.value;
        if (distance >= 0n && distance < found.size) continue;
        throw new Error(`${address} is not in ${found.name}`);
      }
    },
  };
}

const ends: readonly SymbolizeCase[] = [
  atTheEnd("a function that lasts beyond all addresses", [
    { name: "all", value: 0n, size: LAST },
    { name: "far", value: LAST - 15n, size: LAST },
    { name: "last", value: LAST, size: 1n },
  ]),
  atTheEnd("functions around 2^53 and 2^63", [
    { name: "low", value: 2n ** 53n - 1n, size: 1n },
    { name: "odd", value: 2n ** 53n + 1n, size: 1n },
    { name: "even", value: 2n ** 53n, size: 1n },
    { name: "half", value: 2n ** 63n, size: 2n ** 63n },
  ]),
];

/** Sections of stubs and of what leads to them, as often as given. */
function stubs(name: string, sizes: { stubBytes: number; slots: number; times: number }) {
  return {
    name,
    addresses: [...ADDRESSES, STUBS_AT + 2],
    write: (folder) => {
      const image = debugImage(goodParts());
      const { stubBytes, slots, times: count } = sizes;
      const jumps = image.append(
        new ByteWriter().times(stubBytes / 8, [0xff, 0x25, 0, 0, 0, 0, 0, 0]).bytes,
      );
      const dynamic = image.sections.length + 1;
      const symbols = new ByteWriter().times(24, [0]).u32(1).times(20, [0]).bytes;
      image.section(".dynsym", symbols, { type: SHT_DYNSYM, link: dynamic + 1, entrySize: 24 });
      image.section(".dynstr", Buffer.from("\0far\0"), { type: SHT_STRTAB });
      const relocation = new ByteWriter()
        .u64(STUBS_AT + 6)
        .u64((1n << 32n) | 7n)
        .u64(0).bytes;
      const relocations = image.append(new ByteWriter().times(slots, relocation).bytes);
      for (let index = 0; index < count; index++) {
        image.sections.push({
          ...{ name: ".plt", flags: EXECUTABLE, address: STUBS_AT, entrySize: 8 },
          ...{ offset: jumps, size: stubBytes },
        });
        image.sections.push({
          ...{ name: ".rela.plt", type: 4, link: dynamic, entrySize: 24 },
          ...{ offset: relocations, size: slots * 24 },
        });
      }
      image.write(folder.file("program"));
      return ["--binary", folder.file("program")];
    },
    check: ({ answers }) => {
      const [good, bad, gap, stub] = answers.map(({ frames }) => frames.at(-1)?.systemName);
      requireEqual([good, bad, gap, stub ?? "far@plt"], ["good", "bad", undefined, "far@plt"]);
    },
  } satisfies SymbolizeCase;
}

const tables: readonly SymbolizeCase[] = [
  stubs("stubs as they should be", { stubBytes: 64, slots: 8, times: 1 }),
  stubs("2,000 sections of stubs in one place", { stubBytes: 4 * MIB, slots: 1, times: 2000 }),
  stubs("2 million relocations", { stubBytes: 64, slots: 2_000_000, times: 1 }),
  stubs("2,000 sections of relocations in one place", {
    ...{ stubBytes: 64, slots: 100_000, times: 2000 },
  }),
];

/** What executables of the other tests of this folder make of a symbol table. */
function fromImage({ name, image }: HostileFile): SymbolizeCase {
  return {
    name,
    addresses: [BASE + TEXT_AT, BASE + TEXT_AT + 100, 2 ** 52],
    write: (folder) => {
      image(0).write(folder.file("program"));
      return ["--binary", folder.file("program")];
    },
  };
}

/** Names, symbol tables, stubs, tables of Go. */
export const nameFiles: readonly SymbolizeCase[] = [
  ...names,
  ...ends,
  ...tables,
  ...[...symbolFiles, ...goFiles].map(fromImage),
];
