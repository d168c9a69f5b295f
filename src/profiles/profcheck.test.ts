import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FILE_LIMITS } from "../support/limits.ts";
import { compact } from "./merge.ts";
import { decodeOtlp } from "./otlp/decode.ts";
import { PROBLEMS_MAX, profcheck } from "./profcheck.ts";
import { emptyProfile, type Profile, ProfileBatch } from "./profile.ts";
import { genuinePayloads } from "./testing/genuine-payloads.ts";

describe("profcheck", () => {
  for (const { name, bytes } of genuinePayloads) {
    it(`finds nothing in ${name}, nor in what we make of it`, () => {
      const batch = decodeOtlp(bytes, FILE_LIMITS);
      assert.deepEqual(profcheck(batch), []);
      assert.deepEqual(profcheck(compact(batch)), []);
    });
  }

  it("finds nothing in a small batch", () => {
    assert.deepEqual(profcheck(batchOf(() => {})), []);
  });

  const cases: readonly { name: string; change: Change; problem: RegExp }[] = [
    {
      name: "no profiles",
      change: ({ batch }) => (batch.resourceProfiles.length = 0),
      problem: /^SHOULD ProfilesData: has no profiles/,
    },
    {
      name: "no samples",
      change: ({ profile }) => (profile.samples = emptyProfile().samples),
      problem: /^SHOULD .*profiles\[0\]: has no samples/,
    },
    {
      name: "a string twice",
      change: ({ batch }) => batch.dictionary.strings.append("cpu"),
      problem: /^SHOULD string_table\[\d+\]: equals row/,
    },
    {
      name: "an orphan",
      change: ({ batch }) => batch.dictionary.strings.append("orphan"),
      problem: /^SHOULD string_table\[\d+\]: nothing refers to it/,
    },
    {
      name: "a stack that does not exist",
      change: ({ profile }) => profile.samples.push(99, 0, 0, 1),
      problem: /^MUST .*: refers to stack_table\[99\]/,
    },
    {
      name: "a sample twice",
      change: ({ profile }) => profile.samples.push(1, 1, 0, 1),
      problem: /^SHOULD .*samples\[1\]: equals an earlier sample/,
    },
    {
      name: "a key twice in one list",
      change: ({ batch, profile }) => {
        const second = batch.dictionary.internStringAttribute("thread.name", "other");
        profile.attributeSet = batch.dictionary.attributeSets.intern([1, second]);
      },
      problem: /^MUST attribute_indices \[1, 2\]: has the attribute thread.name twice/,
    },
    {
      name: "an upside-down mapping",
      change: ({ batch }) =>
        batch.dictionary.mappings.append({
          memoryStart: 2n,
          memoryLimit: 1n,
          fileOffset: 0n,
          filename: 0,
          attributeSet: 0,
        }),
      problem: /^MUST mapping_table\[1\]: memory_start is not below/,
    },
    {
      name: "a negative line",
      change: ({ batch }) => batch.dictionary.locations.append(0, 9, 0, [0, -1, 0], 0),
      problem: /^MUST location_table\[2\]: has a negative line/,
    },
    {
      name: "half a link",
      change: ({ batch }) => batch.dictionary.links.append("ab".repeat(16), ""),
      problem: /^MUST link_table\[1\]: span_id has not 8 bytes/,
    },
    {
      name: "a zero profile_id",
      change: ({ profile }) => (profile.profileId = new Uint8Array(16)),
      problem: /^MUST .*: profile_id is all zero/,
    },
    {
      name: "a payload without a format",
      change: ({ profile }) => (profile.originalPayload = new Uint8Array(1)),
      problem: /^MUST .*: original_payload and its format are not set together/,
    },
    {
      name: "a timestamp after the window",
      change: ({ profile }) => {
        profile.samples = emptyProfile("timestamps").samples;
        profile.samples.timestampUnixNano.pushBigInt(1500n);
        profile.samples.pushTimed(1, 1, 0);
      },
      problem: /^SHOULD .*timestamp 1500 is outside of the profile's window/,
    },
    {
      name: "a zero entry that is not zero",
      change: ({ batch }) => (batch.dictionary.functions.startLine.data[0] = 1),
      problem: /^MUST function_table: row 0 is not the zero value/,
    },
  ];
  for (const { name, change, problem } of cases) {
    it(`finds ${name}`, () => {
      const problems = profcheck(batchOf(change));
      assert.ok(
        problems.some((text) => problem.test(text)),
        problems.join("\n"),
      );
    });
  }

  it("stops at PROBLEMS_MAX", () => {
    const batch = batchOf(({ batch: { dictionary } }) => {
      for (let i = 0; i < 2 * PROBLEMS_MAX; i++) dictionary.strings.append("again");
    });
    assert.equal(profcheck(batch).length, PROBLEMS_MAX);
  });
});

type Change = (given: { readonly batch: ProfileBatch; readonly profile: Profile }) => unknown;

/** A batch that conforms, after a change to it. */
function batchOf(change: Change): ProfileBatch {
  const batch = new ProfileBatch();
  const { strings, locations, stacks, attributeSets } = batch.dictionary;
  const profile = emptyProfile();
  profile.sampleType = { type: strings.intern("cpu"), unit: strings.intern("nanoseconds") };
  profile.timeUnixNano = 1000n;
  profile.durationNano = 500n;
  const location = locations.intern(0, 7, 0, [], 0);
  const set = attributeSets.intern([batch.dictionary.internStringAttribute("thread.name", "main")]);
  profile.samples.push(stacks.intern([location]), set, 0, 30);
  batch.resourceProfiles.push({
    resource: { attributes: [], droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [
      {
        scope: { name: "test", version: "", attributes: [], droppedAttributesCount: 0 },
        schemaUrl: "",
        profiles: [profile],
      },
    ],
  });
  change({ batch, profile });
  return batch;
}
