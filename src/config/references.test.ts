// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Part, parseReferences } from "./references.ts";

/** Parts in a short form: text, `$$` and nested lists. */
type Short = string | { escape: true } | Short[];

const short = (parts: readonly Part[]): Short[] =>
  parts.map((part) => {
    if (part.kind === "text") return part.text;
    return part.kind === "escape" ? dollar : short(part.parts);
  });

const dollar: Short = { escape: true };

const cases: readonly { text: string; parts: Short[] }[] = [
  { text: "", parts: [] },
  { text: "plain } text", parts: ["plain } text"] },
  { text: "$", parts: ["$"] },
  { text: "a$b", parts: ["a$b"] },
  { text: "$$", parts: [dollar] },
  { text: "$$$", parts: [dollar, "$"] },
  { text: "${A}", parts: [["A"]] },
  { text: "x${A}y", parts: ["x", ["A"], "y"] },
  { text: "$${A}", parts: [dollar, "{A}"] },
  { text: "$$${A}", parts: [dollar, ["A"]] },
  { text: "$$$${A}", parts: [dollar, dollar, "{A}"] },
  { text: "${env:A_${env:B}}", parts: [["env:A_", ["env:B"]]] },
  { text: "${}", parts: [[]] },
  { text: "${A", parts: ["${A"] },
  { text: "${A${B}", parts: ["${A", ["B"]] },
  { text: "a${b$$c", parts: ["a${b", dollar, "c"] },
  { text: "${A$$}", parts: [["A", dollar]] },
  { text: "${a:-{}}", parts: [["a:-{"], "}"] },
];

/** What a text without references means. */
const unescaped = (text: string): string => {
  const parts = parseReferences(text, "test");
  return parts.map((part) => (part.kind === "text" ? part.text : "$")).join("");
};

describe("references in a text", () => {
  for (const { text, parts } of cases) {
    it(`"${text}"`, () => assert.deepEqual(short(parseReferences(text, "test")), parts));
  }

  it("give back any text whose every $ was doubled", () => {
    const hostile = fc.string({ unit: fc.constantFrom("$", "{", "}", "a", ":", "\n") });
    fc.assert(
      fc.property(hostile, (text) => {
        assert.equal(unescaped(text.replaceAll("$", "$$$$")), text);
      }),
    );
  });

  it("are nested at most 100 deep", () => {
    const nested = (depth: number): string => "${".repeat(depth) + "}".repeat(depth);
    assert.equal(parseReferences(nested(99), "f:1").length, 1);
    assert.throws(
      () => parseReferences(nested(100), "f:1"),
      /^CollectorError: f:1: .*deeper than 100/,
    );
  });
});
