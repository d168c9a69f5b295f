import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FILE_LIMITS } from "../../support/limits.ts";
import { decodeFolded } from "../folded/decode.ts";
import type { FlameProfile } from "./columns.ts";
import { comparedProfiles } from "./compare.ts";
import { flameProfileOf } from "./from-batch.ts";
import { type FlamePicture, flameSvg } from "./svg.ts";
import { buildTree } from "./tree.ts";
import { valueText } from "./value-text.ts";

function profileOf(folded: string): FlameProfile {
  return flameProfileOf(decodeFolded(new TextEncoder().encode(folded), FILE_LIMITS), "");
}

function svgOf(profile: FlameProfile, options: Partial<FlamePicture> = {}): string {
  const type = { name: "samples", unit: "count" };
  const { columns } = buildTree(profile);
  return flameSvg({ columns, title: "t", type, width: 800, ...options });
}

describe("a flame graph as SVG", () => {
  it("is valid XML whatever the names hold", () => {
    // Control characters and lone halves of a pair, as a decoder of JSON may hand them over.
    const { columns } = buildTree(profileOf("main;work 1\n"));
    const names = ["main\ud800\u0000\u0001\u001b", "a]]><b>&\"'\udfff\ufffe", "root"];
    const svg = svgOf(profileOf(""), { columns: { ...columns, names }, title: "\ud800<\u0007&" });
    assert.doesNotMatch(svg, /[^\t\n\r -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u);
    assert.ok(svg.isWellFormed());
    assert.ok(svg.includes("a]]&gt;&lt;b&gt;&amp;&quot;'\ufffd\ufffd"));
    assert.ok(svg.includes("main\ufffd\ufffd\ufffd\ufffd"));
    assert.equal(
      svg.match(/<[a-z]+[ >]/g)?.every((tag) => /svg|title|rect|text|g/.test(tag)),
      true,
    );
  });

  it("says how much it leaves out", () => {
    const thin = Array.from({ length: 1000 }, (_, at) => `main;thin_${at} 1\n`).join("");
    const svg = svgOf(profileOf(`main;wide 99000\n${thin}`));
    assert.match(svg, /1,000 frames narrower than 0\.2 px are left out, 1\.00 % of the width/);
    assert.equal(svg.match(/<g>/g)?.length, 3);
  });

  it("has the values of both sides in a difference, and grey for what did not change", () => {
    const both = comparedProfiles(profileOf("a 10\nb 10\n"), profileOf("a 10\nc 10\n"));
    const svg = svgOf(both, { beforeScale: 1 });
    assert.match(svg, /<title>a\nbefore 10 \(50\.00 %\), self 10\nafter 10.*\n?<\/title>.*#dcdcdc/);
    assert.match(svg, /<title>b\nbefore 10 [^<]*\nafter 0 [^<]*<\/title><rect[^>]*hsl\(212,/);
    assert.match(svg, /<title>c\nbefore 0 [^<]*\nafter 10 [^<]*<\/title><rect[^>]*hsl\(32,/);
  });

  it("is a sentence when there is nothing to show", () => {
    assert.match(svgOf(profileOf("")), /samples: 0<\/text>[\s\S]*Every frame is drawn/);
  });

  for (const [value, unit, text] of [
    [1_234_567, "count", "1,234,567"],
    [12_345, "pages", "12,345 pages"],
    [1_500_000_000, "nanoseconds", "1.5 s"],
    [0, "nanoseconds", "0 ns"],
    [3 * 1024 ** 3, "bytes", "3 GiB"],
    [-2048, "bytes", "-2 KiB"],
  ] as const) {
    it(`writes ${value} ${unit} as ${text}`, () => assert.equal(valueText(value, unit), text));
  }
});
