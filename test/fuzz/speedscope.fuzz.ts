import { describe, it } from "node:test";
import { formatNamed } from "../../src/profiles/formats.ts";
import { fuzzTextFormat } from "./text-fuzzing.ts";

const frames = [{ name: "main", file: "a.c", line: 3, col: 4 }, { name: "leaf" }];
const profile = { name: "p", unit: "milliseconds", startValue: 0, endValue: 9 };
const sampled = { ...profile, type: "sampled", samples: [[0, 1], [0]], weights: [1.5, 2] };
const otlp = {
  sampleType: ["samples", "count"],
  periodType: ["cpu", "nanoseconds"],
  period: 2,
  scale: 2,
  processName: "app",
  processPid: "12",
};
const noted = { ...sampled, unit: "nanoseconds", weights: [4, 8], otlp };
const events = [
  { type: "O", frame: 0, at: 1 },
  { type: "O", frame: 1, at: 3 },
  { type: "C", frame: 1, at: 7 },
  { type: "C", frame: 0, at: 8 },
];
const texts = [sampled, noted, { ...profile, type: "evented", events }].map((only) =>
  JSON.stringify({ shared: { frames }, profiles: [only] }),
);

describe("fuzz: speedscope", () => {
  it("reads what it wrote, or refuses the input", (test) => {
    fuzzTextFormat(formatNamed("speedscope"), texts, (text) => test.diagnostic(text));
  });
});
