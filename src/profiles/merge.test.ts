import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FILE_LIMITS, VALUE_MAX } from "../support/limits.ts";
import { compact, mergeInto } from "./merge.ts";
import { decodeOtlp } from "./otlp/decode.ts";
import { emptyProfile, type Profile, ProfileBatch } from "./profile.ts";
import { resolvedSamples, sampleMultiset } from "./resolved.ts";
import { arbitraryBatch } from "./testing/arbitrary-batch.ts";
import { genuinePayloads } from "./testing/genuine-payloads.ts";

describe("mergeInto", () => {
  it("keeps every sample of random batches", () => {
    fc.assert(
      fc.property(arbitraryBatch(), arbitraryBatch(), (a, b) => {
        const merged = new ProfileBatch();
        mergeInto(merged, a);
        mergeInto(merged, b);
        const expected = [...resolvedSamples(a), ...resolvedSamples(b)].map(text).sort();
        assert.deepEqual(resolvedSamples(merged).map(text), expected);
      }),
    );
  });

  it("keeps every sum of random batches when it merges samples", () => {
    fc.assert(
      fc.property(arbitraryBatch(), arbitraryBatch(), (a, b) => {
        const merged = new ProfileBatch();
        mergeInto(merged, a, { mergeSamples: true });
        mergeInto(merged, b, { mergeSamples: true });
        assert.deepEqual(sampleMultiset(merged), sumOf(sampleMultiset(a), sampleMultiset(b)));
      }),
    );
  });

  it("keeps every sample of the genuine payloads, each twice", () => {
    const batches = genuinePayloads.map(({ bytes }) => decodeOtlp(bytes, FILE_LIMITS));
    const merged = new ProfileBatch();
    for (const batch of [...batches, ...batches]) mergeInto(merged, batch);
    const expected = [...batches, ...batches].flatMap((batch) => resolvedSamples(batch).map(text));
    assert.deepEqual(resolvedSamples(merged).map(text), expected.sort());
    const once = batches.reduce((count, batch) => count + batch.dictionary.stacks.length, 0);
    assert.ok(merged.dictionary.stacks.length < once);
  });

  it("joins equal resources and scopes, whatever the order of their attributes", () => {
    const merged = new ProfileBatch();
    mergeInto(merged, batchOf(["a", "b"], 1));
    mergeInto(merged, batchOf(["b", "a"], 2));
    mergeInto(merged, batchOf(["a"], 3));
    assert.equal(merged.resourceProfiles.length, 2);
    const values = merged.resourceProfiles[0]?.scopeProfiles.flatMap(({ profiles }) =>
      profiles.map(({ samples }) => samples.total()),
    );
    assert.deepEqual(values, [1, 2]);
  });

  it("sums equal samples and unites their windows", () => {
    const merged = new ProfileBatch();
    mergeInto(merged, batchOf(["a"], 1, { timeUnixNano: 200n, durationNano: 50n }), SUM);
    mergeInto(merged, batchOf(["a"], 2, { timeUnixNano: 100n, durationNano: 10n }), SUM);
    mergeInto(merged, batchOf(["a"], 4), SUM);
    const profiles = [...merged.profiles()].map(({ profile }) => profile);
    assert.equal(profiles.length, 1);
    assert.equal(profiles[0]?.samples.length, 1);
    assert.equal(profiles[0]?.samples.total(), 7);
    assert.equal(profiles[0]?.timeUnixNano, 100n);
    assert.equal(profiles[0]?.durationNano, 150n);
  });

  const unlike: readonly { name: string; change: Partial<Profile> }[] = [
    { name: "another period", change: { period: 5 } },
    { name: "another sample type", change: { sampleType: { type: 1, unit: 0 } } },
    { name: "another period type", change: { periodType: { type: 0, unit: 1 } } },
    { name: "an original payload", change: { originalPayload: new Uint8Array(1) } },
  ];
  for (const { name, change } of unlike) {
    it(`does not sum a profile with ${name}`, () => {
      const merged = new ProfileBatch();
      mergeInto(merged, batchOf(["a"], 1), SUM);
      mergeInto(merged, batchOf(["a"], 2, change), SUM);
      assert.equal([...merged.profiles()].length, 2);
    });
  }

  it("keeps two samples where their sum would not be exact", () => {
    const merged = new ProfileBatch();
    mergeInto(merged, batchOf(["a"], VALUE_MAX), SUM);
    mergeInto(merged, batchOf(["a"], VALUE_MAX), SUM);
    const values = [...merged.profiles()].map(({ profile }) => profile.samples.value);
    assert.deepEqual([values[0]?.at(0), values[0]?.at(1)], [VALUE_MAX, VALUE_MAX]);
  });

  it("sees samples that others pushed to the target in between", () => {
    const merged = new ProfileBatch();
    mergeInto(merged, batchOf(["a"], 1), SUM);
    const profile = [...merged.profiles()][0]?.profile;
    assert.ok(profile);
    profile.samples.push(0, 0, 0, 10);
    mergeInto(merged, batchOf(["a"], 1), SUM);
    assert.equal(profile.samples.total(), 12);
    assert.equal(profile.samples.length, 2);
  });
});

describe("compact", () => {
  it("keeps every sample and no row that is an orphan or a duplicate", () => {
    fc.assert(
      fc.property(arbitraryBatch(), (batch) => {
        const compacted = compact(batch);
        assert.deepEqual(resolvedSamples(compacted), resolvedSamples(batch));
        assert.deepEqual(sizes(compact(compacted)), sizes(compacted));
        const { strings } = compacted.dictionary;
        const texts = Array.from({ length: strings.length }, (_, row) => strings.at(row));
        assert.equal(new Set(texts).size, texts.length);
      }),
    );
  });
});

const SUM = { mergeSamples: true };
const text = (value: unknown): string => JSON.stringify(value);

function batchOf(
  keys: readonly string[],
  value: number,
  change: Partial<Profile> = {},
): ProfileBatch {
  const batch = new ProfileBatch();
  batch.dictionary.strings.intern("one");
  const stack = batch.dictionary.stacks.intern([0]);
  const profile = { ...emptyProfile(), ...change };
  profile.samples.push(stack, 0, 0, value);
  batch.resourceProfiles.push({
    resource: {
      attributes: keys.map((key) => ({ key, value: { type: "string", value: key } })),
      droppedAttributesCount: 0,
    },
    schemaUrl: "",
    scopeProfiles: [
      {
        scope: { name: "s", version: "", attributes: [], droppedAttributesCount: 0 },
        schemaUrl: "",
        profiles: [profile],
      },
    ],
  });
  return batch;
}

function sumOf(a: Map<string, number>, b: Map<string, number>): Map<string, number> {
  const sum = new Map(a);
  for (const [key, value] of b) sum.set(key, (sum.get(key) ?? 0) + value);
  return new Map([...sum].sort(([x], [y]) => (x < y ? -1 : 1)));
}

function sizes({ dictionary }: ProfileBatch): number[] {
  const { strings, functions, mappings, locations, stacks, attributes, links } = dictionary;
  return [strings, functions, mappings, locations, stacks, attributes, links].map(
    (table) => table.length,
  );
}
