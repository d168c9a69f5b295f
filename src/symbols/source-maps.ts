import { isMissing, type SymbolFrame } from "./executable-file.ts";
import type { FileReader } from "./file-reader.ts";
import { type OpenedScript, openScript, type ScriptRoot } from "./jit/source-map/script-files.ts";
import { originalFrame, type ScriptFrame, scriptFrame } from "./jit/source-map/script-frames.ts";
import type { OriginalPlace } from "./jit/source-map/source-map.ts";
import type { FramesOfAddresses } from "./worker-protocol.ts";

/** Scripts whose places are kept; beyond it the one used longest ago is read again. */
const SCRIPTS_MAX = 1024;
/** Places of one script: functions that were sampled. */
const PLACES_MAX = 8192;
/** How often a script is looked at again: its map may be there by then, or another one. */
const RECHECK_MS = 60_000;

/** Gives frames of scripts the places and names that people wrote, by source maps. */
export class SourceMaps {
  readonly #reader: FileReader;
  /** By the owner of the root and the path. The one used last is the last. */
  readonly #scripts = new Map<string, KnownScript>();

  constructor(reader: FileReader) {
    this.#reader = reader;
  }

  /**
   * Never rejects: what has no map stays as it is.
   *
   * @param owner  what tells the program from others
   * @param where  where it has its scripts; undefined when it has ended
   */
  async apply(
    found: FramesOfAddresses,
    owner: string,
    where: ScriptRoot | undefined,
  ): Promise<FramesOfAddresses> {
    const byPath = new Map<string, ScriptFrame[]>();
    for (const frame of found.flat()) {
      const asked = scriptFrame(frame);
      if (asked !== undefined) byPath.getOrInsertComputed(asked.path, () => []).push(asked);
    }
    if (byPath.size === 0) return found;
    const known = new Map<string, KnownScript>();
    for (const [path, frames] of byPath) {
      const script = this.#scriptOf(`${owner} ${path}`);
      known.set(path, script);
      if (where !== undefined) await this.#ask(script, { owner, where, path, frames });
    }
    return found.map((frames) => frames.map((frame) => shown(frame, known)));
  }

  #scriptOf(key: string): KnownScript {
    const script = this.#scripts.get(key) ?? new KnownScript();
    this.#scripts.delete(key);
    this.#scripts.set(key, script);
    for (const oldest of this.#scripts.keys()) {
      if (this.#scripts.size <= SCRIPTS_MAX) break;
      this.#scripts.delete(oldest);
    }
    return script;
  }

  /** An owner one of whose maps cost the worker is asked for none any more. */
  async #ask(script: KnownScript, { owner, where, path, frames }: AskedScript): Promise<void> {
    if (script.isReplaced) return;
    const now = performance.now();
    const isFresh = now < script.recheckMs;
    const asked = frames.filter((frame) => !isFresh || !script.places.has(placeKey(frame)));
    if (asked.length === 0 || (isFresh && script.hasNoMap)) return;
    const opened = openScript(where, path);
    script.recheckMs = now + RECHECK_MS;
    if (isMissing(opened)) {
      script.hasNoMap = true;
      return;
    }
    const { key, fd, map } = opened;
    script.begin(opened);
    if (script.isReplaced) {
      opened[Symbol.dispose]();
      return;
    }
    const found = await this.#reader.ask<"map-places">(
      { kind: "map-places", script: { key, fd, map }, places: asked },
      { key: `source maps of ${owner}`, release: () => opened[Symbol.dispose]() },
    );
    script.hasNoMap = isMissing(found);
    if (isMissing(found)) return;
    if (script.places.size + asked.length > PLACES_MAX) script.places.clear();
    for (const [index, frame] of asked.entries()) {
      script.places.set(placeKey(frame), found[index]);
    }
  }
}

interface AskedScript {
  readonly owner: string;
  readonly where: ScriptRoot;
  readonly path: string;
  readonly frames: readonly ScriptFrame[];
}

class KnownScript {
  readonly places = new Map<string, OriginalPlace | undefined>();
  recheckMs = 0;
  hasNoMap = false;
  /** The program runs what was there before: what is there now says nothing of it. */
  isReplaced = false;
  #identity = "";
  #key = "";

  /** Forgets the places of another map. */
  begin({ identity, key }: OpenedScript): void {
    if (this.#identity === "") this.#identity = identity;
    this.isReplaced = identity !== this.#identity;
    if (key !== this.#key && !this.isReplaced) this.places.clear();
    this.#key = key;
  }
}

function placeKey({ name, line, column, start }: ScriptFrame): string {
  return `${line}:${column} ${start.line}:${start.column} ${name}`;
}

function shown(frame: SymbolFrame, known: ReadonlyMap<string, KnownScript>): SymbolFrame {
  const asked = scriptFrame(frame);
  const original = asked && known.get(asked.path)?.places.get(placeKey(asked));
  return original === undefined ? frame : originalFrame(frame, original);
}
