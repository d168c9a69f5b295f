/**
 * The functions of .symtab and .dynsym, sorted and without aliases.
 *
 *   entry      32 bit  64 bit
 *   st_name    0       0       offset in the section that sh_link names
 *   st_value   4       8
 *   st_size    8       16
 *   st_info    12      4       binding in the high half, type in the low
 *   st_shndx   14      6       SHN_XINDEX: the index is in the SHT_SYMTAB_SHNDX section
 *
 * Source: System V gABI, chapter 4, "Symbol Table".
 */
import { limitExceeded, malformed } from "../../support/errors.ts";
import {
  type ElfFile,
  ET_REL,
  readSectionBytes,
  type Section,
  SHF_EXECINSTR,
  SHT_DYNSYM,
  SHT_NOBITS,
  SHT_SYMTAB,
  SHT_SYMTAB_SHNDX,
} from "./elf-file.ts";

/** Entries of both tables together, functions or not; a large browser has two million. */
export const SYMBOLS_MAX = 2_500_000;
/**
 * Bytes of both tables and their names. With the columns that are made of them (49 bytes an
 * entry) one file takes about 256 MiB at most; a large browser has 140 MB here.
 */
export const SYMBOL_BYTES_MAX: number = 138 * 1024 * 1024;
/** Bytes of names of one table; a large browser has 90 MB. */
export const SYMBOL_NAMES_BYTES_MAX: number = 128 * 1024 * 1024;
/** Aliases of one range whose names are compared; the rest are passed over. */
const ALIASES_COMPARED_MAX = 64;
/** Bytes by which names of aliases are compared: enough to be stable. */
const COMPARED_BYTES_MAX = 256;

const STT_NOTYPE = 0;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;
const STB_LOCAL = 0;
const STB_WEAK = 2;
const SHN_UNDEF = 0;
const SHN_LORESERVE = 0xff00;
const SHN_ABS = 0xfff1;
const SHN_XINDEX = 0xffff;
const EM_ARM = 40;
const HIGH_WORD = 2 ** 32;
const UNDERSCORE = 0x5f;

/** Functions sorted by start, at equal starts the longer first; no two have the same range. */
export interface SymbolColumns {
  /** From `base` on. */
  readonly starts: Float64Array;
  readonly sizes: Float64Array;
  /** Offset of the name in `strings`; from the first's length on it is one in the second. */
  readonly names: Uint32Array;
  /** Address of start 0; not 0 only in files that lie above 2^53, as kernels do. */
  readonly base: bigint;
  readonly strings: readonly [Uint8Array, Uint8Array];
}

interface Candidates {
  readonly starts: Float64Array;
  readonly sizes: Float64Array;
  readonly names: Uint32Array;
  /** 0 global, 1 weak, 2 local. */
  readonly bindings: Uint8Array;
  count: number;
}

interface Table {
  readonly section: Section;
  readonly bytes: Uint8Array;
  readonly strings: Uint8Array;
  /** Where its names begin in the numbering of both tables' names. */
  readonly namesStart: number;
  /** Section indexes that do not fit into st_shndx; empty when there are none. */
  readonly longIndexes: Uint8Array;
}

/**
 * Reads what a SymbolTable is made of.
 *
 * @throws INPUT_MALFORMED  a table that the file cannot hold, or names outside of their section
 * @throws LIMIT_EXCEEDED   more symbols or names than the limits above
 */
export function readSymbolColumns(elf: ElfFile): SymbolColumns {
  const tables = readTables(elf);
  const candidates = emptyCandidates(tables, elf);
  const base = baseOf(elf);
  for (const table of tables) collectFunctions(elf, table, base, candidates);
  const strings: [Uint8Array, Uint8Array] = [
    tables[0]?.strings ?? new Uint8Array(0),
    tables[1]?.strings ?? new Uint8Array(0),
  ];
  return { ...withoutAliases(candidates, strings), base, strings };
}

function readTables(elf: ElfFile): readonly Table[] {
  // Symbols of an unlinked object have no addresses yet.
  if (elf.type === ET_REL) return [];
  requireSymbolBytes(elf);
  const tables: Table[] = [];
  let namesStart = 0;
  for (const type of [SHT_SYMTAB, SHT_DYNSYM]) {
    const index = elf.sections.findIndex((section) => section.type === type);
    const section = elf.sections[index];
    if (section === undefined) continue;
    const table = readTable(elf, section, index, namesStart);
    tables.push(table);
    namesStart += table.strings.length;
  }
  return tables;
}

