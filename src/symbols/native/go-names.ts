import { FileSegments } from "../cfi/file-segments.ts";
import { GoFunctions } from "../cfi/go-functions.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import type { SymbolFrame } from "../executable-file.ts";

/** Names by the table that a Go program carries for itself, which stripping leaves. */
export interface GoNames {
  /** The function and the line at an address; inlined calls have no frames of their own. */
  frameAt(address: number): SymbolFrame | undefined;
}

/** No names for a file that is no Go program, or one of a Go before 1.18. */
export function openGoNames(elf: ElfFile): GoNames {
  const functions = readFunctions(elf);
  if (functions === undefined) return { frameAt: () => undefined };
  return {
    frameAt(address) {
      const index = functions.firstBehind(address);
      if (index >= functions.count || address < functions.at(index).start) return undefined;
      const name = functions.wholeNameOf(index);
      if (name === "") return undefined;
      return { name, systemName: name, ...functions.placeAt(index, address) };
    },
  };
}

/** A table that is broken names nothing. */
function readFunctions(elf: ElfFile): GoFunctions | undefined {
  if (!elf.is64 || !elf.littleEndian) return undefined;
  try {
    return GoFunctions.read(elf, new FileSegments(elf));
  } catch {
    return undefined;
  }
}
