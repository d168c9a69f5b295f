import type { SymbolFrame } from "../../executable-file.ts";
import { isV8Script, runtimeName } from "../runtime-names.ts";
import type { OriginalPlace, ScriptPlace } from "./source-map.ts";

/** A frame of a script, whose place may come from another file. */
export interface ScriptFrame extends ScriptPlace {
  /** The script's path, as the process's root has it. */
  readonly path: string;
}

/** Undefined for a frame that no source map can say more of. */
export function scriptFrame({ name, systemName, ...place }: SymbolFrame): ScriptFrame | undefined {
  const { file, line, column } = place;
  const isScript = isV8Script(systemName) && file?.startsWith("/") === true;
  if (!isScript || line === undefined || column === undefined) return undefined;
  // A jitdump has the place of the code; the name has that of the function.
  const start = runtimeName(systemName);
  return {
    path: file,
    name,
    line,
    column,
    start: { line: start.line ?? line, column: start.column ?? column },
  };
}

/** The frame as it was written. */
export function originalFrame(frame: SymbolFrame, original: OriginalPlace): SymbolFrame {
  return { ...frame, ...original };
}
