import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FILE_LIMITS } from "../../support/limits.ts";
import { decodeOtlp } from "../otlp/decode.ts";
import { resolvedSamples } from "../resolved.ts";
import { genuinePayloads } from "../testing/genuine-payloads.ts";
import { checkProfileRoundTrip } from "../testing/round-trip.ts";
import { decodeSpeedscope } from "./decode.ts";

const decode = (value: unknown, limits = FILE_LIMITS): ReturnType<typeof decodeSpeedscope> =>
  decodeSpeedscope(new TextEncoder().encode(JSON.stringify(value)), limits);

const frames = [{ name: "main", file: "a.c", line: 3, col: 4 }, { name: "leaf" }];
const file = (profile: object): object => ({
  $schema: "https://www.speedscope.app/file-format-schema.json",
  shared: { frames },
  profiles: [{ name: "p", unit: "milliseconds", startValue: 0, endValue: 9, ...profile }],
});

describe("speedscope", () => {
  for (const { name, bytes } of genuinePayloads) {
    it(`comes back: ${name}`, () => {
      const omit = ["resource", "scope", "attributes", "link", "stack"] as const;
      const batch = decodeOtlp(bytes, FILE_LIMITS);
      const written = checkProfileRoundTrip("speedscope", batch, { omit });
      checkProfileRoundTrip("speedscope", decodeSpeedscope(written, FILE_LIMITS));
    });
  }

  it("reads sampled profiles of other programs", () => {
    const batch = decode(
      file({ type: "sampled", samples: [[0, 1], [0], [0, 1]], weights: [1.5, 2, 0.25] }),
    );
    assert.deepEqual(shown(batch), [
      ["leaf", "main", 1750000],
      ["main", 2000000],
    ]);
    checkProfileRoundTrip("speedscope", batch);
  });

  it("turns events into the time that each stack was on top", () => {
    const events = [
      { type: "O", frame: 0, at: 1 },
      { type: "O", frame: 1, at: 3 },
      { type: "C", frame: 1, at: 7 },
      { type: "C", frame: 0, at: 8 },
    ];
    assert.deepEqual(shown(decode(file({ type: "evented", events }))), [
      ["leaf", "main", 4000000],
      ["main", 3000000],
    ]);
  });

  it("takes an empty process name for none", () => {
    const otlp = { sampleType: ["a", "b"], periodType: ["", ""], period: 0, processName: "" };
    const batch = decode(file({ type: "sampled", samples: [[0]], weights: [1], otlp }));
    assert.deepEqual(batch.resourceProfiles[0]?.resource.attributes, []);
    checkProfileRoundTrip("speedscope", batch);
  });

  const refused = [
    {
      name: "a frame that is not there",
      profile: { type: "sampled", samples: [[2]], weights: [1] },
    },
    { name: "too few weights", profile: { type: "sampled", samples: [[0]], weights: [] } },
    { name: "an unknown type", profile: { type: "other" } },
    {
      name: "a frame that stays open",
      profile: { type: "evented", events: [{ type: "O", frame: 0, at: 0 }] },
    },
    {
      name: "a frame closed out of order",
      profile: { type: "evented", events: [{ type: "C", frame: 0, at: 0 }] },
    },
    {
      name: "parts of a count",
      profile: { type: "sampled", unit: "none", samples: [[0]], weights: [0.5] },
    },
  ];
  for (const { name, profile } of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => decode(file(profile)), {
        code: "INPUT_MALFORMED",
        message: /profiles\[0\]/,
      });
    });
  }

  it("refuses deep nesting before it parses", () => {
    const bytes = new TextEncoder().encode("[".repeat(1000));
    assert.throws(() => decodeSpeedscope(bytes, FILE_LIMITS), { code: "LIMIT_EXCEEDED" });
  });
});

function shown(batch: ReturnType<typeof decodeSpeedscope>): (string | number)[][] {
  return resolvedSamples(batch, "names").map(({ stack, value }) => [...stack, value]);
}
