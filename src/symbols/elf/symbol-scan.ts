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
import { entriesOf } from "./symbol-entries.ts";

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
const STT_FILE = 4;
const STT_GNU_IFUNC = 10;
const STB_LOCAL = 0;
const STB_WEAK = 2;
const SHN_UNDEF = 0;
const SHN_LORESERVE = 0xff00;
const SHN_ABS = 0xfff1;
const SHN_XINDEX = 0xffff;
const UNDERSCORE = 0x5f;

/** Functions sorted by start, at equal starts the longer first; no two have the same range. */
export interface FoundFunctions {
  /** From `base` on. */
  readonly starts: Float64Array;
  readonly sizes: Float64Array;
  /** By `nameBytes`: of several at one place the one that llvm-symbolizer takes too. */
  readonly names: Float64Array;
  /** What people expect to read of them, as `malloc` and not `__libc_malloc`. */
  readonly readableNames: Float64Array;
  /** The source file that a local symbol stands under, by `nameBytes`; NO_NAME when none is said. */
  readonly files: Float64Array;
  /**
   * Functions of .symtab without a size, by start: what assemblers leave so lasts until something
   * else begins or ends, as both llvm-symbolizer and addr2line have it.
   */
  readonly unsized: ReadonlyMap<number, UnsizedFunction>;
  /** Address of start 0; not 0 only in files that lie above 2^53, as kernels do. */
  readonly base: bigint;
  /** Around the addresses that were asked for, from `base` on. */
  readonly ranges: AddressRanges;
  readonly tables: readonly Table[];
}

export const NO_NAME = -1;

export interface UnsizedFunction {
  /** By `nameBytes`, as the file. */
  readonly name: number;
  readonly file: number;
}

interface Candidates {
  readonly starts: number[];
  readonly sizes: number[];
  readonly names: number[];
  /** 0 global, 1 weak, 2 local. */
  readonly bindings: number[];
  readonly files: number[];
  readonly unsized: Map<number, UnsizedFunction>;
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
  const candidates = noCandidates();
  noteSections(elf, base, ranges);
  for (const table of tables) collectFunctions(elf, table, { base, ranges, into: candidates });
  const { unsized } = candidates;
  return { ...withoutAliases(candidates, tables), unsized, base, ranges, tables };
}

/**
 * Every address, from the file's base on, at which another function may be the one around it: in
 * any order, and some of them several times.
 *
 * @throws as scanSymbols does
 */
export function functionBounds(elf: ElfFile): number[] {
  const base = baseOf(elf);
  const bounds: number[] = [];
  const ranges: NotedRanges = {
    note(start, end) {
      bounds.push(start, end);
      return false;
    },
  };
  noteSections(elf, base, ranges);
  const into = noCandidates();
  for (const table of readTables(elf)) collectFunctions(elf, table, { base, ranges, into });
  return bounds;
}

type NotedRanges = Pick<AddressRanges, "note">;

/** No function lasts beyond its section. */
function noteSections({ sections }: ElfFile, base: bigint, ranges: NotedRanges): void {
  for (const { flags, address, size } of sections) {
    if ((flags & SHF_EXECINSTR) === 0) continue;
    for (const bound of [address - base, address - base + BigInt(size)]) {
      const place = Number(bound);
      if (place >= 0 && Number.isSafeInteger(place)) ranges.note(place, place);
    }
  }
}

function noCandidates(): Candidates {
  return { starts: [], sizes: [], names: [], bindings: [], files: [], unsized: new Map() };
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
  readonly ranges: NotedRanges;
  readonly into: Candidates;
}

