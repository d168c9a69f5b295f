import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { buildTree } from "../../src/profiles/flamegraph/tree.ts";
import { hashOf, stateOf } from "../../web/app/hash.ts";
import { sortedRows, sortingOf, turned } from "../../web/app/table-rows.ts";
import { startState } from "../../web/app/view-state.ts";
import { patternOf, search } from "../../web/flamegraph/search.ts";
import { pointsText, shareText, valueText } from "../../web/flamegraph/value-text.ts";
import { topTableOf } from "../../web/worker/top-table.ts";
import { sampleProfile, service } from "../browser/graph/sample-profile.ts";

describe("the state in the hash", () => {
  it("is nothing for what a page begins with", () => {
    assert.equal(hashOf(startState), "");
    assert.deepEqual(stateOf("#"), startState);
  });

  it("comes back as it was, whatever is in it", () => {
    const state = {
      ...startState,
      type: "off-cpu & more",
      zoom: 12,
      q: "a|b#=&%",
      invert: true,
      hide: ["^x$", "y\n"],
      label: ["thread=a=b"],
      sandwich: "operator&&",
    };
    assert.deepEqual(stateOf(`#${hashOf(state)}`), state);
  });

  it("has its usual value where a hash makes no sense", () => {
    const state = stateOf("#zoom=-3&invert=maybe&unknown=1&q=x");
    assert.deepEqual(state, { ...startState, q: "x" });
  });
});

describe("values as text", () => {
  for (const [value, unit, expected] of [
    [0, "nanoseconds", "0 ns"],
    [1_500, "nanoseconds", "1.50 µs"],
    [90e9, "nanoseconds", "1.50 min"],
    [2, "seconds", "2 s"],
    [1536, "bytes", "1.50 KiB"],
    [1234567, "count", "1,234,567"],
    [3, "allocations", "3 allocations"],
    [-2e6, "nanoseconds", "-2 ms"],
  ] as const) {
    it(`${value} ${unit} is ${expected}`, () => assert.equal(valueText(value, unit), expected));
  }

  it("says shares, and how they changed", () => {
    assert.equal(shareText(1, 3), "33.33 %");
    assert.equal(shareText(1, 1e6), "< 0.01 %");
    assert.equal(shareText(0, 0), "0 %");
    assert.equal(pointsText({ part: 1, whole: 4 }, { part: 1, whole: 2 }), "+25.00 points");
    assert.equal(pointsText({ part: 1, whole: 4 }, { part: 2, whole: 8 }), "±0 points");
  });
});

describe("search and table of a tree", () => {
  const { columns } = buildTree(sampleProfile(service));

  it("takes case into account only where a capital is typed", () => {
    const found = (text: string): number => {
      const pattern = patternOf(text);
      assert.ok(pattern instanceof RegExp);
      return search(columns, pattern).frames;
    };
    assert.equal(found("WALK"), 0);
    assert.equal(found("walk"), 3);
    assert.equal(found("\\Walk"), 0);
    assert.ok("wrong" in (patternOf("(") as object));
    assert.ok("wrong" in (patternOf("a".repeat(1001)) as object));
  });

  it("sums up each function once a sample", () => {
    const table = topTableOf(columns);
    const walk = table.name.findIndex((name) => columns.names[name] === "walk");
    assert.equal(table.total[walk], 250e6);
    assert.equal(
      table.self.reduce((sum, value) => sum + value),
      columns.total[0],
    );
  });

  it("sorts by a column, and the other way round", () => {
    const table = topTableOf(columns);
    const firstBy = (text: string): string => {
      const options = { found: undefined, scale: 1 };
      const [row = 0] = sortedRows(table, columns.names, sortingOf(text, false), options);
      return columns.names[table.name[row] ?? 0] ?? "";
    };
    assert.equal(firstBy(""), "sys_read");
    assert.equal(firstBy("total"), "main");
    assert.equal(firstBy("-total"), "gc");
    assert.equal(firstBy("-name"), "walk");
    assert.equal(turned(sortingOf("total", false), "total"), "-total");
    assert.equal(turned(sortingOf("-total", false), "total"), "total");
  });
});
