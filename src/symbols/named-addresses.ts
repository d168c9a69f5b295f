import { isMissing, type Missing, type SymbolFrame } from "./executable-file.ts";
import type { FramesOfAddresses } from "./worker-protocol.ts";

/** For each address its frames, innermost first, none where nothing covers it; or why not. */
export type NamedAddresses = readonly (readonly SymbolFrame[] | Missing)[];

/** What was known before, and in its gaps, in their order, what was found now. */
export function filled(
  known: readonly (readonly SymbolFrame[] | undefined)[],
  found: FramesOfAddresses | Missing,
): NamedAddresses {
  let next = 0;
  return known.map((frames) => {
    if (frames !== undefined) return frames;
    return isMissing(found) ? found : (found[next++] ?? []);
  });
}
