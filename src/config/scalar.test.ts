import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readPlainScalar } from "./scalar.ts";

/** What Go's yaml.v3 makes of each, read into an empty interface. */
const cases: readonly (readonly [string, unknown])[] = [
  ["", null],
  ["~", null],
  ["null", null],
  ["NULL", null],
  ["nULL", "nULL"],
  ["true", true],
  ["TRUE", true],
  ["False", false],
  ["yes", "yes"],
  ["on", "on"],
  ["0", 0],
  ["-0", -0],
  ["+7", 7],
  ["123", 123],
  ["1_000", 1000],
  ["0123", 83],
  ["-0123", -83],
  ["0o17", 15],
  ["0x1F", 31],
  ["-0x1f", -31],
  ["0b101", 5],
  ["0b2", "0b2"],
  ["0xg", "0xg"],
  ["089", 89],
  ["1.5", 1.5],
  [".5", 0.5],
  ["1.", 1],
  ["1e3", 1000],
  ["-1.5E-3", -0.0015],
  [".inf", Infinity],
  ["-.Inf", -Infinity],
  [".nan", Number.NaN],
  [".", "."],
  ["-", "-"],
  ["+", "+"],
  ["1.2.3", "1.2.3"],
  ["10s", "10s"],
  ["1:30", "1:30"],
  ["2006-01-02", "2006-01-02"],
  ["_1", "_1"],
  ["localhost:4317", "localhost:4317"],
];

describe("unquoted scalars", () => {
  for (const [text, value] of cases) {
    it(`"${text}" is ${typeof value === "string" ? "text" : value}`, () => {
      assert.equal(readPlainScalar(text), value);
    });
  }
});
