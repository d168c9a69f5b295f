/**
 * The frame of an ELF file: header, program headers, section headers.
 *
 *   32 bit  64 bit  field
 *   0       0       e_ident: 0x7f "ELF", class 1 or 2, data 1 little or 2 big endian
 *   16      16      e_type u16, e_machine u16, e_version u32
 *   28      32      e_phoff     32 or 64 bits
 *   32      40      e_shoff     32 or 64 bits
 *   40      52      e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx: u16 each
 *
 * Counts that do not fit into 16 bits stand in section 0. Source: System V gABI, chapters 4
 * and 5. The file belongs to the profiled process: no count is believed that the file cannot hold.
 */
import { ByteReader, decodeUtf8 } from "../../support/byte-reader.ts";
import { limitExceeded, malformed } from "../../support/errors.ts";
import { readBuildIds } from "./notes.ts";
import type { RandomAccess } from "./random-access.ts";

/** A debug file of a large browser has 4 GiB. */
export const ELF_FILE_BYTES_MAX: number = 16 * 1024 ** 3;
/** Executables have fewer than 100 sections; one for each function has some 10,000. */
export const SECTIONS_MAX = 65_536;
/**
 * Executables have fewer than 20. Linux ran none with more than 73 before 5.0, and 1,170 since:
 * segments are searched one after the other for each place that is looked at.
 */
export const PROGRAM_HEADERS_MAX = 128;
/** Bytes of one area of notes; the largest seen has 4 KiB. */
const NOTES_BYTES_MAX = 65_536;
/** Areas of notes that are read; usual are two or three. */
const NOTE_AREAS_MAX = 64;
/** SECTIONS_MAX names of 64 bytes. */
const SECTION_NAMES_BYTES_MAX = 4 * 1024 * 1024;
/** Longer than the names of the sections that are read. */
const SECTION_NAME_BYTES_MAX = 256;

export const ET_REL = 1;
export const SHT_SYMTAB = 2;
export const SHT_NOBITS = 8;
export const SHT_DYNSYM = 11;
export const SHT_SYMTAB_SHNDX = 18;
export const SHF_EXECINSTR = 4;

const MAGIC = 0x7f454c46;
/** The header of a 64-bit file; one of 32 bits has 52. */
const HEADER_BYTES_MAX = 64;
const SHT_NOTE = 7;
const PT_LOAD = 1;
const PT_NOTE = 4;
const PF_X = 1;
/** e_phnum of a file with more: the count is in sh_info of section 0. */
const PN_XNUM = 0xffff;
/** e_shstrndx of a file with more: the index is in sh_link of section 0. */
const SHN_XINDEX = 0xffff;

/** A PT_LOAD: what the loader maps. Plain data, so that it can go to another thread. */
export interface LoadSegment {
  /** p_vaddr. */
  readonly address: bigint;
  /** p_offset. */
  readonly fileOffset: bigint;
  /** p_filesz: bytes that the file holds of it. */
  readonly fileSize: bigint;
  /** p_memsz: what is beyond the file's bytes is zeros. */
  readonly memorySize: bigint;
  readonly executable: boolean;
}

export interface Section {
  /** "" when the file's names are not to be had. */
  readonly name: string;
  readonly type: number;
  /** The low 32 bits of sh_flags. */
  readonly flags: number;
  /** sh_addr: where it lies in memory; 0 when it does not. */
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly alignment: number;
  readonly entrySize: number;
}

export interface ElfFile {
  readonly access: RandomAccess;
  readonly is64: boolean;
  readonly littleEndian: boolean;
  readonly type: number;
  readonly machine: number;
  readonly segments: readonly LoadSegment[];
  readonly sections: readonly Section[];
  /** GNU build id, lower-case hex; "" when it has none. */
  readonly buildId: string;
  /** Go's own build id; "" when it is not a Go program. */
  readonly goBuildId: string;
}

/**
 * Reads all headers and the ids, and nothing else.
 *
 * @throws INPUT_MALFORMED  when it is no ELF file or does not hold what its headers say
 * @throws LIMIT_EXCEEDED   when it is larger than the limits above
 */
