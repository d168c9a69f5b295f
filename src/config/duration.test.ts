import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { formatDuration, parseDuration } from "./duration.ts";

const read: readonly { text: string; ms: number }[] = [
  { text: "0", ms: 0 },
  { text: "-0", ms: 0 },
  { text: "+5s", ms: 5000 },
  { text: "1m30s", ms: 90_000 },
  { text: "200ms", ms: 200 },
  { text: "1.5h", ms: 5_400_000 },
  { text: "100us", ms: 0.1 },
  { text: "100\u00b5s", ms: 0.1 },
  { text: "100\u03bcs", ms: 0.1 },
  { text: "1ns", ms: 0.000001 },
  { text: ".5s", ms: 500 },
  { text: "1.s", ms: 1000 },
  { text: "1h1h", ms: 7_200_000 },
  { text: "0.000000000000000000009h", ms: 0 },
  { text: "9223372036854775807ns", ms: 9223372036854.775 },
];

const refused: readonly string[] = [
  "",
  "5",
  "s",
  ".s",
  "-",
  "- 5s",
  " 5s",
  "5s ",
  "5 s",
  "1d",
  "1m30",
  "1e3s",
  "-5s",
  "5S",
  "0x5s",
  "9223372036854775808ns",
  `${"9".repeat(255)}h`,
  "1s".repeat(200),
];

describe("durations", () => {
  for (const { text, ms } of read) {
    it(`reads "${text}"`, () => assert.equal(parseDuration(text), ms));
  }

  for (const text of refused) {
    it(`refuses "${text.slice(0, 30)}"`, () => assert.equal(parseDuration(text), undefined));
  }

  it("reads a negative one when asked to", () => {
    assert.equal(parseDuration("-1m5s", { allowNegative: true }), -65_000);
  });

  for (const [ms, text] of [
    [0, "0s"],
    [0.000001, "1ns"],
    [0.1, "100us"],
    [1.5, "1.5ms"],
    [1000, "1s"],
    [90_000, "1m30s"],
    [3_600_000, "1h"],
    [5_400_250, "1h30m0.25s"],
    [-65_000, "-1m5s"],
  ] as const) {
    it(`writes ${ms} ms as "${text}"`, () => assert.equal(formatDuration(ms), text));
  }

  it("reads what it wrote", () => {
    const ns = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
    fc.assert(
      fc.property(ns, (value) => {
        const ms = parseDuration(`${value}ns`) as number;
        assert.equal(parseDuration(formatDuration(ms)), ms);
      }),
    );
  });

  it("takes any text without an error", () => {
    const hostile = fc.string({ unit: fc.constantFrom(..."0123456789.-+nuµmsh "), maxLength: 40 });
    fc.assert(
      fc.property(hostile, (text) => {
        const ms = parseDuration(text);
        assert.ok(ms === undefined || ms >= 0);
      }),
    );
  });
});
