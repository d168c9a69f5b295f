import type { SymbolFrame } from "../../executable-file.ts";
import type { OriginalPlace, ScriptPlace } from "./source-map.ts";

/** How V8 calls code of a script in a perf map. */
const OF_SCRIPT = /^(?:JS|LazyCompile|Function|Script|Eval):/;

/** A frame of a script, whose place may come from another file. */
export interface ScriptFrame extends ScriptPlace {
  /** The script's path, as the process's root has it. */
  readonly path: string;
}

/** Undefined for a frame that no source map can say more of. */
export function scriptFrame({ name, systemName, ...place }: SymbolFrame): ScriptFrame | undefined {
  const { file, line, column } = place;
  const isScript = OF_SCRIPT.test(systemName) && file?.startsWith("/") === true;
  if (!isScript || line === undefined || column === undefined) return undefined;
  return { path: file, name, line, column };
}

/** The frame as it was written. */
export function originalFrame(frame: SymbolFrame, original: OriginalPlace): SymbolFrame {
  return { ...frame, ...original };
}
