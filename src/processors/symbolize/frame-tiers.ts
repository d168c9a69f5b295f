import type { Dictionary } from "../../profiles/dictionary.ts";
import type { SymbolFrame } from "../../symbols/executable-file.ts";

/**
 * Of a location: how far a runtime had compiled its code, in the runtime's words, as `*` of V8 or
 * `OptimizedTier1` of .NET. OpenTelemetry has no attribute for it.
 */
export const TIER_ATTRIBUTE = "obsforge.frame.tier";

/** Adds the tiers of frames to the attributes of their locations. */
export function setTiers(
  dictionary: Dictionary,
  frames: ReadonlyMap<number, readonly SymbolFrame[]>,
): void {
  const { attributeSets, locations } = dictionary;
  for (const [location, [frame]] of frames) {
    if (frame?.tier === undefined) continue;
    const tier = dictionary.internStringAttribute(TIER_ATTRIBUTE, frame.tier);
    const others = attributeSets.row(locations.attributeSet.at(location));
    const all = new Set([...others, tier]);
    const sorted = Int32Array.from(all).sort();
    locations.replaceAttributeSet(location, attributeSets.intern(sorted));
  }
}
