import {
  BASE,
  ElfImage,
  PAGE,
  packed,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHT_DYNSYM,
  SHT_STRTAB,
  SHT_SYMTAB,
  setWord,
  TEXT_AT,
  type WrittenSection,
} from "./elf-image.ts";
import type { HostileFile } from "./hostile-files.ts";

const MIB = 1024 * 1024;
const ENTRY_BYTES = 24;
const SHT_SYMTAB_SHNDX = 18;
/** Global function. */
const INFO = 0x12;
const TEXT = BASE + TEXT_AT;
/** Nearly as many as may be found around the addresses that are asked for. */
const FUNCTIONS = 249_000;

interface WrittenFunction {
  readonly name: number;
  readonly start: number;
  readonly size: number;
}

function entries(count: number, of: (index: number) => WrittenFunction): Uint8Array {
  return packed(count, ENTRY_BYTES, (view, at, index) => {
    const { name, start, size } = of(index);
    view.setUint32(at, name, true);
    view.setUint8(at + 4, INFO);
    view.setUint16(at + 6, 1, true);
    setWord(view, at + 8, start);
    setWord(view, at + 16, size);
  });
}

interface Tables {
  readonly symbols: Uint8Array;
  readonly names: Uint8Array;
  /** Fields of .symtab that are not what they should be. */
  readonly more?: Partial<WrittenSection>;
  readonly textBytes?: number;
}

/** .text, .symtab and .strtab. */
function withSymbols(seconds: number, tables: Tables): ElfImage {
  const { symbols, names, more = {}, textBytes = PAGE } = tables;
  const image = new ElfImage(seconds, textBytes);
  const flags = SHF_ALLOC | SHF_EXECINSTR;
  image.sections.push({ name: ".text", flags, offset: TEXT_AT, size: textBytes });
  const link = 3;
  const fields = { type: SHT_SYMTAB, link, entrySize: ENTRY_BYTES, ...more };
  image.section(".symtab", symbols, fields);
  image.section(".strtab", names, { type: SHT_STRTAB });
  return image;
}

const SPIN: WrittenFunction = { name: 1, start: TEXT, size: PAGE };
const small = entries(2, (index) => (index === 0 ? { name: 0, start: 0, size: 0 } : SPIN));
const spin = Buffer.from("\0spin\0");

/** One good function in a table whose header lies. */
const lies: { name: string; more: Partial<WrittenSection> }[] = [
  { name: "symbol entries of no bytes", more: { entrySize: 0 } },
  { name: "symbol entries of 1 byte", more: { entrySize: 1 } },
  { name: "symbols whose names are the symbols", more: { link: 2 } },
  { name: "symbols whose names are in section 2^32 − 1", more: { link: 0xffff_ffff } },
  { name: "symbols of 2^64 − 1 bytes", more: { size: -1n } },
  { name: "symbols beyond the file's end", more: { offset: 2 ** 45 } },
];

const names: readonly HostileFile[] = [
  {
    name: "names that do not end",
    image: (s) => withSymbols(s, { symbols: small, names: Buffer.alloc(MIB, 0x41) }),
  },
  {
    name: "a name of 16 MiB",
    image: (s) => {
      const long = Buffer.alloc(16 * MIB, 0x41);
      long[0] = 0;
      long[long.length - 1] = 0;
      return withSymbols(s, { symbols: small, names: long });
    },
  },
  {
    name: "names of 2^63 bytes",
    image: (s) => {
      const image = withSymbols(s, { symbols: small, names: spin });
      image.sections[2] = { ...(image.sections[2] as WrittenSection), size: 2n ** 63n };
      return image;
    },
  },
  {
    name: "a name in a mangling that goes deep",
    image: (s) => {
      const deep = `\0_Z${"N1aI".repeat(8000)}E\0`;
      return withSymbols(s, { symbols: small, names: Buffer.from(deep) });
    },
  },
];

const tables: readonly HostileFile[] = [
  {
    name: "2^28 symbols of holes",
    image: (seconds) => {
      const image = withSymbols(seconds, { symbols: small, names: spin });
      image.mapsData = false;
      const size = 2 ** 28 * ENTRY_BYTES;
      const offset = image.hole(size);
      image.sections[1] = { ...(image.sections[1] as WrittenSection), offset, size };
      return image;
    },
  },
  {
    name: "249,000 functions around each address",
    image: (seconds) => {
      const of = (index: number) => ({ name: 1, start: TEXT - index, size: PAGE + 2 * index });
      return withSymbols(seconds, { symbols: entries(FUNCTIONS, of), names: spin });
    },
  },
  {
    name: "249,000 names of one function",
    image: (seconds) => {
      const symbols = entries(FUNCTIONS, () => SPIN);
      return withSymbols(seconds, { symbols, names: spin });
    },
  },
  {
    name: "249,000 names far from each other",
    image: (seconds) => {
      const step = 8192;
      const text = Buffer.alloc(256 * step, 0x42);
      for (let at = 0; at < text.length; at += step) text[at + step - 1] = 0;
      const of = (index: number) => ({
        name: 1 + (index % 256) * step,
        start: TEXT - index,
        size: PAGE + 2 * index,
      });
      return withSymbols(seconds, { symbols: entries(FUNCTIONS, of), names: text });
    },
  },
  {
    name: "more functions around an address than are kept",
    image: (seconds) => {
      const of = (index: number) => ({
        name: 1,
        start: TEXT - (index % 4096),
        size: 2 ** 40 + index,
      });
      return withSymbols(seconds, { symbols: entries(2_400_000, of), names: spin });
    },
  },
  {
    name: "2,000 symbol tables of 16 MiB in one place",
    image: (seconds) => {
      const functions = (index: number) => ({ name: 1, start: TEXT + (index % PAGE), size: 1 });
      const symbols = entries(Math.floor((16 * MIB) / ENTRY_BYTES), functions);
      const image = withSymbols(seconds, { symbols, names: spin });
      const table = image.sections[1] as WrittenSection;
      for (let index = 0; index < 2000; index++) image.sections.push(table);
      return image;
    },
  },
  {
    name: "long section indexes that are their own table",
    image: (seconds) => {
      const symbols = entries(1000, () => SPIN);
      new DataView(symbols.buffer).setUint16(ENTRY_BYTES + 6, 0xffff, true);
      const image = withSymbols(seconds, { symbols, names: spin });
      const table = image.sections[1] as WrittenSection;
      for (const link of [2, 4, 5]) {
        image.sections.push({ ...table, name: ".symtab_shndx", type: SHT_SYMTAB_SHNDX, link });
      }
      return image;
    },
  },
  {
    name: ".symtab and .dynsym that are each other's names",
    image: (seconds) => {
      const image = withSymbols(seconds, { symbols: small, names: spin, more: { link: 4 } });
      const table = image.sections[1] as WrittenSection;
      image.sections.push({ ...table, name: ".dynsym", type: SHT_DYNSYM, link: 2 });
      return image;
    },
  },
];

/** Executables with hostile symbol tables. */
export const symbolFiles: readonly HostileFile[] = [
  ...lies.map(({ name, more }) => ({
    name,
    image: (seconds: number) => withSymbols(seconds, { symbols: small, names: spin, more }),
  })),
  ...names,
  ...tables,
];
