/**
 * The source map of a script: from a place in what a bundler or compiler wrote to the one in what
 * a person wrote. Source: ECMA-426.
 */
import {
  decodedMappings,
  FlattenMap,
  type SourceMapSegment,
  type TraceMap,
  traceSegment,
} from "@jridgewell/trace-mapping";
import { limitExceeded, malformed } from "../../../support/errors.ts";
import { countBefore } from "../../../support/sorted-search.ts";

/** The map with the sources that it carries; that of a large page has 30 MB. */
export const SOURCE_MAP_BYTES_MAX: number = 32 * 1024 * 1024;
/** Of all `mappings`. */
const MAPPINGS_BYTES_MAX = 4 * 1024 * 1024;
/** Decoded they take so many times as much memory. */
const DECODED_FACTOR = 40;
const SOURCES_MAX = 100_000;
/** Parts of a map that was put together from others. */
const SECTIONS_MAX = 10_000;
/** A longer path or name is none. */
const TEXT_CHARACTERS_MAX = 4096;
/** Values, lists and objects of the JSON: those of 32 MB would else take a gigabyte. */
const JSON_VALUES_MAX = 2_000_000;
/** Segments before a function's start that are looked through for its name. */
const SEGMENTS_BACK_MAX = 4;

/** In UTF-16 units, from 1 on. */
export interface LineAndColumn {
  readonly line: number;
  readonly column: number;
}

/** A place as a runtime says it. */
export interface ScriptPlace extends LineAndColumn {
  /** The function as it is called there. */
  readonly name: string;
  /** Where its parameters begin. */
  readonly start: LineAndColumn;
}

/** Where it comes from. */
export interface OriginalPlace {
  /** The function as it was written, where that is known; else as before. */
  readonly name: string;
  readonly file: string;
  /** From 1 on, as the column. */
  readonly line: number;
  readonly column: number;
}

export class SourceMap {
  /** Memory that it takes, about. */
  readonly bytes: number;
  readonly #map: TraceMap;
  readonly #lines: ScriptLines;

  /**
   * @param json    the text of the map
   * @param path    where it is: relative sources count from there
   * @param script  the text that it is of
   * @throws INPUT_MALFORMED, LIMIT_EXCEEDED
   */
  constructor(json: string, path: string, script: string) {
    const parsed = parse(json, path);
    const mappingsBytes = requireSize(parsed, path);
    const droppedCharacters = dropContents(parsed);
    const keptCharacters = json.length - droppedCharacters - mappingsBytes + script.length;
    this.bytes = DECODED_FACTOR * mappingsBytes + 2 * Math.max(keptCharacters, 0);
    try {
      this.#map = new FlattenMap(parsed as never, path);
      decodedMappings(this.#map);
    } catch (error) {
      throw malformed(path, `is no source map: ${(error as Error).message}`);
    }
    this.#lines = new ScriptLines(script);
  }

  /** Undefined for what nobody wrote, as what a bundler adds. */
  original({ name, start, line, column }: ScriptPlace): OriginalPlace | undefined {
    const segment = traceSegment(this.#map, line - 1, column - 1);
    if (segment === null || segment.length === 1) return undefined;
    const [, source, originalLine, originalColumn] = segment;
    const file = this.#fileOf(source);
    if (file === undefined || file.length > TEXT_CHARACTERS_MAX) return undefined;
    if (!isPlace(originalLine) || !isPlace(originalColumn)) return undefined;
    return {
      name: this.#originalName(name, start) ?? name,
      file: file.startsWith("file://") ? file.slice("file://".length) : file,
      line: originalLine + 1,
      column: originalColumn + 1,
    };
  }

  /** Undefined for a source that has no name, as the map may have it. */
  #fileOf(source: number): string | undefined {
    return typeof this.#map.sources[source] === "string"
      ? this.#map.resolvedSources[source]
      : undefined;
  }

  /**
   * The segment of a function's name is before its parameters: the one in whose place the script
   * has that name. An arrow function's parameter, which may have the same, is where they begin.
   */
  #originalName(name: string, { line, column }: LineAndColumn): string | undefined {
    const short = /[^\s.]+$/.exec(name)?.[0];
    const start = this.#lines.start(line - 1);
    if (short === undefined || start < 0) return undefined;
    const segments: readonly SourceMapSegment[] = decodedMappings(this.#map)[line - 1] ?? [];
    let index =
      countBefore(segments.length, (row) => {
        return (segments[row] as SourceMapSegment)[0] < column - 1;
      }) - 1;
    for (let back = 0; index >= 0 && back < SEGMENTS_BACK_MAX; back++, index--) {
      const [at, , , , named] = segments[index] as SourceMapSegment;
      if (named === undefined || !this.#lines.hasWord(start + at, short)) continue;
      // A map may have anything for a name.
      const original: unknown = this.#map.names[named];
      const isName = typeof original === "string" && original.length <= TEXT_CHARACTERS_MAX;
      return isName ? original : undefined;
    }
    return undefined;
  }
}

/** Lines between two whose starts are kept. */
const LINES_PER_MARK = 1024;

/** The text of a script, which may be one line or a million. */
class ScriptLines {
  readonly #text: string;
  /** The start of each 1024th line. */
  readonly #marks: number[] = [0];

  constructor(text: string) {
    this.#text = text;
    let line = 0;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
      if (++line % LINES_PER_MARK === 0) this.#marks.push(at + 1);
    }
  }

  /** Where a line begins, counted from 0; -1 when there are not so many. */
  start(line: number): number {
    let at = this.#marks[Math.floor(line / LINES_PER_MARK)] ?? -1;
    for (let left = line % LINES_PER_MARK; left > 0 && at >= 0; left--) {
      const end = this.#text.indexOf("\n", at);
      at = end < 0 ? -1 : end + 1;
    }
    return at;
  }

  /** Whether just this word stands at a place. */
  hasWord(at: number, word: string): boolean {
    return this.#text.startsWith(word, at) && !/[\w$]/.test(this.#text.charAt(at + word.length));
  }
}

function isPlace(value: number | undefined): value is number {
  return value !== undefined && Number.isSafeInteger(value) && value >= 0 && value < 2 ** 31;
}

/** As far as it is looked at before the library is given it. */
interface RawMap {
  readonly mappings?: unknown;
  readonly sources?: unknown;
  readonly sections?: unknown;
  sourcesContent?: unknown;
}

function parse(json: string, path: string): RawMap {
  // Some servers put this before what is no script, so that no page can run it.
  const text = json.startsWith(")]}") ? json.slice(json.indexOf("\n") + 1) : json;
  requireFewValues(text, path);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw malformed(path, "is no JSON");
  }
  if (typeof parsed !== "object" || parsed === null) throw malformed(path, "is no source map");
  return parsed;
}

