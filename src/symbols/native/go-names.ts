import { isCollectorError } from "../../support/errors.ts";
import { FileSegments } from "../cfi/file-segments.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import type { SymbolFrame } from "../executable-file.ts";
import { type GoFrame, InlineTree } from "../go/inline-tree.ts";
import { findGoModule } from "../go/module-data.ts";
import { type GoFunction, Pclntab } from "../go/pclntab.ts";
import { findPclntab } from "../go/pclntab-place.ts";

/** Names by the table that a Go program carries for itself, which stripping leaves. */
export interface GoNames {
  /**
   * The functions at an address, innermost first; none between two functions. Without inlined calls
   * the outermost, at the line of the innermost. Calls that a Go before 1.16 inlined are not known.
   */
  framesAt(address: number, inlines: boolean): readonly SymbolFrame[];
}

/** By its headers alone. A program that another linker made may not look like one. */
export function isGoProgram({ goBuildId, sections }: ElfFile): boolean {
  return goBuildId !== "" || sections.some(({ name }) => name.endsWith(".gopclntab"));
}

/** No names for a file that is no Go program. */
export function openGoNames(elf: ElfFile): GoNames {
  return unlessBroken(() => openTable(elf), undefined) ?? NO_NAMES;
}

const NO_FRAMES: readonly SymbolFrame[] = [];
const NO_NAMES: GoNames = { framesAt: () => NO_FRAMES };

function openTable(elf: ElfFile): GoNames | undefined {
  const place = findPclntab(elf);
  if (place === undefined) return undefined;
  const table = new Pclntab(elf, place);
  const module = unlessBroken(() => findGoModule(elf, table.parts), undefined);
  if (!table.knowsText) {
    if (module === undefined || !(module.text > 0)) return undefined;
    table.startAt(module.text);
  }
  const data = table.countsFromModule ? (module?.functionData ?? 0) : 0;
  const hasTrees = data > 0 || !table.countsFromModule;
  const tree = hasTrees ? new InlineTree(elf, table, new FileSegments(elf), data) : undefined;
  return {
    framesAt: (address, inlines) =>
      unlessBroken(() => framesAt(table, inlines ? tree : undefined, address), NO_FRAMES),
  };
}

function framesAt(
  table: Pclntab,
  tree: InlineTree | undefined,
  address: number,
): readonly SymbolFrame[] {
  table.allow();
  const function_ = table.functionAt(address);
  if (function_ === undefined) return NO_FRAMES;
  const inlined = unlessBroken(() => tree?.framesAt(function_, address), undefined);
  const frames = inlined ?? [outermost(table, function_, address)];
  const isCode = frames[0]?.line !== undefined || table.hasCodeAt(function_, address);
  return (isCode ? frames : [])
    .filter(({ name }) => name !== "")
    .map((frame) => ({ ...frame, systemName: frame.name }));
}

function outermost(table: Pclntab, function_: GoFunction, address: number): GoFrame {
  // What a broken tree took is not taken from its function.
  table.allow();
  return { name: table.nameOf(function_), ...table.placeAt(function_, address) };
}

/** What a broken table would have said is not known; it names nothing else. */
function unlessBroken<Result>(ask: () => Result, otherwise: Result): Result {
  try {
    return ask();
  } catch (error) {
    if (!isCollectorError(error, "INPUT_MALFORMED", "LIMIT_EXCEEDED")) throw error;
    return otherwise;
  }
}
