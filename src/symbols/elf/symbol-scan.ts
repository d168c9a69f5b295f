/**
 * The functions of .symtab and .dynsym around some addresses, found in one pass over both tables.
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
import { endianness } from "node:os";
import { limitExceeded, malformed } from "../../support/errors.ts";
import { AddressRanges } from "./address-ranges.ts";
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
import { NameSection } from "./name-section.ts";

/** Entries of both tables together, functions or not; a large browser has two million. */
export const SYMBOLS_MAX = 2_500_000;
/**
 * Functions that cover an address, aliases included; real code has ten an address at most, and a
 * busy host asks for some 20,000 addresses of a file. Each may cost a read of its name.
 */
export const FOUND_MAX = 250_000;
/** Entries that are read at once. */
const ENTRIES_AT_ONCE = 4096;
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
export interface FoundFunctions {
  /** From `base` on. */
  readonly starts: Float64Array;
  readonly sizes: Float64Array;
  /** By `nameBytes`. */
  readonly names: Float64Array;
  /** Address of start 0; not 0 only in files that lie above 2^53, as kernels do. */
  readonly base: bigint;
  /** Around the addresses that were asked for, from `base` on. */
  readonly ranges: AddressRanges;
  readonly tables: readonly Table[];
}

interface Candidates {
  readonly starts: number[];
  readonly sizes: number[];
  readonly names: number[];
  /** 0 global, 1 weak, 2 local. */
  readonly bindings: number[];
}

interface Table {
  readonly section: Section;
  readonly entryCount: number;
  readonly names: NameSection;
  /** Where its names begin in the numbering of both tables' names. */
  readonly namesStart: number;
  /** Section indexes that do not fit into st_shndx; empty when there are none. */
  readonly longIndexes: Uint8Array;
}

/**
 * Finds every function that covers one of the addresses.
 *
 * @throws INPUT_MALFORMED  a table that the file cannot hold, or a name outside of its section
 * @throws LIMIT_EXCEEDED   more symbols than the limits above
 */
export function scanSymbols(elf: ElfFile, addresses: Iterable<bigint>): FoundFunctions {
  const base = baseOf(elf);
  const ranges = new AddressRanges(placesOf(addresses, base));
  const tables = readTables(elf);
  const candidates: Candidates = { starts: [], sizes: [], names: [], bindings: [] };
  for (const table of tables) collectFunctions(elf, table, { base, ranges, into: candidates });
  return { ...withoutAliases(candidates, tables), base, ranges, tables };
}

function* placesOf(addresses: Iterable<bigint>, base: bigint): Generator<number> {
  for (const address of addresses) {
    const place = Number(address - base);
    if (place >= 0 && place <= Number.MAX_SAFE_INTEGER) yield place;
  }
}

function readTables(elf: ElfFile): readonly Table[] {
  // Symbols of an unlinked object have no addresses yet.
  if (elf.type === ET_REL) return [];
  const tables: Table[] = [];
  let namesStart = 0;
  let entries = 0;
  for (const type of [SHT_SYMTAB, SHT_DYNSYM]) {
    const index = elf.sections.findIndex((section) => section.type === type);
    if (index < 0) continue;
    const table = readTable(elf, index, namesStart);
    entries += table.entryCount;
    if (entries > SYMBOLS_MAX) {
      throw limitExceeded(elf.access.name, "symbols", entries, SYMBOLS_MAX);
    }
    tables.push(table);
    namesStart += table.names.size;
  }
  return tables;
}

