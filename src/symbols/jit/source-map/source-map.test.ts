import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  encodedMappings,
  presortedDecodedMap,
  type SourceMapSegment,
} from "@jridgewell/trace-mapping";
import fc from "fast-check";
import { type LineAndColumn, type OriginalPlace, SourceMap } from "./source-map.ts";
import { sourceMapPlace } from "./source-map-url.ts";

const FIRST: LineAndColumn = { line: 1, column: 1 };
const PATH = "/app/out/app.js.map";

const FIRST_SEGMENT: SourceMapSegment = [0, 0, 0, 0];

function encode(mappings: SourceMapSegment[][]): string {
  return encodedMappings(presortedDecodedMap({ version: 3, names: [], sources: [], mappings }));
}

function mapOf(map: object, script = ""): SourceMap {
  return new SourceMap(JSON.stringify({ version: 3, names: [], ...map }), PATH, script);
}

function placeIn(
  map: object,
  place: { name?: string; line: number; column: number; start?: LineAndColumn },
  script = "",
): OriginalPlace | undefined {
  return mapOf(map, script).original({ name: "", start: place, ...place });
}

describe("SourceMap", () => {
  it("finds where a place comes from, from 1 on, and its function's name", () => {
    const script = "function e(n){}var t=e=>{}";
    const map = {
      sources: ["../src/app.ts"],
      names: ["computeTotals", "weigh"],
      mappings: encode([
        [
          [0, 0, 2, 0],
          [9, 0, 2, 16, 0],
          [11, 0, 2, 30],
          [15, 0, 7, 0],
          [19, 0, 7, 6, 1],
          [21, 0, 7, 14],
        ],
      ]),
    };
    assert.deepEqual(placeIn(map, { name: "e", line: 1, column: 11 }, script), {
      name: "computeTotals",
      file: "/app/src/app.ts",
      line: 3,
      column: 17,
    });
    const arrow = placeIn(map, { name: "t", line: 1, column: 22 }, script);
    assert.deepEqual(arrow, { name: "weigh", file: "/app/src/app.ts", line: 8, column: 15 });
  });

  it("names an arrow function by what it is assigned to, not by its parameter", () => {
    const map = {
      sources: ["a.ts"],
      names: ["double", "value"],
      mappings: encode([
        [
          [6, 0, 1, 13, 0],
          [8, 0, 1, 22, 1],
          [11, 0, 1, 31],
        ],
      ]),
    };
    const found = placeIn(map, { name: "n", line: 1, column: 9 }, "const n=n=>2*n");
    assert.equal(found?.name, "double");
  });

  it("takes the place from the code, and the name from the function's start", () => {
    const map = {
      sources: ["a.ts", "b.ts"],
      names: ["work", "other"],
      mappings: encode([[[9, 0, 2, 9, 0]], [[5, 0, 11, 4]], [[4, 1, 100, 0, 1]]]),
    };
    const start = { line: 1, column: 11 };
    const found = placeIn(map, { name: "e", line: 2, column: 6, start }, "function e(){\n\n");
    assert.deepEqual(found, { name: "work", file: "/app/out/a.ts", line: 12, column: 5 });
  });

  it("counts the script's text, and not that of the sources", () => {
    const map = { sources: ["a.ts"], mappings: encode([[FIRST_SEGMENT]]) };
    const small = mapOf(map).bytes;
    const text = "x".repeat(1_000_000);
    const contents = mapOf({ ...map, sourcesContent: [text] }).bytes;
    assert.ok(contents < small + 1000, `${contents}`);
    assert.ok(mapOf(map, text).bytes > 1_000_000);
    const sections = [{ offset: { line: 0, column: 0 }, map: { ...map, sourcesContent: [text] } }];
    assert.ok(mapOf({ sections }).bytes < small + 1000);
  });

  it("keeps a name that the script does not have at the name's place", () => {
    const map = { sources: ["a.ts"], names: ["other"], mappings: encode([[[0, 0, 0, 0, 0]]]) };
    const name = (script: string): string | undefined =>
      placeIn(map, { name: "f", line: 1, column: 3 }, script)?.name;
    assert.equal(name("f()"), "other");
    assert.equal(name("fo()"), "f");
    assert.equal(name("g()"), "f");
  });

  const roots = [
    { name: "beside the map", sources: ["app.ts"], file: "/app/out/app.ts" },
    { name: "below its root", sourceRoot: "/src", sources: ["app.ts"], file: "/src/app.ts" },
    { name: "by a URL", sources: ["file:///src/app.ts"], file: "/src/app.ts" },
    {
      name: "of a bundler",
      sources: ["webpack:///./src/app.ts"],
      file: "webpack:///src/app.ts",
    },
  ];
  for (const { name, file, ...map } of roots) {
    it(`finds sources ${name}`, () => {
      const mappings = encode([[[0, 0, 0, 0]]]);
      assert.equal(placeIn({ ...map, mappings }, { line: 1, column: 1 })?.file, file);
    });
  }

  it("reads a map of sections", () => {
    const part = (source: string): object => ({
      version: 3,
      names: [],
      sources: [source],
      mappings: encode([[[0, 0, 4, 0]]]),
    });
    const sections = [
      { offset: { line: 0, column: 0 }, map: part("a.ts") },
      { offset: { line: 5, column: 2 }, map: part("b.ts") },
    ];
    assert.equal(placeIn({ sections }, { line: 1, column: 1 })?.file, "/app/out/a.ts");
    assert.equal(placeIn({ sections }, { line: 6, column: 9 })?.file, "/app/out/b.ts");
  });

  it("says nothing of what nobody wrote", () => {
    const map = { sources: ["a.ts", null], mappings: encode([[[2], [4, 1, 0, 0], [6, 7, 0, 0]]]) };
    for (const [line, column] of [
      [1, 1],
      [1, 3],
      [1, 5],
      [1, 7],
      [2, 1],
    ] as const) {
      assert.equal(placeIn(map, { line, column }), undefined, `${line}:${column}`);
    }
  });

  it("finds what a naive search finds", () => {
    const segment = fc.tuple(fc.nat(60), fc.nat(2), fc.nat(90), fc.nat(90));
    const lines = fc.array(fc.uniqueArray(segment, { selector: ([at]) => at }), { maxLength: 6 });
    fc.assert(
      fc.property(lines, fc.nat(6), fc.nat(70), (given, line, column) => {
        const sorted = given.map((one) => one.toSorted(([a], [b]) => a - b));
        const mappings = encode(sorted as SourceMapSegment[][]);
        const found = placeIn(
          { sources: ["a", "b", "c"], mappings },
          { line: line + 1, column: column + 1 },
        );
        const expected = sorted[line]?.findLast(([at]) => at <= column);
        assert.deepEqual(
          found && [found.file, found.line, found.column],
          expected && [`/app/out/${"abc"[expected[1]]}`, expected[2] + 1, expected[3] + 1],
        );
      }),
    );
  });

  const nested = { sections: [{ offset: { line: 0, column: 0 }, map: { sections: [] } }] };
  const hostile = [
    { name: "no JSON", json: "{", error: /is no JSON/ },
    { name: "lists in lists", json: "[".repeat(1_000_000), error: /is no JSON/ },
    { name: "no object", json: "7", error: /is no source map/ },
    { name: "no mappings", json: '{"sources":[]}', error: /has no mappings/ },
    { name: "sources that are no list", json: '{"mappings":"","sources":7}', error: /no sources/ },
    {
      name: "sections in sections",
      json: JSON.stringify(nested),
      error: /without a map of its own/,
    },
    {
      name: "mappings without an end",
      json: JSON.stringify({ mappings: "A".repeat(5 << 20), sources: [] }),
      error: /bytes of mappings/,
    },
    {
      name: "ten million objects",
      json: `[${"{},".repeat(10_000_000)}{}]`,
      error: /over the limit/,
    },
    {
      name: "too many sources",
      json: JSON.stringify({ mappings: "", sources: Array(100_001).fill("a") }),
      error: /sources: 100001/,
    },
  ];
  for (const { name, json, error } of hostile) {
    it(`refuses ${name}`, () => assert.throws(() => new SourceMap(json, PATH, ""), error));
  }

  it("keeps the script's name where the map has none that is a text [fuzz]", () => {
    const mappings = encode([[[9, 0, 0, 9, 0]]]);
    for (const name of [null, 7, {}, []]) {
      const map = { sources: ["a.ts"], names: [name], mappings };
      const found = placeIn(map, { name: "e", line: 1, column: 11 }, "function e(n){}");
      assert.equal(found?.name, "e");
    }
  });

  it("lives with mappings, names and sources of every kind", () => {
    const json = fc.json();
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[A-Za-z0-9+/,;]{0,40}$/));
    fc.assert(
      fc.property(text, json, json, (mappings, names, sources) => {
        const text = JSON.stringify(mappings);
        const map = `{"mappings":${text},"names":${names},"sources":${sources}}`;
        try {
          new SourceMap(map, PATH, "f()").original({ ...FIRST, name: "f", start: FIRST });
        } catch (error) {
          assert.match(String((error as { code?: string }).code), /INPUT_MALFORMED|LIMIT_EXCEEDED/);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("sourceMapPlace", () => {
  const path = "/app/out/app.js";
  const json = '{"version":3}';
  const cases = [
    {
      name: "a file beside",
      comment: "//# sourceMappingURL=app.js.map",
      place: "/app/out/app.js.map",
    },
    {
      name: "a file elsewhere",
      comment: "//# sourceMappingURL=../m/a.map?v=1",
      place: "/app/m/a.map",
    },
    { name: "the older mark", comment: "//@ sourceMappingURL=a.map", place: "/app/out/a.map" },
    { name: "a block comment", comment: "/*# sourceMappingURL=a.map */", place: "/app/out/a.map" },
    {
      name: "an escaped path",
      comment: "//# sourceMappingURL=a%20b.map",
      place: "/app/out/a b.map",
    },
    { name: "a URL of a file", comment: "//# sourceMappingURL=file:///m/a.map", place: "/m/a.map" },
    {
      name: "the last of two",
      comment: "//# sourceMappingURL=a.map\n//# sourceMappingURL=b.map",
      place: "/app/out/b.map",
    },
  ];
  for (const { name, comment, place } of cases) {
    it(`finds ${name}`, () => {
      assert.deepEqual(sourceMapPlace(`code();\n${comment}\n`, path), { path: place });
    });
  }

  it("takes a map out of the script", () => {
    const encoded = Buffer.from(json).toString("base64");
    for (const data of [
      `data:application/json;base64,${encoded}`,
      `data:application/json;charset=utf-8;base64,${encoded}`,
      `data:application/json,${encodeURIComponent(json)}`,
    ]) {
      assert.deepEqual(sourceMapPlace(`//# sourceMappingURL=${data}`, path), { inline: json });
    }
  });

  it("asks no server, and says so", () => {
    const place = sourceMapPlace("//# sourceMappingURL=https://example.com/a.map", path);
    assert.match(place !== undefined && "missing" in place ? place.missing : "", /not asked/);
    assert.equal(sourceMapPlace("code();", path), undefined);
    assert.equal(sourceMapPlace("//# sourceMappingURL=", path), undefined);
  });
});
