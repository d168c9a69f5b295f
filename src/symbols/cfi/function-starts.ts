import {
  type ElfFile,
  readSectionBytes,
  type Section,
  SHT_DYNSYM,
  SHT_SYMTAB,
} from "../elf/elf-file.ts";
import { CfiCursor } from "./cfi-cursor.ts";

/** Of one table; a C library has 200 KB. A larger one is not read. */
const TABLE_BYTES_MAX = 16 * 1024 * 1024;
const ENTRY_BYTES = 24;
const INFO_AT = 4;
const VALUE_AT = 8;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;

/** Addresses that .symtab and .dynsym of a 64-bit file give to functions, ascending. */
export function functionStarts(elf: ElfFile): Float64Array {
  const starts: number[] = [];
  for (const section of elf.sections) {
    const isSymbols = section.type === SHT_SYMTAB || section.type === SHT_DYNSYM;
    if (isSymbols && section.size <= TABLE_BYTES_MAX) readSymbols(elf, section, starts);
  }
  return Float64Array.from(starts).sort();
}

function readSymbols(elf: ElfFile, section: Section, into: number[]): void {
  const bytes = readSectionBytes(elf, section, TABLE_BYTES_MAX);
  const cursor = new CfiCursor(bytes);
  for (let at = 0; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    cursor.position = at + INFO_AT;
    const type = cursor.u8() & 0xf;
    if (type !== STT_FUNC && type !== STT_GNU_IFUNC) continue;
    cursor.position = at + VALUE_AT;
    into.push(cursor.i64());
  }
}
