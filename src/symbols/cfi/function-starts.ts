import { type ElfFile, readSectionBytes, SHT_DYNSYM, SHT_SYMTAB } from "../elf/elf-file.ts";
import { CfiCursor } from "./cfi-cursor.ts";

/** Bytes of one table; a C library has 200 KB. A larger one is not read. */
const SYMBOL_TABLE_BYTES_MAX = 16 * 1024 * 1024;
const ENTRY_BYTES = 24;
const INFO_AT = 4;
const VALUE_AT = 8;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;

/** Addresses of all functions that .symtab and .dynsym of a 64-bit file name, in no order. */
export function functionStarts(elf: ElfFile): Set<number> {
  const starts = new Set<number>();
  for (const section of elf.sections) {
    const isTable = section.type === SHT_SYMTAB || section.type === SHT_DYNSYM;
    if (!isTable || section.size > SYMBOL_TABLE_BYTES_MAX) continue;
    const cursor = new CfiCursor(readSectionBytes(elf, section, SYMBOL_TABLE_BYTES_MAX));
    for (let at = 0; at + ENTRY_BYTES <= section.size; at += ENTRY_BYTES) {
      cursor.position = at + INFO_AT;
      const type = cursor.u8() & 0xf;
      if (type !== STT_FUNC && type !== STT_GNU_IFUNC) continue;
      cursor.position = at + VALUE_AT;
      starts.add(cursor.i64());
    }
  }
  return starts;
}
