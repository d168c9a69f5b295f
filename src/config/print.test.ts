import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { plainValueOf } from "./node.ts";
import { printConfig } from "./print.ts";
import { readYaml } from "./yaml.ts";

function readBack(text: string): unknown {
  const result = readYaml(text, { label: "printed" });
  if ("fault" in result) throw result.fault;
  return plainValueOf(result.node);
}

const forbidden = new Set(["__proto__", "constructor", "prototype"]);
const oddTexts = ["0123", "1_0", "0b1", "<<", "~", "", "yes", " x ", "a: b", "# c", "x\n y\n\n"];
const text = fc.oneof(fc.constantFrom(...oddTexts), fc.string(), fc.string({ unit: "grapheme" }));
const key = text.filter((name) => !forbidden.has(name));
const number = fc.double({ noNaN: true });
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 5 },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    tie("map"),
    tie("list"),
  ),
  list: fc.array(tie("any"), { maxLength: 4 }),
  map: fc.dictionary(key, tie("any"), { maxKeys: 4, noNullPrototype: false }),
}));

describe("printing a configuration", () => {
  it("gives YAML in the order of the keys", () => {
    const config = { receivers: { otlp: null }, exporters: { pprof: { "0123": "0x1f", n: 5 } } };
    const expected =
      'receivers:\n  otlp: null\nexporters:\n  pprof:\n    "0123": "0x1f"\n    n: 5\n';
    assert.equal(printConfig(config, "yaml"), expected);
  });

  it("gives JSON", () => {
    assert.equal(printConfig({ a: [1, null] }, "json"), '{\n  "a": [\n    1,\n    null\n  ]\n}\n');
  });

  it("repeats what stands in two places, without anchors", () => {
    const shared = { x: 1 };
    assert.equal(printConfig({ a: shared, b: shared }, "yaml"), "a:\n  x: 1\nb:\n  x: 1\n");
  });

  it("gives YAML that reads back as the same value", () => {
    fc.assert(
      fc.property(value.any, (config) => {
        const again = readBack(printConfig(config, "yaml"));
        // A clone has the usual prototype, whatever its original had.
        assert.deepEqual(structuredClone(again), structuredClone(config));
      }),
    );
  });
});
