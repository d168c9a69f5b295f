import {
  type ElfFile,
  readSectionBytes,
  type Section,
  SHT_DYNSYM,
  SHT_SYMTAB,
} from "../elf/elf-file.ts";
import { CfiCursor } from "./cfi-cursor.ts";

const ENTRY_BYTES = 24;
const INFO_AT = 4;
const VALUE_AT = 8;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;

/**
 * Addresses that .symtab and .dynsym of a 64-bit file give to functions, ascending.
 *
 * @param bytesMax  of both tables together; one that is beyond it is not read
 */
export function functionStarts(elf: ElfFile, bytesMax: number): Float64Array {
  let bytesLeft = bytesMax;
  const found: Float64Array[] = [];
  for (const type of [SHT_SYMTAB, SHT_DYNSYM]) {
    // A file has one table of a type.
    const section = elf.sections.find((one) => one.type === type);
    if (section === undefined || section.size > bytesLeft) continue;
    bytesLeft -= section.size;
    found.push(readSymbols(elf, section));
  }
  const starts = new Float64Array(found.reduce((sum, { length }) => sum + length, 0));
  let count = 0;
  for (const some of found) {
    starts.set(some, count);
    count += some.length;
  }
  return starts.sort();
}

function readSymbols(elf: ElfFile, section: Section): Float64Array {
  const cursor = new CfiCursor(readSectionBytes(elf, section, section.size));
  const starts = new Float64Array(Math.floor(cursor.end / ENTRY_BYTES));
  let count = 0;
  for (let at = 0; at + ENTRY_BYTES <= cursor.bytes.length; at += ENTRY_BYTES) {
    cursor.position = at + INFO_AT;
    const type = cursor.u8() & 0xf;
    if (type !== STT_FUNC && type !== STT_GNU_IFUNC) continue;
    cursor.position = at + VALUE_AT;
    starts[count++] = cursor.i64();
  }
  return starts.subarray(0, count);
}
