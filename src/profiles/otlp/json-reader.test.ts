import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isCollectorError } from "../../support/errors.ts";
import { JsonReader } from "./json-reader.ts";

const DEPTH_MAX = 50;

describe("JsonReader", () => {
  it("takes and refuses the texts that JSON.parse takes and refuses", () => {
    const pieces = fc.constantFrom(...'{}[]:,"01.-+eE \n', "true", "false", "null", "nul", '"a":');
    const texts = fc.oneof(
      fc.json({ maxDepth: 4 }),
      fc.tuple(fc.json(), fc.nat(20), pieces).map(([text, at, piece]) => {
        const place = Math.min(at, text.length);
        return text.slice(0, place) + piece + text.slice(place + 1);
      }),
      fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(texts, (text) => {
        // Escapes in what is skipped are not looked at.
        fc.pre(!text.includes("\\"));
        assert.equal(isTaken(text), isJson(text), text);
      }),
      { numRuns: 2000 },
    );
  });

  it("reads every string that JSON.stringify writes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        assert.equal(readerOf(JSON.stringify(text)).string(), text);
      }),
    );
  });

  it("reads names and items in order", () => {
    const reader = readerOf(' { "a" : [ 1 , -2.5e3 ] , "b\\u0041" : { } } ');
    assert.equal(reader.firstKey(), "a");
    assert.equal(reader.kind(), "list");
    assert.equal(reader.firstItem(), true);
    assert.equal(reader.kind(), "number");
    assert.equal(reader.number(), "1");
    assert.equal(reader.nextItem(), true);
    assert.equal(reader.kind(), "number");
    assert.equal(reader.number(), "-2.5e3");
    assert.equal(reader.nextItem(), false);
    assert.equal(reader.nextKey(), "bA");
    assert.equal(reader.kind(), "object");
    assert.equal(reader.firstKey(), undefined);
    assert.equal(reader.nextKey(), undefined);
    reader.end();
  });

  it("reads half a surrogate pair and what is not UTF-8 as U+FFFD", () => {
    assert.equal(readerOf('"\\ud800"').string(), "\ufffd");
    const reader = new JsonReader(Uint8Array.from([0x22, 0xff, 0x22]), "test", DEPTH_MAX);
    assert.equal(reader.string(), "\ufffd");
  });

  it("refuses an escape that does not exist", () => {
    assert.throws(() => readerOf('"\\x"').string(), /test at byte \d+: not JSON: .*escape/);
  });

  it("bounds the depth", () => {
    readerOf("[".repeat(DEPTH_MAX) + "]".repeat(DEPTH_MAX)).skip();
    assert.throws(
      () => readerOf("[".repeat(DEPTH_MAX + 1)).skip(),
      (error) => isCollectorError(error, "LIMIT_EXCEEDED"),
    );
  });

  it("bounds the digits of a number", () => {
    assert.throws(
      () => readerOf("1".repeat(2049)).number(),
      (error) => isCollectorError(error, "LIMIT_EXCEEDED"),
    );
  });

  it("skips a million values within a second", () => {
    for (const item of ["[]", "{}", "1", '""', '{"a":[1]}']) {
      const start = process.hrtime.bigint();
      readerOf(`[${`${item},`.repeat(1_000_000)}1]`).skip();
      assert.ok(process.hrtime.bigint() - start < 1_000_000_000n, item);
    }
  });
});

function readerOf(text: string): JsonReader {
  return new JsonReader(Buffer.from(text), "test", DEPTH_MAX);
}

function isTaken(text: string): boolean {
  const reader = readerOf(text);
  try {
    reader.skip();
    reader.end();
    return true;
  } catch (error) {
    assert.ok(isCollectorError(error, "INPUT_MALFORMED"));
    return false;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
