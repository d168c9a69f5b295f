import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { formatNamed } from "../../src/profiles/formats.ts";
import { fuzzTextFormat } from "./text-fuzzing.ts";

const folder = new URL("../../src/profiles/perf_script/testdata/", import.meta.url);
const names = ["default", "fields", "inlined", "no-chains"];
/** The beginnings of real recordings: a mutation should meet a line that matters. */
const texts = names.map((name) =>
  readFileSync(new URL(`${name}.perf.txt`, folder), "utf8").slice(0, 1500),
);

describe("fuzz: perf-script", () => {
  it("reads what it wrote, or refuses the input", (test) => {
    fuzzTextFormat(formatNamed("perf-script"), texts, (text) => test.diagnostic(text));
  });
});
