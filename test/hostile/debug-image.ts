/**
 * A program of two functions. The first, `good`, is described by a unit that is as it should be;
 * what describes the second, `bad`, is written by each test.
 */
import { ByteWriter } from "./byte-writer.ts";
import {
  BASE,
  ElfImage,
  packed,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHT_STRTAB,
  SHT_SYMTAB,
  setWord,
  TEXT_AT,
} from "./elf-image.ts";

export const GOOD_START: number = BASE + TEXT_AT;
export const BAD_START: number = GOOD_START + 0x100;
export const FUNCTION_BYTES = 0x100;
/** Of all code, which is a hole but for some. */
export const CODE_BYTES: number = 2 * 1024 * 1024;
/** In `good`, in `bad`, and in neither. */
export const ADDRESSES: readonly number[] = [GOOD_START + 4, BAD_START + 4, GOOD_START + 0x800];

export const TAG_COMPILE_UNIT = 0x11;
export const TAG_SUBPROGRAM = 0x2e;
export const TAG_INLINED = 0x1d;
export const TAG_CLASS = 0x02;
export const TAG_NAMESPACE = 0x39;
export const TAG_BLOCK = 0x0b;

export const AT_SIBLING = 0x01;
export const AT_NAME = 0x03;
export const AT_STMT_LIST = 0x10;
export const AT_LOW_PC = 0x11;
export const AT_HIGH_PC = 0x12;
export const AT_COMP_DIR = 0x1b;
export const AT_ABSTRACT_ORIGIN = 0x31;
export const AT_SPECIFICATION = 0x47;
export const AT_RANGES = 0x55;
export const AT_CALL_FILE = 0x58;
export const AT_LINKAGE_NAME = 0x6e;
export const AT_STR_OFFSETS_BASE = 0x72;
export const AT_ADDR_BASE = 0x73;
export const AT_DWO_NAME = 0x76;
export const AT_GNU_DWO_NAME = 0x2130;
export const AT_GNU_DWO_ID = 0x2131;

export const FORM_ADDR = 0x01;
export const FORM_DATA4 = 0x06;
export const FORM_DATA8 = 0x07;
export const FORM_STRING = 0x08;
export const FORM_STRP = 0x0e;
export const FORM_UDATA = 0x0f;
export const FORM_REF4 = 0x13;
export const FORM_INDIRECT = 0x16;
export const FORM_SEC_OFFSET = 0x17;
export const FORM_STRX = 0x1a;
export const FORM_ADDRX = 0x1b;

/** The parts of the debug information, which begin with what describes `good`. */
export interface DebugParts {
  readonly abbrev: ByteWriter;
  readonly info: ByteWriter;
  readonly line: ByteWriter;
  /** Other sections, by their whole names. */
  readonly others: Map<string, ByteWriter>;
}

/** Tag, whether it has children, and names and forms of attributes by turns. */
export type Abbreviation = readonly [tag: number, hasChildren: boolean, ...attributes: number[]];

/** Writes a table whose codes count from 1, and tells where it begins. */
export function abbreviations({ abbrev }: DebugParts, ...table: Abbreviation[]): number {
  const at = abbrev.length;
  for (const [index, [tag, hasChildren, ...attributes]] of table.entries()) {
    abbrev.uleb(index + 1).uleb(tag);
    abbrev.u8(hasChildren ? 1 : 0);
    for (const word of attributes) abbrev.uleb(word);
    abbrev.u8(0, 0);
  }
  abbrev.u8(0);
  return at;
}

interface WrittenUnit {
  readonly abbreviations: number;
  /** 4 when it is left out. */
  readonly version?: number;
  /** DW_UT_… of DWARF 5; compile when it is left out. */
  readonly type?: number;
  /** Behind the header's usual fields. */
  readonly id?: bigint;
  readonly length?: number;
}

/** Bytes of the header of a unit of DWARF 4. */
export const UNIT_HEADER_BYTES = 11;

/** Writes a unit whose entries are written by `write`; offsets in it count from its start. */
export function unit(
  { info }: Pick<DebugParts, "info">,
  header: WrittenUnit,
  write: (entries: ByteWriter) => void,
): void {
  const { abbreviations, version = 4, type = 1, id, length } = header;
  const start = info.length;
  info.u32(0).u16(version);
  if (version >= 5) info.u8(type, 8).u32(abbreviations);
  else info.u32(abbreviations).u8(8);
  if (id !== undefined) info.u64(id);
  write(info);
  info.patch32(start, length ?? info.length - start - 4);
}

/** The entry of the function `bad`, of name, low_pc and high_pc as data8. */
export function badFunction(entries: ByteWriter, code: number): void {
  entries.uleb(code).text("bad").u64(BAD_START).u64(FUNCTION_BYTES);
}

/** Forms of an entry that `badFunction` writes. */
export const FUNCTION_FORMS: readonly number[] = [
  ...[AT_NAME, FORM_STRING],
  ...[AT_LOW_PC, FORM_ADDR],
  ...[AT_HIGH_PC, FORM_DATA8],
];

/** A unit whose first entry has the range of `bad` and then the given attributes. */
export const ROOT_FORMS: readonly number[] = [AT_LOW_PC, FORM_ADDR, AT_HIGH_PC, FORM_DATA8];