function collectFunctions(elf: ElfFile, table: Table, { base, ranges, into }: Collection): void {
  const { sections } = elf;
  const entryBytes = elf.is64 ? 24 : 16;
  const bytes = new Uint8Array(Math.min(ENTRIES_AT_ONCE, table.entryCount) * entryBytes);
  const entries = entriesOf(elf, bytes, base);
  let file = NO_NAME;
  const isCode = sections.map((section) => (section.flags & SHF_EXECINSTR) !== 0);
  for (let entry = 0; entry < table.entryCount; entry++) {
    const row = entry % ENTRIES_AT_ONCE;
    if (row === 0) readEntries(elf, table, entry, bytes);
    const info = bytes[row * entryBytes + entries.infoAt] as number;
    const type = info & 0xf;
    // What follows in the table is of this file, as far as it is local.
    if (type === STT_FILE) file = entries.name(row);
    if (type !== STT_FUNC && type !== STT_GNU_IFUNC && type !== STT_NOTYPE) continue;
    const shortIndex = entries.section(row);
    if (shortIndex === SHN_UNDEF) continue;
    if (type === STT_NOTYPE && !isCode[sectionIndex(table, entry, shortIndex, elf)]) continue;
    const size = entries.size(row);
    // What is not exported is not in .dynsym, so that nobody knows how far such a one lasts there.
    const isWhole = table.section.type === SHT_SYMTAB;
    if (size === 0 && (type === STT_NOTYPE || !isWhole)) continue;
    const start = entries.start(row);
    if (!(start >= 0 && start + size <= Number.MAX_SAFE_INTEGER)) continue;
    const covers = ranges.note(start, start + size);
    if (size > 0 && !covers) continue;
    const name = entries.name(row);
    if (name >= table.names.size) throw nameOutside(elf, table, entry);
    if (table.names.at(name, 1).length === 0) continue;
    const isLocal = info >> 4 === STB_LOCAL;
    const hasFile = isLocal && file > 0 && file < table.names.size;
    const fileName = hasFile ? table.namesStart + file : NO_NAME;
    if (size === 0) {
      if (into.unsized.size < FOUND_MAX) {
        into.unsized.set(start, { name: table.namesStart + name, file: fileName });
      }
      continue;
    }
    if (into.starts.length >= FOUND_MAX) {
      throw limitExceeded(elf.access.name, "functions found", FOUND_MAX + 1, FOUND_MAX);
    }
    into.starts.push(start);
    into.sizes.push(size);
    into.names.push(table.namesStart + name);
    const binding = info >> 4;
    into.bindings.push(binding === STB_LOCAL ? 2 : binding === STB_WEAK ? 1 : 0);
    into.files.push(fileName);
  }
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
  { starts, sizes, names, bindings, files }: Candidates,
  tables: readonly Table[],
): Pick<FoundFunctions, "starts" | "sizes" | "names" | "readableNames" | "files"> {
  const last: number[] = [];
  const readable: number[] = [];
  const ownNamesEnd = tables[1]?.namesStart ?? Number.POSITIVE_INFINITY;
  let aliases = 0;
  for (const row of sortedRows(starts, sizes)) {
    const index = last.length - 1;
    const before = last[index];
    if (before === undefined || starts[row] !== starts[before] || sizes[row] !== sizes[before]) {
      last.push(row);
      readable.push(row);
      aliases = 0;
      continue;
    }
    // The last of .symtab; of .dynsym only where that has none.
    const isSameTable =
      (names[row] as number) < ownNamesEnd === (names[before] as number) < ownNamesEnd;
    if (isSameTable) last[index] = row;
    const best = readable[index] as number;
    const order =
      (bindings[row] as number) - (bindings[best] as number) ||
      (++aliases < ALIASES_COMPARED_MAX
        ? compareNames(tables, names[row] as number, names[best] as number)
        : 0);
    if (order < 0) readable[index] = row;
  }
  return {
    starts: Float64Array.from(last, (row) => starts[row] as number),
    sizes: Float64Array.from(last, (row) => sizes[row] as number),
    names: Float64Array.from(last, (row) => names[row] as number),
    readableNames: Float64Array.from(readable, (row) => names[row] as number),
    files: Float64Array.from(last, (row) => files[row] as number),
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
