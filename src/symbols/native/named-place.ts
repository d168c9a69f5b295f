import type { DebugFrame } from "../dwarf/debug-info.ts";
import type { FunctionSymbol } from "../elf/symbol-table.ts";
import type { SymbolFrame } from "../executable-file.ts";
import { displayName, type NamedSymbol } from "./display-name.ts";

/** A frame whose name is not yet shown in one way or another. */
export interface NamedPlace extends NamedSymbol {
  readonly file?: string | undefined;
  /** From 1 on, as the column. */
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

/**
 * What symbol table and debug information say together of one address, innermost first; none
 * where neither knows a function. The outermost function is named by the symbol.
 */
export function placesOf(
  symbol: FunctionSymbol | undefined,
  debugged: readonly DebugFrame[],
): readonly NamedPlace[] {
  const outermost = debugged.at(-1);
  if (outermost === undefined || !isNamed(outermost)) {
    if (symbol === undefined) return NO_PLACES;
    return [placed(symbolName(symbol, undefined), withFile(symbol, outermost))];
  }
  return debugged.map((frame) => {
    if (frame !== outermost) return inlinedPlace(frame);
    const named = symbol === undefined ? debugName(frame) : symbolName(symbol, frame);
    return placed(named, withFile(symbol, frame));
  });
}

/** A frame that is not the outermost one. */
export function inlinedPlace(frame: DebugFrame): NamedPlace {
  return placed(debugName(frame), frame);
}

/** Whether debug information knows a function, and not a line alone. */
export function isNamed(frame: DebugFrame | undefined): boolean {
  return frame?.linkageName !== undefined || frame?.bareName !== undefined;
}

/** @param demangles  the demangler has been loaded, if a name is mangled */
export function frameOf(place: NamedPlace, demangles: boolean): SymbolFrame {
  const { systemName, file, line, column } = place;
  return {
    name: demangles ? displayName(place) : systemName,
    systemName,
    ...(file !== undefined && { file }),
    ...(line !== undefined && { line }),
    ...(column !== undefined && { column }),
  };
}

const NO_PLACES: readonly NamedPlace[] = [];

type Place = Pick<SymbolFrame, "file" | "line" | "column">;

function placed({ systemName, readableName }: NamedSymbol, place: Place): NamedPlace {
  return { systemName, readableName, file: place.file, line: place.line, column: place.column };
}

/** Without lines a local symbol still says its source file. */
function withFile(symbol: FunctionSymbol | undefined, frame: DebugFrame | undefined): Place {
  if (frame?.file !== undefined || symbol?.file === undefined) return frame ?? {};
  return { file: symbol.file };
}

function symbolName(
  { name, readableName }: FunctionSymbol,
  frame: DebugFrame | undefined,
): NamedSymbol {
  // What the debug information calls without a linkage name is C, or has no other full name.
  const isBare = frame !== undefined && frame.linkageName === undefined;
  return { systemName: name, readableName: (isBare ? frame.fullName : undefined) ?? readableName };
}

function debugName({ linkageName, bareName = "", fullName }: DebugFrame): NamedSymbol {
  return { systemName: linkageName ?? bareName, readableName: linkageName ?? fullName ?? bareName };
}
