import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Dictionary } from "./dictionary.ts";
import { compact } from "./merge.ts";
import type { ProfileBatch } from "./profile.ts";
import { sampleMultiset } from "./resolved.ts";
import { halves } from "./split.ts";
import { arbitraryBatch } from "./testing/arbitrary-batch.ts";

describe("halves", () => {
  it("hold together what the batch holds, and half of it each [R18]", () => {
    const batches = arbitraryBatch({ shapes: ["values"] });
    fc.assert(
      fc.property(batches, (batch) => {
        const [first, second] = halves(batch).map((half) => half.batch) as [
          ProfileBatch,
          ProfileBatch,
        ];
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
        for (const { batch: half } of halves(batch)) {
          assert.deepEqual(rowCounts(half.dictionary), rowCounts(compact(half).dictionary));
        }
      }),
      { numRuns: 50 },
    );
  });

  it("know where each of their samples comes from", () => {
    const batches = arbitraryBatch({ shapes: ["values"] });
    fc.assert(
      fc.property(batches, (given) => {
        // Without a resource or scope that is there twice.
        const batch = compact(given);
        const parts = halves(batch);
        const origins = parts.flatMap((half) => half.origins);
        assert.deepEqual(
          origins.toSorted((a, b) => a - b),
          Array.from({ length: batch.sampleCount }, (_, place) => place),
        );
        const values = valuesOf(batch);
        for (const half of parts) {
          const expected = half.origins.map((place) => values[place]);
          assert.deepEqual(valuesOf(half.batch), expected);
        }
      }),
      { numRuns: 100 },
    );
  });
});

function valuesOf(batch: ProfileBatch): number[] {
  return Array.from(batch.profiles(), ({ profile: { samples } }) =>
    Array.from({ length: samples.length }, (_, sample) => samples.value.at(sample)),
  ).flat();
}

function rowCounts({ locations, stacks, functions, mappings, strings }: Dictionary): number[] {
  return [locations, stacks, functions, mappings, strings].map(({ length }) => length);
}
