import type { FlameGraphColumns } from "../../src/profiles/flamegraph/columns.ts";

/** What a search found. */
export interface SearchResult {
  /** 1 for each name that matches, by its index. */
  readonly names: Uint8Array;
  /** Different names that match. */
  readonly nameCount: number;
  /** Frames of the tree that match. */
  readonly frames: number;
  /**
   * The value of the samples with a matching frame in their stack. A sample counts once,
   * however many of its frames match.
   */
  readonly total: number;
}

/** Longest pattern that is tried: nobody types more, and a pasted stack is no pattern. */
const PATTERN_LENGTH_MAX = 1000;

/**
 * Makes a pattern of what a user typed: case counts only when an upper-case letter is in it.
 * Returns the sentence to show when it is no regular expression.
 */
export function patternOf(text: string): RegExp | { readonly wrong: string } {
  if (text.length > PATTERN_LENGTH_MAX) {
    return { wrong: `longer than ${PATTERN_LENGTH_MAX} characters` };
  }
  const flags = /\p{Lu}/u.test(text.replaceAll(/\\./g, "")) ? "u" : "iu";
  try {
    return new RegExp(text, flags);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    return { wrong: said.replace(/^Invalid regular expression: /, "") };
  }
}

/** Searches each name once, then passes once over the tree. */
export function search(columns: FlameGraphColumns, pattern: RegExp): SearchResult {
  const names = new Uint8Array(columns.names.length);
  let nameCount = 0;
  for (const [index, name] of columns.names.entries()) {
    if (!pattern.test(name)) continue;
    names[index] = 1;
    nameCount++;
  }
  return { names, nameCount, ...countMatches(columns, names) };
}

/** A node counts when it matches and nothing above it does; parents come before children. */
function countMatches(
  { name, parent, total }: FlameGraphColumns,
  names: Uint8Array,
): { frames: number; total: number } {
  const isCovered = new Uint8Array(name.length);
  let frames = 0;
  let sum = 0;
  for (let node = 0; node < name.length; node++) {
    const matches = names[name[node] ?? 0] ?? 0;
    const above = node === 0 ? 0 : (isCovered[parent[node] ?? 0] ?? 0);
    frames += matches;
    if (matches === 1 && above === 0) sum += total[node] ?? 0;
    isCovered[node] = matches | above;
  }
  return { frames, total: sum };
}
