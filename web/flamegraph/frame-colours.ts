import type { FlameGraphColumns } from "../../src/profiles/flamegraph/columns.ts";
import { changeColour } from "./difference.ts";
import { packageOf } from "./package-of.ts";
import {
  DIMMED,
  HUES,
  MATCH,
  NAMELESS,
  RAMP,
  RAMP_STEPS,
  RUN,
  TYPE_COUNT,
  TYPES,
} from "./palette.ts";

/** What a frame's colour says. "difference" is for trees of two profiles only. */
export type ColourMode = "package" | "file" | "type" | "value" | "difference";

export const colourModes: readonly ColourMode[] = ["package", "file", "type", "value"];

const UNKNOWN = 255;

/** The colour of each frame in one mode; what costs time is found once for each name or file. */
export class FrameColours {
  readonly #columns: FlameGraphColumns;
  readonly #mode: ColourMode;
  readonly #beforeScale: number;
  readonly #byName: Uint8Array;
  readonly #byFile: Uint8Array;
  #matches: Uint8Array | undefined;

  /** @param beforeScale  what values before are multiplied by, in a difference */
  constructor(columns: FlameGraphColumns, mode: ColourMode, beforeScale = 1) {
    this.#columns = columns;
    this.#beforeScale = beforeScale;
    this.#mode = mode;
    this.#byName = new Uint8Array(columns.names.length).fill(UNKNOWN);
    this.#byFile = new Uint8Array(columns.files.length).fill(UNKNOWN);
  }

  /** @param names  1 for each name that a search found; undefined when nothing is searched */
  highlight(names: Uint8Array | undefined): void {
    this.#matches = names;
  }

  /** The frame's place in the palette. */
  of(node: number): number {
    const name = this.#columns.name[node] ?? 0;
    // The root is no function, unless it is that of a sandwich.
    if (node === 0 && this.#mode !== "difference" && this.#matches === undefined) return NAMELESS;
    if (this.#matches !== undefined) return this.#matches[name] === 1 ? MATCH : DIMMED;
    switch (this.#mode) {
      case "package":
        return this.#package(name, this.#columns.file[node] ?? 0);
      case "file":
        return this.#file(this.#columns.file[node] ?? 0);
      case "type":
        return TYPES + Math.min(TYPE_COUNT - 1, this.#columns.kind[node] ?? 0);
      case "value":
        return this.#value(node);
      case "difference":
        return changeColour(this.#columns, node, this.#beforeScale);
    }
  }

  ofRun(node: number): number {
    return this.#matches !== undefined ? this.of(node) : RUN;
  }

  #package(name: number, file: number): number {
    let colour = this.#byName[name] ?? UNKNOWN;
    if (colour === UNKNOWN) {
      const { names, files } = this.#columns;
      const owner = packageOf(names[name] ?? "", files[file] ?? "");
      colour = owner === "" ? hueOf(names[name] ?? "") : hueOf(owner);
      this.#byName[name] = colour;
    }
    return colour;
  }

  #file(file: number): number {
    let colour = this.#byFile[file] ?? UNKNOWN;
    if (colour === UNKNOWN) {
      const path = this.#columns.files[file] ?? "";
      colour = path === "" ? NAMELESS : hueOf(path);
      this.#byFile[file] = colour;
    }
    return colour;
  }

  #value(node: number): number {
    const { self, total } = this.#columns;
    const whole = total[0] ?? 0;
    const part = whole === 0 ? 0 : (self[node] ?? 0) / whole;
    // Own shares are small: the square root keeps 1 % apart from 0.1 %.
    return RAMP + Math.min(RAMP_STEPS - 1, Math.floor(Math.sqrt(part) * 2 * RAMP_STEPS));
  }
}

/** The same text has the same hue in every file and every session (FNV-1a). */
export function hueOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  hash ^= hash >>> 15;
  return (hash >>> 0) % HUES;
}
