import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { valueText } from "../../profiles/attribute-value.ts";
import { Dictionary } from "../../profiles/dictionary.ts";
import { setTiers, TIER_ATTRIBUTE } from "./frame-tiers.ts";

describe("setTiers", () => {
  it("adds the innermost frame's tier to what a location has, and nothing without one", () => {
    const dictionary = new Dictionary();
    const { attributeSets, locations } = dictionary;
    const type = dictionary.internStringAttribute("profile.frame.type", "native");
    const set = attributeSets.intern([type]);
    const [compiled, whole, twin] = [0x10, 0x20, 0x30].map((address) =>
      locations.intern(0, address, 0, [], set),
    ) as [number, number, number];
    const frame = { name: "fib", systemName: "JS:*fib /a.js:1:1", tier: "*" };
    setTiers(
      dictionary,
      new Map([
        [compiled, [frame]],
        [whole, [{ name: "Builtin:ArrayMap", systemName: "Builtin:ArrayMap" }]],
        [twin, [frame]],
      ]),
    );
    const textOf = (location: number, key: string): string | undefined => {
      const value = dictionary.findAttribute(locations.attributeSet.at(location), key);
      return value && valueText(value);
    };
    assert.equal(textOf(compiled, TIER_ATTRIBUTE), "*");
    assert.equal(textOf(compiled, "profile.frame.type"), "native");
    assert.equal(textOf(whole, TIER_ATTRIBUTE), undefined);
    assert.equal(locations.attributeSet.at(whole), set);
    assert.equal(locations.attributeSet.at(twin), locations.attributeSet.at(compiled));
    // The same row again by its new attributes, and a new one by its old.
    const tiered = locations.attributeSet.at(compiled);
    assert.equal(locations.intern(0, 0x10, 0, [], tiered), compiled);
    assert.notEqual(locations.intern(0, 0x10, 0, [], set), compiled);
  });
});
