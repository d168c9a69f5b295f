import { openDebugInfo } from "../dwarf/debug-info.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import { sectionData } from "../elf/section-data.ts";
import { isMissing } from "../executable-file.ts";

/** Whether a file says itself which functions and lines it has. */
export function hasDebugInfo(elf: ElfFile): boolean {
  return (sectionData(elf, ".debug_info")?.size ?? 0) > 0;
}

/** Whether its units were split off into a .dwp file or .dwo files. */
export function isSplit(elf: ElfFile): boolean {
  // Split units have their addresses there. Others need not be looked at, nor decompressed.
  if (sectionData(elf, ".debug_addr") === undefined) return false;
  const info = openDebugInfo(elf);
  return !isMissing(info) && info.isSplit;
}