/** Code and range of a first entry. */
export function root(entries: ByteWriter, code = 1): ByteWriter {
  return entries.uleb(code).u64(BAD_START).u64(FUNCTION_BYTES);
}

/** What is in most units. */
export const UNIT: Abbreviation = [TAG_COMPILE_UNIT, true, ...ROOT_FORMS];
export const FUNCTION: Abbreviation = [TAG_SUBPROGRAM, false, ...FUNCTION_FORMS];
export const PARENT: Abbreviation = [TAG_SUBPROGRAM, true, ...FUNCTION_FORMS];
export const SCOPE: Abbreviation = [TAG_NAMESPACE, true];

/** Bytes of a first entry that `root` writes. */
export const ROOT_BYTES = 17;

/** A unit of `bad` behind which anything may follow. */
export function badUnit(
  parts: DebugParts,
  more: readonly Abbreviation[],
  write: Parameters<typeof unit>[2],
): void {
  const table = abbreviations(parts, UNIT, FUNCTION, ...more);
  unit(parts, { abbreviations: table }, (entries) => {
    root(entries);
    write(entries);
  });
}

interface WrittenLines {
  readonly instructionBytes?: number;
  readonly lineBase?: number;
  readonly lineRange?: number;
  readonly opcodeBase?: number;
  readonly file?: string;
  /** Behind the usual table of one file, before its end. */
  readonly moreFiles?: (line: ByteWriter) => void;
  readonly length?: number;
}

/** Writes a line program of DWARF 4 and tells where it begins. */
export function lines(
  { line }: DebugParts,
  header: WrittenLines,
  write: (program: ByteWriter) => void,
): number {
  const { instructionBytes = 1, lineBase = 0xfb, lineRange = 14, opcodeBase = 13 } = header;
  const start = line.length;
  line.u32(0).u16(4).u32(0);
  const headerAt = line.length;
  line.u8(instructionBytes, 1, 1, lineBase, lineRange, opcodeBase);
  line.u8(0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1).u8(0);
  line.text(header.file ?? "bad.c").u8(0, 0, 0);
  header.moreFiles?.(line);
  line.u8(0).patch32(headerAt - 4, line.length - headerAt);
  write(line);
  line.patch32(start, header.length ?? line.length - start - 4);
  return start;
}

/** DW_LNE_set_address. */
export function setAddress(program: ByteWriter, address: number): ByteWriter {
  return program.u8(0, 9, 2).u64(address);
}

/** DW_LNE_end_sequence after so many bytes of code. */
export function endSequence(program: ByteWriter, advance: number): ByteWriter {
  return program.u8(2).uleb(advance).u8(0, 1, 1);
}

/** The file and the line of `good`. */
export const GOOD_PLACE = "/src/good.c:7";

/** What describes `good` alone. */
export function goodParts(): DebugParts {
  const parts: DebugParts = {
    abbrev: new ByteWriter(),
    info: new ByteWriter(),
    line: new ByteWriter(),
    others: new Map(),
  };
  const table = abbreviations(
    parts,
    [
      TAG_COMPILE_UNIT,
      true,
      ...ROOT_FORMS,
      AT_COMP_DIR,
      FORM_STRING,
      AT_STMT_LIST,
      FORM_SEC_OFFSET,
    ],
    [TAG_SUBPROGRAM, false, ...FUNCTION_FORMS],
  );
  const program = lines(parts, { file: "good.c" }, (line) => {
    setAddress(line, GOOD_START).u8(3, 6, 1);
    endSequence(line, FUNCTION_BYTES);
  });
  unit(parts, { abbreviations: table }, (entries) => {
    entries.uleb(1).u64(GOOD_START).u64(FUNCTION_BYTES).text("/src").u32(program);
    entries.uleb(2).text("good").u64(GOOD_START).u64(FUNCTION_BYTES).u8(0);
  });
  return parts;
}

/** A section that is not there yet, or the one that is. */
export function section({ others }: DebugParts, name: string): ByteWriter {
  return others.getOrInsertComputed(name, () => new ByteWriter());
}

/** The program: code, symbols of both functions, debug information. */
export function debugImage(parts: DebugParts): ElfImage {
  const image = new ElfImage(0, CODE_BYTES);
  const flags = SHF_ALLOC | SHF_EXECINSTR;
  image.sections.push({ name: ".text", flags, offset: TEXT_AT, size: CODE_BYTES });
  addSymbols(image);
  image.section(".debug_abbrev", parts.abbrev.bytes);
  image.section(".debug_info", parts.info.bytes);
  image.section(".debug_line", parts.line.bytes);
  for (const [name, { bytes }] of parts.others) image.section(name, bytes);
  return image;
}

function addSymbols(image: ElfImage): void {
  const symbols = packed(3, 24, (view, at, index) => {
    if (index === 0) return;
    view.setUint32(at, index === 1 ? 1 : 6, true);
    view.setUint8(at + 4, 0x12);
    view.setUint16(at + 6, 1, true);
    setWord(view, at + 8, index === 1 ? GOOD_START : BAD_START);
    setWord(view, at + 16, FUNCTION_BYTES);
  });
  image.section(".symtab", symbols, { type: SHT_SYMTAB, link: 3, entrySize: 24 });
  image.section(".strtab", Buffer.from("\0good\0bad\0"), { type: SHT_STRTAB });
}
