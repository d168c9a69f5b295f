import type { Dictionary } from "../dictionary.ts";
import { isKernelMapping } from "../pprof/frame-types.ts";
import type { Frame, FrameNames } from "../text/frames.ts";
import { ANONYMOUS_MAPPING } from "../unresolved-name.ts";
import {
  type FlameProfile,
  KIND_INLINED,
  KIND_JIT,
  KIND_KERNEL,
  KIND_NATIVE,
  KIND_UNKNOWN,
} from "./columns.ts";

/** Gathers the frames of locations, and sorts them when all are there. */
export class FrameTable {
  readonly #dictionary: Dictionary;
  readonly #frameNames: FrameNames;
  readonly #ofLocation: (Uint32Array | undefined)[] = [];
  readonly #rows = new Map<string, number>();
  readonly #frames: { name: string; file: string; line: number; kind: number }[] = [];

  constructor(dictionary: Dictionary, frameNames: FrameNames) {
    this.#dictionary = dictionary;
    this.#frameNames = frameNames;
  }

  add(location: number): void {
    if (this.#ofLocation[location] !== undefined) return;
    const frames = this.#frameNames.ofLocation(location);
    const kind = kindOf(this.#dictionary, location, frames[0]?.type ?? "");
    // Outermost first, as a stack is walked from its root.
    const rows = frames
      .map((frame, at) => this.#row(frame, at + 1 < frames.length ? KIND_INLINED : kind))
      .reverse();
    this.#ofLocation[location] = Uint32Array.from(rows);
  }

  #row(frame: Frame, kind: number): number {
    const name = frame.name.toWellFormed();
    const file = frame.file.toWellFormed();
    // A line beyond 32 bits is none of a source file.
    const line = frame.line > 0 && frame.line < 2 ** 32 ? frame.line : 0;
    return this.#rows.getOrInsertComputed(
      `${line} ${kind} ${name.length} ${name}${file}`,
      () => this.#frames.push({ name, file, line, kind }) - 1,
    );
  }

  /** The frames sorted, and those of each location, outermost first. */
  finish(): {
    frames: FlameProfile["frames"];
    names: readonly string[];
    files: readonly string[];
    ofLocation: readonly (Uint32Array | undefined)[];
  } {
    const rows = this.#frames;
    const names = sortedTexts(rows.map(({ name }) => name));
    const files = sortedTexts(["", ...rows.map(({ file }) => file)]);
    const name = rows.map((row) => names.places.get(row.name) as number);
    const file = rows.map((row) => files.places.get(row.file) as number);
    const lineRank = ({ line }: { line: number }): number => line || 2 ** 32;
    const order = [...rows.keys()].sort((a, b) => {
      const [rowA, rowB] = [rows[a] as (typeof rows)[0], rows[b] as (typeof rows)[0]];
      return (
        (name[a] as number) - (name[b] as number) ||
        (file[a] as number) - (file[b] as number) ||
        lineRank(rowA) - lineRank(rowB) ||
        rowA.kind - rowB.kind
      );
    });
    const places = new Uint32Array(rows.length);
    for (const [place, row] of order.entries()) places[row] = place;
    for (const frames of this.#ofLocation) {
      if (frames === undefined) continue;
      for (let at = 0; at < frames.length; at++)
        frames[at] = places[frames[at] as number] as number;
    }
    return {
      frames: {
        name: Uint32Array.from(order, (row) => name[row] as number),
        file: Uint32Array.from(order, (row) => file[row] as number),
        line: Uint32Array.from(order, (row) => rows[row]?.line ?? 0),
        kind: Uint8Array.from(order, (row) => rows[row]?.kind ?? 0),
      },
      names: names.texts,
      files: files.texts,
      ofLocation: this.#ofLocation,
    };
  }
}

function sortedTexts(texts: readonly string[]): {
  texts: readonly string[];
  places: ReadonlyMap<string, number>;
} {
  const sorted = [...new Set(texts)].sort();
  return { texts: sorted, places: new Map(sorted.map((text, place) => [text, place])) };
}

/**
 * By the frame's type; where it has none by the file that it lies in. Machine code without a file
 * is what a runtime made.
 */
function kindOf(dictionary: Dictionary, location: number, type: string): number {
  if (type === "kernel") return KIND_KERNEL;
  if (type === "go" || type === "rust") return KIND_NATIVE;
  if (type !== "" && type !== "native") return KIND_JIT;
  const mapping = dictionary.locations.mapping.at(location);
  if (mapping === 0) return type === "" ? KIND_UNKNOWN : KIND_NATIVE;
  const filename = dictionary.strings.at(dictionary.mappings.filename.at(mapping));
  if (isKernelMapping(filename)) return KIND_KERNEL;
  if (filename === ANONYMOUS_MAPPING || filename.startsWith("//anon")) return KIND_JIT;
  return filename === "" && type === "" ? KIND_UNKNOWN : KIND_NATIVE;
}
