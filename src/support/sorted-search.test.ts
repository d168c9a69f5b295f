import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { countBefore, lastAtOrBefore } from "./sorted-search.ts";

const sortedValues = fc
  .array(fc.integer({ min: -5, max: 20 }), { maxLength: 30 })
  .map((values) => values.toSorted((a, b) => a - b));

describe("searches in what is sorted", () => {
  it("find what a look at every row finds", () => {
    fc.assert(
      fc.property(sortedValues, fc.integer({ min: -7, max: 22 }), (values, value) => {
        const last = values.findLastIndex((row) => row <= value);
        assert.equal(lastAtOrBefore(values, value), last);
        assert.equal(lastAtOrBefore(Float64Array.from(values), value), last);
        const count = values.filter((row) => row < value).length;
        assert.equal(
          countBefore(values.length, (row) => (values[row] as number) < value),
          count,
        );
      }),
    );
  });

  it("look at a part only", () => {
    assert.equal(lastAtOrBefore([1, 2, 3, 4, 5], 9, 1, 3), 2);
    assert.equal(lastAtOrBefore([1, 2, 3, 4, 5], 0, 1, 3), 0);
    assert.equal(lastAtOrBefore([], 0), -1);
  });
});