/** Before any of it is read. */
function requireSymbolBytes({ sections, access }: ElfFile): void {
  let bytes = 0;
  for (const type of [SHT_SYMTAB, SHT_DYNSYM]) {
    const index = sections.findIndex((section) => section.type === type);
    const table = sections[index];
    if (table === undefined) continue;
    const long = sections.find((one) => one.type === SHT_SYMTAB_SHNDX && one.link === index);
    for (const section of [table, sections[table.link], long]) {
      if (section !== undefined && section.type !== SHT_NOBITS) bytes += section.size;
    }
  }
  if (bytes > SYMBOL_BYTES_MAX) {
    throw limitExceeded(access.name, "bytes of symbols", bytes, SYMBOL_BYTES_MAX);
  }
}

function readTable(elf: ElfFile, section: Section, index: number, namesStart: number): Table {
  const where = `${elf.access.name}: ${section.name || `section ${index}`}`;
  const entryBytes = elf.is64 ? 24 : 16;
  if (section.entrySize !== entryBytes) {
    throw malformed(where, `entries have ${section.entrySize} bytes instead of ${entryBytes}`);
  }
  const names = elf.sections[section.link];
  if (names === undefined) throw malformed(where, `its names' section ${section.link} is missing`);
  const bytes = readSectionBytes(elf, section, SYMBOLS_MAX * entryBytes);
  // A file of debug information keeps the header of what is only in the stripped file.
  const isEmpty = bytes.length === 0 || names.type === SHT_NOBITS;
  const strings = isEmpty ? bytes : readSectionBytes(elf, names, SYMBOL_NAMES_BYTES_MAX);
  if (strings.length > 0 && !isEmpty && strings[strings.length - 1] !== 0) {
    throw malformed(where, "the last of its names does not end");
  }
  const longIndexes = elf.sections.find(
    (one) => one.type === SHT_SYMTAB_SHNDX && one.link === index,
  );
  return {
    section,
    bytes: isEmpty ? new Uint8Array(0) : bytes,
    strings: isEmpty ? new Uint8Array(0) : strings,
    namesStart,
    longIndexes: longIndexes
      ? readSectionBytes(elf, longIndexes, SYMBOLS_MAX * 4)
      : new Uint8Array(0),
  };
}

function emptyCandidates(tables: readonly Table[], elf: ElfFile): Candidates {
  const entryBytes = elf.is64 ? 24 : 16;
  let count = 0;
  for (const { bytes } of tables) count += Math.floor(bytes.length / entryBytes);
  if (count > SYMBOLS_MAX) throw limitExceeded(elf.access.name, "symbols", count, SYMBOLS_MAX);
  return {
    starts: new Float64Array(count),
    sizes: new Float64Array(count),
    names: new Uint32Array(count),
    bindings: new Uint8Array(count),
    count: 0,
  };
}

/** Addresses are kept as doubles, exact to 2^53: a file above that counts from its first code. */
function baseOf(elf: ElfFile): bigint {
  let lowest: bigint | undefined;
  for (const { address, executable } of elf.segments) {
    if (executable && (lowest === undefined || address < lowest)) lowest = address;
  }
  return lowest !== undefined && lowest > BigInt(Number.MAX_SAFE_INTEGER) ? lowest : 0n;
}

function collectFunctions(elf: ElfFile, table: Table, base: bigint, into: Candidates): void {
  const { bytes, strings, namesStart } = table;
  const { is64, littleEndian } = elf;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entryBytes = is64 ? 24 : 16;
  const [infoAt, indexAt, valueAt, sizeAt] = is64 ? [4, 6, 8, 16] : [12, 14, 4, 8];
  const word = is64 ? wordReader(view, littleEndian) : undefined;
  const baseHigh = Number(base >> 32n);
  const baseLow = Number(base & 0xffffffffn);
  const codeMask = elf.machine === EM_ARM ? 1 : 0;
  const isCode = elf.sections.map((section) => (section.flags & SHF_EXECINSTR) !== 0);
  const entryCount = Math.floor(bytes.length / entryBytes);
  for (let entry = 0; entry < entryCount; entry++) {
    const at = entry * entryBytes;
    const info = view.getUint8(at + infoAt);
    const type = info & 0xf;
    if (type !== STT_FUNC && type !== STT_GNU_IFUNC && type !== STT_NOTYPE) continue;
    const shortIndex = view.getUint16(at + indexAt, littleEndian);
    if (shortIndex === SHN_UNDEF) continue;
    if (type === STT_NOTYPE && !isCode[sectionIndex(table, entry, shortIndex, elf)]) continue;
    const size = word ? word(at + sizeAt, 0, 0) : view.getUint32(at + sizeAt, littleEndian);
    if (size === 0) continue;
    const start = word
      ? word(at + valueAt, baseHigh, baseLow)
      : view.getUint32(at + valueAt, littleEndian) - (codeMask && view.getUint8(at + valueAt) & 1);
    if (!(start >= 0 && start + size <= Number.MAX_SAFE_INTEGER)) continue;
    const name = view.getUint32(at, littleEndian);
    if (name >= strings.length) throw nameOutside(elf, table, entry);
    if (strings[name] === 0) continue;
    const row = into.count++;
    into.starts[row] = start;
    into.sizes[row] = size;
    into.names[row] = namesStart + name;
    into.bindings[row] = info >> 4 === STB_LOCAL ? 2 : info >> 4 === STB_WEAK ? 1 : 0;
  }
}

