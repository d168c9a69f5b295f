import { describe, it } from "node:test";
import { SourceMap } from "../../src/symbols/jit/source-map/source-map.ts";
import { sourceMapPlace } from "../../src/symbols/jit/source-map/source-map-url.ts";
import { bounded, FUZZ_SEED, fuzzFor } from "./fuzzing.ts";
import { mutated, Random } from "./mutate.ts";

/** Scripts and their maps are files of the profiled process, which names them itself [S6]. */

const SCRIPT = "function e(n){return t(n)}var t=e=>e;\n//# sourceMappingURL=app.js.map\n";
const PARTS = {
  version: 3,
  file: "app.js",
  sourceRoot: "../src",
  names: ["computeTotals", "weigh", "order"],
  sources: ["app.ts", null, "webpack:///./b.ts"],
  sourcesContent: ['const a = "}{";', null, "\\"],
  mappings: "AAEA,SAAgBA,EAAc,EAAkC;;CAC9D,IAAIC,EAAM,EACV,IAAK,IAAMC,KAASC",
};
const MAP = Buffer.from(JSON.stringify(PARTS));
const SECTIONS = Buffer.from(
  JSON.stringify({
    version: 3,
    sections: [
      { offset: { line: 0, column: 0 }, map: PARTS },
      { offset: { line: 3, column: 7 }, map: PARTS },
    ],
  }),
);

describe("fuzz: source map", () => {
  it("reads any map of any script", (test) => {
    const random = new Random(FUZZ_SEED);
    let found = 0;
    const runCase = (): void => {
      const input = mutated(random.below(2) === 0 ? MAP : SECTIONS, SECTIONS, random);
      const script = mutated(Buffer.from(SCRIPT), MAP, random);
      bounded(input.length + script.length, () => {
        const text = Buffer.from(script).toString("utf8");
        sourceMapPlace(text, "/app/out/app.js");
        const map = new SourceMap(Buffer.from(input).toString("utf8"), "/app/out/app.js.map", text);
        for (const [line, column] of [
          [1, 1],
          [1, 11],
          [2, 3],
          [4, 2 ** 31],
          [2 ** 31, 1],
        ] as const) {
          if (map.original({ name: "e", line, column, start: { line, column } }) !== undefined)
            found++;
        }
      });
    };
    fuzzFor("source map", runCase, (text) => test.diagnostic(`${text}, ${found} places`));
  });
});