function readTable(elf: ElfFile, index: number, namesStart: number): Table {
  const section = elf.sections[index] as Section;
  const where = `${elf.access.name}: ${section.name || `section ${index}`}`;
  const entryBytes = elf.is64 ? 24 : 16;
  if (section.entrySize !== entryBytes) {
    throw malformed(where, `entries have ${section.entrySize} bytes instead of ${entryBytes}`);
  }
  const names = elf.sections[section.link];
  if (names === undefined) throw malformed(where, `its names' section ${section.link} is missing`);
  // A file of debug information keeps the header of what is only in the stripped file.
  const isEmpty = section.type === SHT_NOBITS || names.type === SHT_NOBITS;
  const longIndexes = elf.sections.find(
    (one) => one.type === SHT_SYMTAB_SHNDX && one.link === index,
  );
  return {
    section,
    entryCount: isEmpty ? 0 : Math.floor(section.size / entryBytes),
    names: new NameSection(elf.access, names, where),
    namesStart,
    longIndexes: longIndexes
      ? readSectionBytes(elf, longIndexes, SYMBOLS_MAX * 4)
      : new Uint8Array(0),
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

interface Collection {
  readonly base: bigint;
  readonly ranges: AddressRanges;
  readonly into: Candidates;
}

function collectFunctions(elf: ElfFile, table: Table, { base, ranges, into }: Collection): void {
  const { sections } = elf;
  const entryBytes = elf.is64 ? 24 : 16;
  const bytes = new Uint8Array(Math.min(ENTRIES_AT_ONCE, table.entryCount) * entryBytes);
  const entries = entriesOf(elf, bytes, base);
  const isCode = sections.map((section) => (section.flags & SHF_EXECINSTR) !== 0);
  for (let entry = 0; entry < table.entryCount; entry++) {
    const row = entry % ENTRIES_AT_ONCE;
    if (row === 0) readEntries(elf, table, entry, bytes);
    const info = bytes[row * entryBytes + entries.infoAt] as number;
    const type = info & 0xf;
    if (type !== STT_FUNC && type !== STT_GNU_IFUNC && type !== STT_NOTYPE) continue;
    const shortIndex = entries.section(row);
    if (shortIndex === SHN_UNDEF) continue;
    if (type === STT_NOTYPE && !isCode[sectionIndex(table, entry, shortIndex, elf)]) continue;
    const size = entries.size(row);
    if (size === 0) continue;
    const start = entries.start(row);
    if (!(start >= 0 && start + size <= Number.MAX_SAFE_INTEGER)) continue;
    if (!ranges.note(start, start + size)) continue;
    const name = entries.name(row);
    if (name >= table.names.size) throw nameOutside(elf, table, entry);
    if (table.names.at(name, 1).length === 0) continue;
    if (into.starts.length >= FOUND_MAX) {
      throw limitExceeded(elf.access.name, "functions found", FOUND_MAX + 1, FOUND_MAX);
    }
    into.starts.push(start);
    into.sizes.push(size);
    into.names.push(table.namesStart + name);
    into.bindings.push(info >> 4 === STB_LOCAL ? 2 : info >> 4 === STB_WEAK ? 1 : 0);
  }
}

/** The fields of entries that stand one behind the other, by their row. */
interface Entries {
  readonly infoAt: number;
  name(row: number): number;
  section(row: number): number;
  /** Less the base: exact where the result is within 2^53. */
  start(row: number): number;
  size(row: number): number;
}

function entriesOf(elf: ElfFile, bytes: Uint8Array<ArrayBuffer>, base: bigint): Entries {
  const baseHigh = Number(base >> 32n);
  const baseLow = Number(base & 0xffffffffn);
  if (elf.is64 && elf.littleEndian === (endianness() === "LE")) {
    return ownEntries(new Uint32Array(bytes.buffer), elf.littleEndian, [baseHigh, baseLow]);
  }
  const view = new DataView(bytes.buffer);
  return elf.is64
    ? entries64(view, elf.littleEndian, [baseHigh, baseLow])
    : entries32(view, elf.littleEndian, elf.machine === EM_ARM ? 1 : 0);
}

/** Of this machine's own byte order: nearly every file, and read three times as fast. */
function ownEntries(
  words: Uint32Array,
  littleEndian: boolean,
  [baseHigh, baseLow]: readonly [number, number],
): Entries {
  const [lowAt, highAt, shift] = littleEndian ? [0, 1, 16] : [1, 0, 0];
  const word = (at: number): number => words[at] as number;
  return {
    infoAt: 4,
    name: (row) => word(6 * row),
    section: (row) => (word(6 * row + 1) >>> shift) & 0xffff,
    start: (row) =>
      (word(6 * row + 2 + highAt) - baseHigh) * HIGH_WORD + (word(6 * row + 2 + lowAt) - baseLow),
    size: (row) => word(6 * row + 4 + highAt) * HIGH_WORD + word(6 * row + 4 + lowAt),
  };
}

function entries64(
  view: DataView,
  littleEndian: boolean,
  [baseHigh, baseLow]: readonly [number, number],
): Entries {
  const lowAt = littleEndian ? 0 : 4;
  const highAt = 4 - lowAt;
  return {
    infoAt: 4,
    name: (row) => view.getUint32(24 * row, littleEndian),
    section: (row) => view.getUint16(24 * row + 6, littleEndian),
    start: (row) =>
      (view.getUint32(24 * row + 8 + highAt, littleEndian) - baseHigh) * HIGH_WORD +
      (view.getUint32(24 * row + 8 + lowAt, littleEndian) - baseLow),
    size: (row) =>
      view.getUint32(24 * row + 16 + highAt, littleEndian) * HIGH_WORD +
      view.getUint32(24 * row + 16 + lowAt, littleEndian),
  };
}

/** @param codeMask  the bit of an address that tells Thumb code */
function entries32(view: DataView, littleEndian: boolean, codeMask: number): Entries {
  const word = (at: number): number => view.getUint32(at, littleEndian);
  return {
    infoAt: 12,
    name: (row) => word(16 * row),
    section: (row) => view.getUint16(16 * row + 14, littleEndian),
    start: (row) => word(16 * row + 4) - (codeMask && word(16 * row + 4) & 1),
    size: (row) => word(16 * row + 8),
  };
}

function readEntries(elf: ElfFile, table: Table, first: number, into: Uint8Array): void {
  const entryBytes = elf.is64 ? 24 : 16;
  const count = Math.min(ENTRIES_AT_ONCE, table.entryCount - first);
  const target = into.subarray(0, count * entryBytes);
  elf.access.readInto(target, table.section.offset + first * entryBytes);
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
  { starts, sizes, names, bindings }: Candidates,
  tables: readonly Table[],
): Pick<FoundFunctions, "starts" | "sizes" | "names"> {
  const best: number[] = [];
  let aliases = 0;
  for (const row of sortedRows(starts, sizes)) {
    const last = best.at(-1);
    if (last !== undefined && starts[row] === starts[last] && sizes[row] === sizes[last]) {
      const order =
        (bindings[row] as number) - (bindings[last] as number) ||
        (++aliases < ALIASES_COMPARED_MAX
          ? compareNames(tables, names[row] as number, names[last] as number)
          : 0);
      if (order < 0) best[best.length - 1] = row;
    } else {
      best.push(row);
      aliases = 0;
    }
  }
  return {
    starts: Float64Array.from(best, (row) => starts[row] as number),
    sizes: Float64Array.from(best, (row) => sizes[row] as number),
    names: Float64Array.from(best, (row) => names[row] as number),
  };
}

/** By start, the longer first, then as they stand in the file. */
function sortedRows(starts: readonly number[], sizes: readonly number[]): Uint32Array {
  const order = Uint32Array.from(starts, (_, row) => row);
  return order.sort(
    (a, b) =>
      (starts[a] as number) - (starts[b] as number) ||
      (sizes[b] as number) - (sizes[a] as number) ||
      a - b,
  );
}

/** What people expect to read: no leading underscore, then the shorter, then by bytes. */
function compareNames(tables: readonly Table[], a: number, b: number): number {
  const nameA = nameBytes(tables, a, COMPARED_BYTES_MAX).slice();
  const nameB = nameBytes(tables, b, COMPARED_BYTES_MAX);
  return (
    Number(nameA[0] === UNDERSCORE) - Number(nameB[0] === UNDERSCORE) ||
    nameA.length - nameB.length ||
    Buffer.compare(nameA, nameB)
  );
}

/** The name by its number; valid until the next call. */
export function nameBytes(tables: readonly Table[], name: number, bytesMax: number): Uint8Array {
  const table = tables.findLast(({ namesStart }) => name >= namesStart) as Table;
  return table.names.at(name - table.namesStart, bytesMax);
}