/** Reads 64 bits less a base as a double: exact where the result is within 2^53. */
function wordReader(
  view: DataView,
  littleEndian: boolean,
): (offset: number, baseHigh: number, baseLow: number) => number {
  const lowAt = littleEndian ? 0 : 4;
  const highAt = 4 - lowAt;
  return (offset, baseHigh, baseLow) =>
    (view.getUint32(offset + highAt, littleEndian) - baseHigh) * HIGH_WORD +
    (view.getUint32(offset + lowAt, littleEndian) - baseLow);
}

function sectionIndex(table: Table, entry: number, shortIndex: number, elf: ElfFile): number {
  if (shortIndex < SHN_LORESERVE) return shortIndex;
  if (shortIndex !== SHN_XINDEX) return SHN_ABS;
  const { longIndexes } = table;
  const at = entry * 4;
  if (at + 4 > longIndexes.length) {
    const where = `${elf.access.name}: symbol ${entry}`;
    throw malformed(where, "its section's index is in a section that does not hold it");
  }
  const view = new DataView(longIndexes.buffer, longIndexes.byteOffset, longIndexes.byteLength);
  return view.getUint32(at, elf.littleEndian);
}

function nameOutside(elf: ElfFile, table: Table, entry: number): Error {
  const where = `${elf.access.name}: ${table.section.name} entry ${entry}`;
  return malformed(where, "its name is outside of the names");
}

function withoutAliases(
  { starts, sizes, names, bindings, count }: Candidates,
  strings: readonly [Uint8Array, Uint8Array],
): Pick<SymbolColumns, "starts" | "sizes" | "names"> {
  const order = sortedRows(starts, sizes, count);
  const best = new Uint32Array(count);
  let bestCount = 0;
  let aliases = 0;
  for (const row of order) {
    const last = best[bestCount - 1] ?? 0;
    if (bestCount > 0 && starts[row] === starts[last] && sizes[row] === sizes[last]) {
      const order =
        (bindings[row] as number) - (bindings[last] as number) ||
        (++aliases < ALIASES_COMPARED_MAX
          ? compareNames(strings, names[row] as number, names[last] as number)
          : 0);
      if (order < 0) best[bestCount - 1] = row;
    } else {
      best[bestCount++] = row;
      aliases = 0;
    }
  }
  const rows = best.subarray(0, bestCount);
  return {
    starts: Float64Array.from(rows, (row) => starts[row] as number),
    sizes: Float64Array.from(rows, (row) => sizes[row] as number),
    names: Uint32Array.from(rows, (row) => names[row] as number),
  };
}

/** By start, the longer first, then as they stand in the file. */
function sortedRows(starts: Float64Array, sizes: Float64Array, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, row) => row);
  return order.sort(
    (a, b) =>
      (starts[a] as number) - (starts[b] as number) ||
      (sizes[b] as number) - (sizes[a] as number) ||
      a - b,
  );
}

/** What people expect to read: no leading underscore, then the shorter, then by bytes. */
function compareNames(strings: readonly [Uint8Array, Uint8Array], a: number, b: number): number {
  const nameA = comparedBytes(strings, a);
  const nameB = comparedBytes(strings, b);
  return (
    Number(nameA[0] === UNDERSCORE) - Number(nameB[0] === UNDERSCORE) ||
    nameA.length - nameB.length ||
    Buffer.compare(nameA, nameB)
  );
}

function comparedBytes(strings: readonly [Uint8Array, Uint8Array], offset: number): Uint8Array {
  const inFirst = offset < strings[0].length;
  const start = inFirst ? offset : offset - strings[0].length;
  const bytes = strings[inFirst ? 0 : 1].subarray(start, start + COMPARED_BYTES_MAX);
  const length = bytes.indexOf(0);
  return length < 0 ? bytes : bytes.subarray(0, length);
}
