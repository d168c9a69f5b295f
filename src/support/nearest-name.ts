/**
 * Of the names that are right, the one that a wrong one most likely means: one that it begins,
 * else the one that the fewest edits lead to. Undefined only when there are no names.
 */
export function nearestName(wrong: string, names: readonly string[]): string | undefined {
  const begun = names.filter((name) => name.startsWith(wrong));
  const candidates = begun.length > 0 ? begun : names;
  return candidates.toSorted((a, b) => editDistance(wrong, a) - editDistance(wrong, b))[0];
}

/** Words on a command line are short; of a longer one only its beginning counts. */
const WORD_LENGTH_MAX = 64;

/** Levenshtein's distance: insertions, deletions and replacements of one character. */
function editDistance(from: string, to: string): number {
  const target = to.slice(0, WORD_LENGTH_MAX);
  let previous = Array.from({ length: target.length + 1 }, (_, index) => index);
  for (const [row, character] of [...from.slice(0, WORD_LENGTH_MAX)].entries()) {
    const current = [row + 1];
    for (let column = 0; column < target.length; column++) {
      const replaced = (previous[column] as number) + (character === target[column] ? 0 : 1);
      const edited = Math.min(previous[column + 1] as number, current[column] as number) + 1;
      current.push(Math.min(replaced, edited));
    }
    previous = current;
  }
  return previous[target.length] as number;
}
