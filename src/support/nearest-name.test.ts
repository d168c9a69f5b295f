import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nearestName } from "./nearest-name.ts";

const cases = [
  { wrong: "recrod", names: ["record", "convert", "doctor"], nearest: "record" },
  { wrong: "--freq", names: ["--pid", "--frequency", "--format"], nearest: "--frequency" },
  { wrong: "--fo", names: ["--frequency", "--format"], nearest: "--format" },
  { wrong: "xyz", names: [], nearest: undefined },
  { wrong: "a".repeat(100_000), names: ["ab", "b"], nearest: "ab" },
];

describe("nearestName", () => {
  for (const { wrong, names, nearest } of cases) {
    it(`takes ${wrong.slice(0, 20)} for ${nearest}`, () => {
      assert.equal(nearestName(wrong, names), nearest);
    });
  }
});
