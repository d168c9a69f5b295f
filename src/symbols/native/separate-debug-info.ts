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
  const info = openDebugInfo(elf);
  return !isMissing(info) && info.isSplit;
}