/** Nobody asks for the sources' text, nine tenths of a map. Returns its characters. */
function dropContents(map: RawMap): number {
  const sections: unknown[] = Array.isArray(map.sections) ? map.sections : [];
  let characters = 0;
  for (const part of [map, ...sections.map((section) => (section as { map: RawMap }).map)]) {
    const { sourcesContent: texts } = part;
    delete part.sourcesContent;
    if (!Array.isArray(texts)) continue;
    for (const text of texts) if (typeof text === "string") characters += text.length;
  }
  return characters;
}

/** Counts what stands outside of texts, which are nearly all of a true map. */
function requireFewValues(json: string, path: string): void {
  let count = 0;
  for (let at = 0; at < json.length; ) {
    const quote = json.indexOf('"', at);
    const end = quote < 0 ? json.length : quote;
    for (; at < end; at++) {
      const char = json.charCodeAt(at);
      if (char === COMMA || char === BRACKET || char === BRACE) count++;
    }
    if (count > JSON_VALUES_MAX) {
      throw limitExceeded(path, "values of its JSON", count, JSON_VALUES_MAX);
    }
    at = quote < 0 ? json.length : textEnd(json, quote + 1);
  }
}

/** Behind the quote that ends a text. */
function textEnd(json: string, start: number): number {
  for (let at = start; ; at++) {
    at = json.indexOf('"', at);
    if (at < 0) return json.length;
    let escapes = 0;
    while (json.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return at + 1;
  }
}

const COMMA = 0x2c;
const BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const BRACE = 0x7b;

/** Bytes of all mappings. */
function requireSize(map: RawMap, path: string): number {
  if (map.sections === undefined) return requirePart(map, path);
  if (!Array.isArray(map.sections)) throw malformed(path, "has sections that are no list");
  const { length } = map.sections;
  if (length > SECTIONS_MAX) throw limitExceeded(path, "sections", length, SECTIONS_MAX);
  let bytes = 0;
  for (const section of map.sections) {
    const part = (section as { readonly map?: RawMap } | null)?.map;
    if (typeof part !== "object" || part === null || part.sections !== undefined) {
      throw malformed(path, "has a section without a map of its own");
    }
    bytes += requirePart(part, path);
    if (bytes > MAPPINGS_BYTES_MAX) throw tooLarge(path, bytes);
  }
  return bytes;
}

function requirePart({ mappings, sources }: RawMap, path: string): number {
  if (typeof mappings !== "string") throw malformed(path, "has no mappings");
  if (mappings.length > MAPPINGS_BYTES_MAX) throw tooLarge(path, mappings.length);
  if (!Array.isArray(sources)) throw malformed(path, "has no sources");
  if (sources.length > SOURCES_MAX) {
    throw limitExceeded(path, "sources", sources.length, SOURCES_MAX);
  }
  return mappings.length;
}

function tooLarge(path: string, bytes: number): Error {
  return limitExceeded(path, "bytes of mappings", bytes, MAPPINGS_BYTES_MAX);
}
