import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { errorCodeOfGrpc, errorCodeOfStatus, retryAfterMs } from "./retryable.ts";

const RETRYABLE = "UNAVAILABLE_RETRYABLE";

describe("what may be sent again", () => {
  it("is what OTLP says of HTTP statuses", () => {
    const all = Array.from({ length: 400 }, (_, index) => 200 + index);
    const retryable = all.filter((status) => errorCodeOfStatus(status) === RETRYABLE);
    assert.deepEqual(retryable, [429, 502, 503, 504]);
  });

  it("is what OTLP says of gRPC codes, and of a full server only when it says when", () => {
    const codes = Array.from({ length: 17 }, (_, code) => code);
    const retryable = (hasRetryInfo: boolean): number[] =>
      codes.filter((code) => errorCodeOfGrpc(code, hasRetryInfo) === RETRYABLE);
    assert.deepEqual(retryable(false), [1, 4, 10, 11, 14, 15]);
    assert.deepEqual(retryable(true), [1, 4, 8, 10, 11, 14, 15]);
  });
});

describe("retryAfterMs", () => {
  const nowMs = Date.parse("Wed, 25 Nov 2026 10:00:00 GMT");
  for (const [header, expected] of [
    [undefined, undefined],
    ["0", 0],
    [" 120 ", 120_000],
    ["Wed, 25 Nov 2026 10:00:30 GMT", 30_000],
    ["Wed, 25 Nov 2026 09:00:00 GMT", 0],
    ["99999999999", 86_400_000],
    ["soon", undefined],
    ["-5 apples", undefined],
    ["", undefined],
  ] as const) {
    it(`reads "${header}" as ${expected}`, () => {
      assert.equal(retryAfterMs(header, nowMs), expected);
    });
  }
});