export function readElf(access: RandomAccess): ElfFile {
  if (access.size > ELF_FILE_BYTES_MAX) {
    throw limitExceeded(access.name, "bytes", access.size, ELF_FILE_BYTES_MAX);
  }
  const header = withLongCounts(access, readHeader(access));
  const sections = readSections(access, header);
  const programs = readPrograms(access, header);
  // Sections first: in a file of debug information the segments' places mean nothing.
  const ids = readIds(access, header, [
    ...sections.filter(({ type }) => type === SHT_NOTE),
    ...programs.filter(({ type }) => type === PT_NOTE).map(noteArea),
  ]);
  const { is64, littleEndian, type, machine } = header;
  return {
    access,
    is64,
    littleEndian,
    type,
    machine,
    sections,
    segments: programs.filter((program) => program.type === PT_LOAD).map(loadSegment),
    buildId: ids.gnu,
    goBuildId: ids.go,
  };
}

/**
 * The contents of a section; none of one that has a header only.
 *
 * @throws INPUT_MALFORMED  when the section reaches beyond the file
 * @throws LIMIT_EXCEEDED   when it is larger than `bytesMax`
 */
export function readSectionBytes(elf: ElfFile, section: Section, bytesMax: number): Uint8Array {
  if (section.type === SHT_NOBITS) return new Uint8Array(0);
  if (section.size > bytesMax) {
    throw limitExceeded(elf.access.name, `bytes of ${section.name}`, section.size, bytesMax);
  }
  return elf.access.read(section.offset, section.size);
}

interface TablePlace {
  readonly offset: number;
  readonly entryBytes: number;
  readonly count: number;
}

interface Header {
  readonly is64: boolean;
  readonly littleEndian: boolean;
  readonly type: number;
  readonly machine: number;
  readonly programs: TablePlace;
  readonly sections: TablePlace;
  readonly namesSection: number;
}

function readHeader(access: RandomAccess): Header {
  const bytes = access.read(0, Math.min(HEADER_BYTES_MAX, access.size));
  const ident = new ByteReader(bytes, access.name, false);
  if (bytes.length < 16 || ident.u32() !== MAGIC) throw malformed(access.name, "is no ELF file");
  const is64 = oneOrTwo(ident, "class") === 2;
  const littleEndian = oneOrTwo(ident, "byte order") === 1;
  const reader = new ByteReader(bytes, `${access.name}: ELF header`, littleEndian);
  reader.seek(16);
  const type = reader.u16();
  const machine = reader.u16();
  reader.skip(is64 ? 12 : 8);
  const programsOffset = word(reader, is64, "e_phoff");
  const sectionsOffset = word(reader, is64, "e_shoff");
  reader.skip(6);
  const programs = { offset: programsOffset, entryBytes: reader.u16(), count: reader.u16() };
  const sections = { offset: sectionsOffset, entryBytes: reader.u16(), count: reader.u16() };
  return { is64, littleEndian, type, machine, programs, sections, namesSection: reader.u16() };
}

function oneOrTwo(reader: ByteReader, what: string): number {
  const value = reader.u8();
  if (value !== 1 && value !== 2) throw reader.error(`its ${what} is ${value}`);
  return value;
}

function withLongCounts(access: RandomAccess, header: Header): Header {
  const { sections, programs, namesSection } = header;
  const isLong = sections.count === 0 || programs.count === PN_XNUM || namesSection === SHN_XINDEX;
  if (sections.offset === 0 || !isLong) return header;
  const reader = tableReader(access, header, { ...sections, count: 1 }, "section 0");
  const first = readSection(reader, header.is64);
  return {
    ...header,
    sections: { ...sections, count: sections.count || first.size },
    programs: { ...programs, count: programs.count === PN_XNUM ? first.info : programs.count },
    namesSection: namesSection === SHN_XINDEX ? first.link : namesSection,
  };
}

interface RawSection extends Omit<Section, "name"> {
  readonly nameOffset: number;
  readonly info: number;
}

function readSections(access: RandomAccess, header: Header): Section[] {
  const { sections, is64 } = header;
  if (sections.offset === 0 || sections.count === 0) return [];
  if (sections.count > SECTIONS_MAX) {
    throw limitExceeded(access.name, "sections", sections.count, SECTIONS_MAX);
  }
  const reader = tableReader(access, header, sections, "section headers");
  const raw = Array.from({ length: sections.count }, () => readSection(reader, is64));
  const names = sectionNames(access, raw[header.namesSection]);
  return raw.map(({ nameOffset, info: _, ...section }) => ({
    name: nameAt(names, nameOffset),
    ...section,
  }));
}

