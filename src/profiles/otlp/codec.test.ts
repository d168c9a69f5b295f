import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FILE_LIMITS } from "../../support/limits.ts";
import { ProfileBatch } from "../profile.ts";
import { resolvedSamples } from "../resolved.ts";
import { arbitraryBatch } from "../testing/arbitrary-batch.ts";
import { genuinePayloads } from "../testing/genuine-payloads.ts";
import { batchOfOracle, otlpOracle } from "../testing/otlp-oracle.ts";
import { decodeOtlp } from "./decode.ts";
import { encodeOtlp } from "./encode.ts";

const oracle = otlpOracle();

describe("OTLP codec on genuine payloads", () => {
  for (const { name, bytes } of genuinePayloads) {
    it(`reads ${name} as generated code does`, () => {
      const expected = batchOfOracle(oracle.decode(bytes));
      const batch = decodeOtlp(bytes, FILE_LIMITS);
      assert.ok(batch.sampleCount > 100);
      assert.deepEqual(resolvedSamples(batch), resolvedSamples(expected));
      assert.deepEqual(encodeOtlp(batch), encodeOtlp(expected));
    });

    it(`writes ${name} so that generated code reads the same`, () => {
      const batch = decodeOtlp(bytes, FILE_LIMITS);
      const written = encodeOtlp(batch);
      assert.deepEqual(
        resolvedSamples(batchOfOracle(oracle.decode(written))),
        resolvedSamples(batch),
      );
      assert.deepEqual(encodeOtlp(decodeOtlp(written, FILE_LIMITS)), written);
    });
  }
});

describe("OTLP codec on random batches", () => {
  it("reads what it writes", () => {
    fc.assert(
      fc.property(arbitraryBatch(), (batch) => {
        const written = encodeOtlp(batch);
        const read = decodeOtlp(written, FILE_LIMITS);
        assert.deepEqual(resolvedSamples(read), resolvedSamples(batch));
        assert.deepEqual(encodeOtlp(read), written);
      }),
    );
  });

  it("writes and reads what generated code reads and writes", () => {
    fc.assert(
      fc.property(arbitraryBatch(), (batch) => {
        const message = oracle.decode(encodeOtlp(batch));
        assert.deepEqual(resolvedSamples(batchOfOracle(message)), resolvedSamples(batch));
        const read = decodeOtlp(oracle.encode(message).finish(), FILE_LIMITS);
        assert.deepEqual(encodeOtlp(read), encodeOtlp(batch));
      }),
    );
  });

  it("reads an empty message as an empty batch", () => {
    const batch = decodeOtlp(new Uint8Array(0), FILE_LIMITS);
    assert.equal(batch.sampleCount, 0);
    assert.deepEqual(encodeOtlp(batch), encodeOtlp(new ProfileBatch()));
  });
});
