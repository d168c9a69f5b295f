import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { displayName } from "./display-name.ts";

describe("displayName", () => {
  for (const [systemName, shown] of [
    ["f.part.0", "f"],
    ["f.constprop.3.isra.0.cold", "f"],
    ["main.cold", "main"],
    ["f.llvm.15203948", "f"],
    ["f.localalias", "f"],
    ["runtime.clone", "runtime.clone"],
    ["main.part", "main.part"],
    ["main.(*T).cold", "main.(*T).cold"],
  ] as const) {
    it(`shows ${systemName} as ${shown}`, () => {
      assert.equal(displayName({ systemName, readableName: systemName }), shown);
    });
  }
});
