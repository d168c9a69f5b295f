import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FILE_LIMITS } from "../../support/limits.ts";
import { decodeFolded } from "../folded/decode.ts";
import { arbitraryBatch } from "../testing/arbitrary-batch.ts";
import type { FlameGraphColumns, FlameProfile } from "./columns.ts";
import { comparedProfiles } from "./compare.ts";
import { flameProfileOf } from "./from-batch.ts";
import { columnsText, naiveText, naiveTree } from "./testing/naive-tree.ts";
import { buildTree, type TreeShape } from "./tree.ts";

function profileOf(folded: string): FlameProfile {
  return flameProfileOf(decodeFolded(new TextEncoder().encode(folded), FILE_LIMITS), "a test");
}

function textOf(folded: string, shape: TreeShape = {}): string[] {
  return columnsText(buildTree(profileOf(folded), shape).columns).map((line) =>
    line.replace(" ()", "").replace(/ 0\/0$/, ""),
  );
}

/** Few names, so that functions recur in a stack and under one caller. */
const functionName = fc.constantFrom("a", "b", "c", "d", "eé", "f\ud83d\ude00");
const foldedLine = fc
  .tuple(fc.array(functionName, { minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 1000 }))
  .map(([stack, value]) => `${stack.join(";")} ${value}`);
const folded = fc.array(foldedLine, { minLength: 1, maxLength: 20 }).map((all) => all.join("\n"));

const rule = fc.option(
  fc.subarray(["a", "b", "c"]).map((names) => (name: string) => names.includes(name)),
  { nil: undefined },
);
const shapes: fc.Arbitrary<TreeShape> = fc.record({
  invert: fc.boolean(),
  collapse: fc.boolean(),
  hide: rule,
  focus: rule,
  remove: rule,
  keeps: fc.option(
    fc.constant((set: number) => set % 2 === 0),
    { nil: undefined },
  ),
  rootOf: fc.option(
    fc.constant((set: number) => `set ${set % 3}`),
    { nil: undefined },
  ),
  sandwich: fc.option(
    fc.record({
      name: functionName,
      part: fc.constantFrom("callees" as const, "callers" as const),
    }),
    { nil: undefined },
  ),
});

function assertLevelOrder({ parent, firstChild, childCount, name, file }: FlameGraphColumns): void {
  let next = 1;
  for (let node = 0; node < name.length; node++) {
    assert.equal(firstChild[node], next);
    for (let at = 0; at < (childCount[node] ?? 0); at++, next++) {
      assert.equal(parent[next], node);
      if (at === 0) continue;
      const order =
        (name[next] ?? 0) - (name[next - 1] ?? 0) || (file[next] ?? 0) - (file[next - 1] ?? 0);
      assert.ok(order > 0, "children are sorted, each once");
    }
  }
  assert.equal(next, name.length);
}

describe("a flame graph's tree", () => {
  const cases: readonly { name: string; given: string; shape?: TreeShape; tree: string[] }[] = [
    {
      name: "sums equal prefixes",
      given: "a;b 1\na;c 2\na 4\n",
      tree: ["root 0/7", " a 4/7", "  b 1/1", "  c 2/2"],
    },
    {
      name: "is read from the leaves when inverted",
      given: "a;b 1\nc;b 2\n",
      shape: { invert: true },
      tree: ["root 0/3", " b 0/3", "  a 1/1", "  c 2/2"],
    },
    {
      name: "has a function once a stack when collapsed",
      given: "a;a;b;a;c 1\na;b 2\n",
      shape: { collapse: true },
      tree: ["root 0/3", " a 0/3", "  b 2/2", "  c 1/1"],
    },
    {
      name: "gives what is hidden to its caller",
      given: "a;b;c 1\na;b 2\nb 4\n",
      shape: { hide: (name) => name === "b" },
      tree: ["root 4/7", " a 2/3", "  c 1/1"],
    },
    {
      name: "has the callees of a function from its outermost frame",
      given: "a;b;c;b 1\nb 2\na 4\n",
      shape: { sandwich: { name: "b", part: "callees" } },
      tree: ["b 2/3", " c 0/1", "  b 1/1"],
    },
    {
      name: "has the callers of a function, nearest first",
      given: "a;b;c 1\nd;a;b 2\nb 4\nc 8\n",
      shape: { sandwich: { name: "b", part: "callers" } },
      tree: ["b 4/7", " a 1/3", "  d 2/2"],
    },
    {
      name: "is empty without the function",
      given: "a 1\n",
      shape: { sandwich: { name: "z", part: "callees" } },
      tree: ["z 0/0"],
    },
    {
      name: "cuts stacks where it is full and keeps totals",
      given: "a;b;c 1\nd;b 2\n",
      shape: { nodesMax: 3 },
      tree: ["root 1/3", " d 0/2", "  b 2/2"],
    },
  ];
  for (const { name, given, shape, tree } of cases) {
    it(name, () => assert.deepEqual(textOf(given, shape), tree));
  }

  it("is what a naive one is, in every view, its total the profile's to the unit", () => {
    fc.assert(
      fc.property(folded, shapes, (text, shape) => {
        const profile = profileOf(text);
        const { columns, whole } = buildTree(profile, shape);
        assertLevelOrder(columns);
        assert.deepEqual(columnsText(columns), naiveText(naiveTree(profile, shape)));
        assert.equal(
          whole,
          profile.types[0]?.samples.value.reduce((sum, value) => sum + value, 0),
        );
        const { focus, remove, keeps, sandwich } = shape;
        if (!focus && !remove && !keeps && !sandwich) assert.equal(columns.total[0], whole);
      }),
      { numRuns: 500 },
    );
  });

  it("holds both sides of a difference", () => {
    fc.assert(
      fc.property(folded, folded, shapes, (old, now, shape) => {
        const [before, after] = [profileOf(old), profileOf(now)];
        const both = comparedProfiles(before, after);
        const { columns, whole, wholeBefore } = buildTree(both, shape);
        assertLevelOrder(columns);
        assert.deepEqual(columnsText(columns), naiveText(naiveTree(both, shape)));
        assert.equal(whole, buildTree(after).whole);
        assert.equal(wholeBefore, buildTree(before).whole);
      }),
      { numRuns: 200 },
    );
  });

  it("has every value of any batch, whatever its samples look like", () => {
    fc.assert(
      fc.property(arbitraryBatch({ value: fc.integer({ min: 0, max: 2 ** 20 }) }), (batch) => {
        const sums = new Map<string, number>();
        const { strings } = batch.dictionary;
        for (const { profile } of batch.profiles()) {
          const { type, unit } = profile.sampleType;
          const key = `${strings.at(type)}/${strings.at(unit)}`;
          sums.set(key, (sums.get(key) ?? 0) + profile.samples.total());
        }
        const profile = flameProfileOf(batch, "");
        for (const [index, { name, unit }] of profile.types.entries()) {
          const { columns } = buildTree(profile, { type: index });
          const wanted = sums.get(`${name}/${unit}`);
          if (wanted !== undefined) assert.equal(columns.total[0], wanted);
          assert.deepEqual(columnsText(columns), naiveText(naiveTree(profile, { type: index })));
        }
      }),
      { numRuns: 200 },
    );
  });
});
