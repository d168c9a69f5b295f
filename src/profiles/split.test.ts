import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Dictionary } from "./dictionary.ts";
import { compact } from "./merge.ts";
import { sampleMultiset } from "./resolved.ts";
import { halves } from "./split.ts";
import { arbitraryBatch } from "./testing/arbitrary-batch.ts";

describe("halves", () => {
  it("hold together what the batch holds, and half of it each [R18]", () => {
    const batches = arbitraryBatch({ shapes: ["values"] });
    fc.assert(
      fc.property(batches, (batch) => {
        const [first, second] = halves(batch);
        assert.ok(Math.abs(first.sampleCount - second.sampleCount) <= 1);
        assert.equal(first.sampleCount + second.sampleCount, batch.sampleCount);
        const sums = sampleMultiset(first);
        for (const [key, value] of sampleMultiset(second)) {
          sums.set(key, (sums.get(key) ?? 0) + value);
        }
        assert.deepEqual(sums, sampleMultiset(batch));
      }),
      { numRuns: 200 },
    );
  });

  it("have no row that nothing refers to", () => {
    const batches = arbitraryBatch({ shapes: ["values"] });
    fc.assert(
      fc.property(batches, (batch) => {
        for (const half of halves(batch)) {
          assert.deepEqual(rowCounts(half.dictionary), rowCounts(compact(half).dictionary));
        }
      }),
      { numRuns: 50 },
    );
  });
});

function rowCounts({ locations, stacks, functions, mappings, strings }: Dictionary): number[] {
  return [locations, stacks, functions, mappings, strings].map(({ length }) => length);
}