function readSection(reader: ByteReader, is64: boolean): RawSection {
  const nameOffset = reader.u32();
  const type = reader.u32();
  const flags = is64 ? Number(reader.u64() & 0xffffffffn) : reader.u32();
  const address = is64 ? reader.u64() : BigInt(reader.u32());
  const offset = word(reader, is64, "sh_offset");
  const size = word(reader, is64, "sh_size");
  const link = reader.u32();
  const info = reader.u32();
  const alignment = word(reader, is64, "sh_addralign");
  const entrySize = word(reader, is64, "sh_entsize");
  return { nameOffset, type, flags, address, offset, size, link, info, alignment, entrySize };
}

/** Names serve messages only: without them a file is as good. */
function sectionNames(access: RandomAccess, section: RawSection | undefined): Uint8Array {
  const isThere =
    section !== undefined &&
    section.type !== SHT_NOBITS &&
    section.size <= SECTION_NAMES_BYTES_MAX &&
    section.offset + section.size <= access.size;
  return isThere ? access.read(section.offset, section.size) : new Uint8Array(0);
}

function nameAt(names: Uint8Array, offset: number): string {
  const bytes = names.subarray(offset, offset + SECTION_NAME_BYTES_MAX);
  const length = bytes.indexOf(0);
  return length < 0 ? "" : decodeUtf8(bytes.subarray(0, length));
}

interface Program extends LoadSegment {
  readonly type: number;
  readonly alignment: bigint;
}

function readPrograms(access: RandomAccess, header: Header): Program[] {
  const { programs, is64 } = header;
  if (programs.offset === 0 || programs.count === 0) return [];
  if (programs.count > PROGRAM_HEADERS_MAX) {
    throw limitExceeded(access.name, "program headers", programs.count, PROGRAM_HEADERS_MAX);
  }
  const reader = tableReader(access, header, programs, "program headers");
  return Array.from({ length: programs.count }, () => readProgram(reader, is64));
}

function readProgram(reader: ByteReader, is64: boolean): Program {
  const next = (): bigint => (is64 ? reader.u64() : BigInt(reader.u32()));
  const type = reader.u32();
  const flags64 = is64 ? reader.u32() : 0;
  const fileOffset = next();
  const address = next();
  // p_paddr has no meaning for programs.
  next();
  const fileSize = next();
  const memorySize = next();
  const flags = is64 ? flags64 : reader.u32();
  const alignment = next();
  const executable = (flags & PF_X) !== 0;
  return { type, address, fileOffset, fileSize, memorySize, executable, alignment };
}

function loadSegment({ type: _, alignment: __, ...segment }: Program): LoadSegment {
  return segment;
}

interface NoteArea {
  readonly offset: number;
  readonly size: number;
  readonly alignment: number;
}

function noteArea({ fileOffset, fileSize, alignment }: Program): NoteArea {
  return {
    offset: Number(fileOffset),
    size: Number(fileSize),
    alignment: Number(alignment),
  };
}

/** Areas that the file does not hold, or that are none, hold no id. */
function readIds(
  access: RandomAccess,
  { littleEndian }: Header,
  areas: readonly NoteArea[],
): { gnu: string; go: string } {
  let gnu = "";
  let go = "";
  for (const { offset, size, alignment } of areas.slice(0, NOTE_AREAS_MAX)) {
    if (gnu !== "" && go !== "") break;
    if (size > NOTES_BYTES_MAX || offset + size > access.size) continue;
    const layout = { littleEndian, alignment: alignment === 8 ? 8 : 4 };
    const ids = readBuildIds(access.read(offset, size), layout, access.name);
    gnu ||= ids.gnu;
    go ||= ids.go;
  }
  return { gnu, go };
}

function tableReader(
  access: RandomAccess,
  { is64, littleEndian }: Header,
  table: TablePlace,
  what: string,
): ByteReader {
  const isProgram = what === "program headers";
  const expected = isProgram ? (is64 ? 56 : 32) : is64 ? 64 : 40;
  const where = `${access.name}: ${what}`;
  if (table.entryBytes !== expected) {
    throw malformed(where, `entries have ${table.entryBytes} bytes instead of ${expected}`);
  }
  const bytes = access.read(table.offset, table.count * expected);
  return new ByteReader(bytes, where, littleEndian);
}

function word(reader: ByteReader, is64: boolean, what: string): number {
  return is64 ? reader.u64Number(what) : reader.u32();
}
