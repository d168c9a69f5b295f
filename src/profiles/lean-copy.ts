import type { Dictionary } from "./dictionary.ts";
import { UNKNOWN_FRAME } from "./text/frames.ts";
import { unresolvedNameOf } from "./unresolved-name.ts";

/** What a receiver of profiles takes at most. */
export interface LeanLimits {
  /** Locations of one stack. */
  readonly stackDepthMax: number;
  /** UTF-8 bytes of one text. */
  readonly textBytesMax: number;
}

/** Stands at the root of a stack that was cut. */
export const TRUNCATED_FRAME = "[truncated]";

/** What a server may look up symbols by; all else that is known of a mapping stays behind. */
const MAPPING_ATTRIBUTE = /^(process\.executable\.build_id|pprof\.mapping)\./;

/**
 * Copies stacks into another dictionary for a receiver that shows names only: every location has a
 * function, whose name is made from file and address where there is none, every stack has a
 * frame, and nothing is longer than the limits. Frame types stay behind.
 *
 * Every method takes an index of the source and returns that of the target.
 */
export class LeanCopier {
  readonly #source: Dictionary;
  readonly #target: Dictionary;
  readonly #limits: LeanLimits;
  readonly #strings = new Map<number, number>();
  readonly #functions = new Map<number, number>();
  readonly #mappings = new Map<number, number>();
  readonly #locations = new Map<number, number>();
  readonly #stacks = new Map<number, number>();

  constructor(source: Dictionary, target: Dictionary, limits: LeanLimits) {
    this.#source = source;
    this.#target = target;
    this.#limits = limits;
  }

  string(row: number): number {
    return this.#strings.getOrInsertComputed(row, () => this.text(this.#source.strings.at(row)));
  }

  /** Interns a text that need not be in the source. */
  text(text: string): number {
    return this.#target.strings.intern(fittingText(text, this.#limits.textBytesMax));
  }

  link(row: number): number {
    const { links } = this.#source;
    return row === 0 ? 0 : this.#target.links.intern(links.traceId(row), links.spanId(row));
  }

  /** A stack that is too deep keeps what is nearest its leaf. */
  stack(row: number): number {
    return this.#stacks.getOrInsertComputed(row, () => {
      const { stackDepthMax } = this.#limits;
      const all = Array.from(this.#source.stacks.row(row));
      const isTooDeep = all.length > stackDepthMax;
      const kept = isTooDeep ? all.slice(0, stackDepthMax - 1) : all;
      const copies = kept.map((location) => this.#location(location));
      if (isTooDeep) copies.push(this.#namedLocation(TRUNCATED_FRAME));
      if (copies.length === 0) copies.push(this.#namedLocation(UNKNOWN_FRAME));
      return this.#target.stacks.intern(copies);
    });
  }

  #namedLocation(name: string): number {
    const fn = this.#target.functions.intern(this.text(name), 0, 0, 0);
    return this.#target.locations.intern(0, 0, 0, [fn, 0, 0], 0);
  }

  #location(row: number): number {
    return this.#locations.getOrInsertComputed(row, () => {
      const { locations } = this.#source;
      const lines: number[] = [];
      for (let at = locations.lineStart(row); at < locations.lineEnd(row); at++) {
        const fn = this.#function(locations.lineFunction.at(at), row);
        lines.push(fn, locations.lineNumber.at(at), locations.lineColumn.at(at));
      }
      if (lines.length === 0) lines.push(this.#function(0, row), 0, 0);
      const mapping = this.#mapping(locations.mapping.at(row));
      const { address } = locations;
      return this.#target.locations.intern(mapping, address.low(row), address.high(row), lines, 0);
    });
  }

  #function(row: number, location: number): number {
    const { name } = this.#source.functions;
    const hasName = this.#source.strings.at(name.at(row)) !== "";
    if (!hasName) return this.#newFunction(row, unresolvedNameOf(this.#source, location));
    const copied = this.#functions.get(row);
    if (copied !== undefined) return copied;
    const copy = this.#newFunction(row, this.#source.strings.at(name.at(row)));
    this.#functions.set(row, copy);
    return copy;
  }

  #newFunction(row: number, name: string): number {
    const { systemName, filename, startLine } = this.#source.functions;
    return this.#target.functions.intern(
      this.text(name),
      this.string(systemName.at(row)),
      this.string(filename.at(row)),
      startLine.at(row),
    );
  }

  #mapping(row: number): number {
    if (row === 0) return 0;
    return this.#mappings.getOrInsertComputed(row, () => {
      const mapping = this.#source.mappings.at(row);
      return this.#target.mappings.intern({
        ...mapping,
        filename: this.string(mapping.filename),
        attributeSet: this.#mappingAttributes(mapping.attributeSet),
      });
    });
  }

  #mappingAttributes(set: number): number {
    const { attributeSets, attributes, strings } = this.#source;
    const kept = Array.from(attributeSets.row(set)).flatMap((row) => {
      const key = strings.at(attributes.key.at(row));
      const value = attributes.value(row);
      if (!MAPPING_ATTRIBUTE.test(key) || (value.type !== "string" && value.type !== "bool")) {
        return [];
      }
      const fitting =
        value.type === "bool"
          ? value
          : { ...value, value: fittingText(value.value, this.#limits.textBytesMax) };
      return [this.#target.attributes.intern(this.text(key), fitting, 0)];
    });
    return kept.length === 0 ? 0 : this.#target.attributeSets.intern(kept.sort((a, b) => a - b));
  }
}

/** The text as it is or its beginning, of at most so many bytes of valid UTF-8. */
export function fittingText(text: string, bytesMax: number): string {
  // A UTF-16 unit is at most three bytes.
  if (text.length * 3 <= bytesMax) return text.toWellFormed();
  const bytes = Buffer.from(text.slice(0, bytesMax), "utf8");
  if (bytes.length <= bytesMax && text.length <= bytesMax) return text.toWellFormed();
  let end = Math.min(bytesMax, bytes.length);
  // Bytes 10xxxxxx continue a character that began before.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}
