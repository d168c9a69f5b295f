import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { mergeMaps, nestedMap, pathSteps, unflattened } from "./merge.ts";
import { type ConfigNode, type MapNode, plainValueOf } from "./node.ts";
import { mapOf, nodeOf } from "./testing/nodes.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The rule of the merge in its shortest form, for plain data. */
function naiveMerge(base: Json | undefined, over: Json): Json {
  if (!isObject(base) || !isObject(over)) return over;
  const keys = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries(
    [...keys].map((key) => {
      const value = over[key];
      return [key, value === undefined ? (base[key] as Json) : naiveMerge(base[key], value)];
    }),
  );
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const plain = (node: ConfigNode): unknown => structuredClone(plainValueOf(node));

/** Few keys, so that maps meet. */
const key = fc.constantFrom("a", "b", "c", "d");
const scalar = fc.oneof(fc.integer(), fc.constant(null), fc.boolean(), fc.string());
const { map: anyMap } = fc.letrec<{ map: { [key: string]: Json }; any: Json }>((tie) => ({
  any: fc.oneof({ maxDepth: 4 }, scalar, fc.array(scalar, { maxLength: 3 }), tie("map")),
  map: fc.dictionary(key, tie("any"), { maxKeys: 4, noNullPrototype: true }),
}));

const cases: readonly { name: string; base: Json; over: Json; merged: Json }[] = [
  {
    name: "joins maps at every depth",
    base: { a: { b: { c: 1 } } },
    over: { a: { b: { d: 2 } } },
    merged: { a: { b: { c: 1, d: 2 } } },
  },
  { name: "replaces lists", base: { a: [1, 2] }, over: { a: [3] }, merged: { a: [3] } },
  {
    name: "lets null take a map away",
    base: { a: { b: 1 } },
    over: { a: null },
    merged: { a: null },
  },
  {
    name: "lets a map take the place of null",
    base: { a: null },
    over: { a: {} },
    merged: { a: {} },
  },
  {
    name: "keeps a map under an empty one",
    base: { a: { b: 1 } },
    over: { a: {} },
    merged: { a: { b: 1 } },
  },
];

describe("merging maps", () => {
  for (const { name, base, over, merged } of cases) {
    it(name, () => assert.deepEqual(plain(mergeMaps(mapOf(base), mapOf(over))), merged));
  }

  it("agrees with the rule in its shortest form", () => {
    fc.assert(
      fc.property(anyMap, anyMap, (base, over) => {
        assert.deepEqual(plain(mergeMaps(mapOf(base), mapOf(over))), naiveMerge(base, over));
      }),
    );
  });

  it("never changes what it merges", () => {
    fc.assert(
      fc.property(anyMap, anyMap, (base, over) => {
        const [a, b] = [mapOf(base), mapOf(over)];
        const before = structuredClone([a, b]);
        mergeMaps(a, b);
        assert.deepEqual([a, b], before);
      }),
    );
  });

  it("keeps the place of the section and of each value", () => {
    const merged = mergeMaps(mapOf({ a: { b: 1 } }, "one"), mapOf({ a: { c: 2 } }, "two"));
    const section = merged.entries.get("a") as MapNode;
    assert.equal(section.place, "one");
    assert.equal(section.entries.get("b")?.place, "one");
    assert.equal(section.entries.get("c")?.place, "two");
  });
});

describe("paths as keys", () => {
  it("become nested maps and join what is there", () => {
    const map = mapOf({ "a::b::c": 1, a: { b: { d: 2 } }, x: { "y::z": 3 } });
    assert.deepEqual(plain(unflattened(map)), { a: { b: { c: 1, d: 2 } }, x: { "y::z": 3 } });
  });

  it("are refused with an empty key", () => {
    assert.throws(() => unflattened(mapOf({ "a::": 1 }, "f:3")), /^CollectorError: f:3: .*"a::"/);
  });

  it("have at most as many keys as a configuration has depth", () => {
    const steps = (count: number): readonly string[] =>
      pathSteps(Array(count).fill("a").join("::"), "::", "f");
    assert.equal(steps(100).length, 100);
    assert.throws(() => steps(101), /101 keys; at most 100/);
  });

  it("are limited in number", () => {
    const mapWith = (count: number): MapNode =>
      mapOf(Object.fromEntries(Array.from({ length: count }, (_, i) => [`a::${i}`, 1])));
    assert.equal((unflattened(mapWith(1000)).entries.get("a") as MapNode).entries.size, 1000);
    assert.throws(() => unflattened(mapWith(1001)), /1001 keys are paths; at most 1000/);
  });

  it("give every step the place of the value", () => {
    const nested = nestedMap(["a", "b"], nodeOf(1, "--set a.b"));
    assert.equal(nested.entries.get("a")?.place, "--set a.b");
  });
});
