import { isMissing, type SymbolFrame } from "../../executable-file.ts";
import { openScript, type ScriptRoot } from "./script-files.ts";
import { originalFrame, scriptFrame } from "./script-frames.ts";
import { ScriptMaps } from "./script-maps.ts";

/** Source maps of scripts that are read at once: for commands, which ask no worker. */
export class LocalSourceMaps {
  readonly #where: ScriptRoot;
  readonly #maps = new ScriptMaps();

  constructor(where: ScriptRoot) {
    this.#where = where;
  }

  /** The frame as it was written; as it is when there is no map. */
  apply(frame: SymbolFrame): SymbolFrame {
    const asked = scriptFrame(frame);
    if (asked === undefined) return frame;
    const opened = openScript(this.#where, asked.path);
    if (isMissing(opened)) return frame;
    using script = opened;
    const found = this.#maps.originals(script, [asked]);
    const original = isMissing(found) ? undefined : found[0];
    return original === undefined ? frame : originalFrame(frame, original);
  }
}
