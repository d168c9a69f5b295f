import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FILE_LIMITS } from "../support/limits.ts";
import { decodeOtlp } from "./otlp/decode.ts";
import { resolvedSamples, sampleMultiset } from "./resolved.ts";
import { messageWith, profileOf } from "./testing/otlp-message.ts";

describe("resolvedSamples", () => {
  it("shows a sample without indices", () => {
    assert.deepEqual(resolvedSamples(decodeOtlp(messageWith(), FILE_LIMITS)), [
      {
        resource: ["", 'service.name="shop"'],
        scope: ["test", "", ""],
        type: "cpu",
        unit: "nanoseconds",
        period: "cpu/nanoseconds 10",
        profileAttributes: ['thread.name="worker"'],
        stack: [
          'main a.out:7:0 from 5 @ 0x1004 "a.out" 1000-2000-0 []',
          '@ 0x1068 "a.out" 1000-2000-0 [] frame.type="native"',
        ],
        attributes: ['thread.name="worker"'],
        link: `${"01".repeat(16)}/${"02".repeat(8)}`,
        value: 30,
        timestamps: [],
      },
    ]);
  });

  it("shows names only where that is asked for", () => {
    const [sample] = resolvedSamples(decodeOtlp(messageWith(), FILE_LIMITS), "names");
    assert.deepEqual(sample?.stack, ["main", "0x1068"]);
  });
});

describe("sampleMultiset", () => {
  it("sums what differs in omitted parts only", () => {
    const bytes = messageWith((message) => {
      const [sample] = profileOf(message).samples;
      profileOf(message).samples = [sample, { ...sample, linkIndex: 0, values: [5] }];
    });
    const batch = decodeOtlp(bytes, FILE_LIMITS);
    assert.deepEqual([...sampleMultiset(batch).values()], [30, 5]);
    assert.deepEqual([...sampleMultiset(batch, { omit: ["link"] }).values()], [35]);
  });
});
