import { fstatSync, readSync } from "node:fs";
import { limitExceeded, messageOf } from "../../../support/errors.ts";
import { isMissing, type Missing } from "../../executable-file.ts";
import {
  type OriginalPlace,
  type ScriptPlace,
  SOURCE_MAP_BYTES_MAX,
  SourceMap,
} from "./source-map.ts";
import { sourceMapPlace } from "./source-map-url.ts";

/** A script with an inline map may be as large as both. */
export const SCRIPT_BYTES_MAX: number = 2 * SOURCE_MAP_BYTES_MAX;
/** Memory of maps that are kept; what was used longest ago goes first. */
const KEPT_BYTES_MAX = 192 * 1024 * 1024;
/** Scripts that are known, with a map or without. */
const SCRIPTS_MAX = 256;

/** An open script, and the map that is beside it. The descriptors stay the caller's. */
export interface OpenScript {
  /** Equal keys are the same contents. */
  readonly key: string;
  readonly fd: number;
  /** Absent when there is none, or when the map is in the script. */
  readonly map?: { readonly fd: number; readonly path: string } | undefined;
}

/** The source maps of scripts, each read when the first place of its script is asked about. */
export class ScriptMaps {
  /** The one used last is the last. */
  readonly #known = new Map<string, SourceMap | Missing>();

  /** For each place where it comes from; undefined for what no person wrote. Never throws. */
  originals(
    script: OpenScript,
    places: readonly ScriptPlace[],
  ): (OriginalPlace | undefined)[] | Missing {
    const map = this.#mapOf(script);
    return isMissing(map) ? map : places.map((place) => map.original(place));
  }

  #mapOf(script: OpenScript): SourceMap | Missing {
    const { key } = script;
    const map = this.#known.get(key) ?? read(script);
    this.#known.delete(key);
    this.#known.set(key, map);
    let bytes = this.bytes;
    for (const [oldest, old] of this.#known) {
      const isOver = this.#known.size > SCRIPTS_MAX || bytes > KEPT_BYTES_MAX;
      if (!isOver || oldest === key) break;
      this.#known.delete(oldest);
      bytes -= bytesOf(old);
    }
    return map;
  }

  /** Memory that they take, about. */
  get bytes(): number {
    return this.#known.values().reduce((sum, map) => sum + bytesOf(map), 0);
  }
}

function bytesOf(map: SourceMap | Missing): number {
  return map instanceof SourceMap ? map.bytes : 0;
}

function read({ key, fd, map }: OpenScript): SourceMap | Missing {
  try {
    const script = textOf(fd, key, SCRIPT_BYTES_MAX);
    const place = sourceMapPlace(script, key);
    // The file beside a script that has its own is an older one.
    if (place !== undefined && "inline" in place) return new SourceMap(place.inline, key, script);
    if (map !== undefined) {
      return new SourceMap(textOf(map.fd, map.path, SOURCE_MAP_BYTES_MAX), map.path, script);
    }
    return place !== undefined && "missing" in place ? place : { missing: "it has no source map" };
  } catch (error) {
    return { missing: messageOf(error) };
  }
}

function textOf(fd: number, name: string, bytesMax: number): string {
  const { size } = fstatSync(fd);
  if (size > bytesMax) throw limitExceeded(name, "bytes", size, bytesMax);
  const bytes = Buffer.alloc(size);
  let filled = 0;
  while (filled < size) {
    const count = readSync(fd, bytes, filled, size - filled, filled);
    if (count === 0) break;
    filled += count;
  }
  return bytes.toString("utf8", 0, filled);
}
