import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { exportResponseOf, statusOf } from "../../test/support/otlp-messages.ts";
import { isCollectorError } from "../support/errors.ts";
import {
  readPartialSuccess,
  readPartialSuccessJson,
  readRpcStatus,
  readRpcStatusJson,
} from "./otlp-response.ts";

const REJECTED = { rejectedProfiles: 3, errorMessage: "größer als erlaubt" };

function json(text: string): Uint8Array {
  return Buffer.from(text, "utf8");
}

describe("an OTLP response", () => {
  it("has no reservation when the field is unset or says nothing", () => {
    assert.equal(readPartialSuccess(new Uint8Array()), undefined);
    assert.equal(readPartialSuccess(exportResponseOf(undefined)), undefined);
    const nothing = { rejectedProfiles: 0, errorMessage: "" };
    assert.equal(readPartialSuccess(exportResponseOf(nothing)), undefined);
    assert.equal(readPartialSuccessJson(json("{}")), undefined);
    assert.equal(readPartialSuccessJson(json('{"partialSuccess":null}')), undefined);
  });

  it("is read as generated code wrote it", () => {
    assert.deepEqual(readPartialSuccess(exportResponseOf(REJECTED)), REJECTED);
    const warning = { rejectedProfiles: 0, errorMessage: "old names" };
    assert.deepEqual(readPartialSuccess(exportResponseOf(warning)), warning);
  });

  for (const count of ['"3"', "3", '"9007199254740991"']) {
    it(`is read from JSON with the number ${count}`, () => {
      const text = `{"x":[{}],"partialSuccess":{"rejectedProfiles":${count},"errorMessage":"no"}}`;
      const expected = { rejectedProfiles: Number(JSON.parse(count)), errorMessage: "no" };
      assert.deepEqual(readPartialSuccessJson(json(text)), expected);
    });
  }

  it("never gives a count below zero", () => {
    const negative = { rejectedProfiles: -5, errorMessage: "odd" };
    assert.equal(readPartialSuccess(exportResponseOf(negative))?.rejectedProfiles, 0);
  });

  it("gives the message and the retry information of a status", () => {
    const full = readRpcStatus(statusOf(8, "full", 1500));
    assert.deepEqual(full, { message: "full", hasRetryInfo: true });
    assert.deepEqual(readRpcStatus(statusOf(3, "bad")), { message: "bad", hasRetryInfo: false });
    assert.equal(readRpcStatusJson(json('{"code":3,"message":"bad"}')).message, "bad");
  });

  it("is an answer or one of two errors, whatever the bytes [S2]", () => {
    const given = [exportResponseOf(REJECTED), statusOf(8, "full", 1500), json('{"message":"x"}')];
    const readers = [readPartialSuccess, readPartialSuccessJson, readRpcStatus, readRpcStatusJson];
    for (const bytes of given) {
      for (let at = 0; at < bytes.length * 8; at++) {
        const broken = Uint8Array.from(bytes);
        broken[at >> 3] = (broken[at >> 3] ?? 0) ^ (1 << (at & 7));
        for (const read of readers) assertSafe(() => read(broken));
        for (const read of readers) assertSafe(() => read(bytes.subarray(0, at >> 3)));
      }
    }
  });
});

function assertSafe(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    assert.ok(isCollectorError(error, "INPUT_MALFORMED", "LIMIT_EXCEEDED"), String(error));
  }
}
