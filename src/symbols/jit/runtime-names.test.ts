import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type RuntimeName, runtimeName } from "./runtime-names.ts";

const cases: Readonly<Record<string, Omit<RuntimeName, "systemName">>> = {
  "JS:*fib /app/main.js:3:21": {
    name: "fib",
    file: "/app/main.js",
    line: 3,
    column: 21,
    tier: "*",
  },
  "JS:~get k file:///srv/a%20b.mjs:7:5": {
    name: "get k",
    file: "/srv/a b.mjs",
    line: 7,
    column: 5,
    tier: "~",
  },
  "JS:^ /app.js:3:21": { name: "(anonymous)", file: "/app.js", line: 3, column: 21, tier: "^" },
  "JS:o+loop /with space/x.js:10:1": {
    name: "loop",
    file: "/with space/x.js",
    line: 10,
    column: 1,
    tier: "o+",
  },
  "JS:+'fib /app/hot.js:1:13": {
    name: "fib",
    file: "/app/hot.js",
    line: 1,
    column: 13,
    tier: "+'",
  },
  "JS:*normalize node:path:1182:12": {
    name: "normalize",
    file: "node:path",
    line: 1182,
    column: 12,
    tier: "*",
  },
  "LazyCompile:*run C:\\src\\a.js:4": { name: "run", file: "C:\\src\\a.js", line: 4, tier: "*" },
  "Script:~ [eval]:1:1": { name: "(script)", file: "[eval]", line: 1, column: 1, tier: "~" },
  "RegExp:^a+b$": { name: "a+b$", tier: "^" },
  "Builtin:ArrayMap": { name: "Builtin:ArrayMap" },
  "BytecodeHandler:LdaZero": { name: "BytecodeHandler:LdaZero" },
  "py::K.m.<locals>.<genexpr>:/tmp/pyt.py": { name: "K.m.<locals>.<genexpr>", file: "/tmp/pyt.py" },
  "py::<module>:<frozen importlib._bootstrap>": {
    name: "<module>",
    file: "<frozen importlib._bootstrap>",
  },
  "int java.lang.String.hashCode(int)": { name: "int java.lang.String.hashCode(int)" },
  "void [System.Private.CoreLib] System.Text.Builder::Add(char)[OptimizedTier1]": {
    name: "System.Text.Builder.Add(char)",
    tier: "OptimizedTier1",
  },
  "std::sort<int*>(int*)": { name: "std::sort<int*>(int*)" },
};

describe("runtimeName", () => {
  for (const [systemName, expected] of Object.entries(cases)) {
    it(`takes ${systemName} apart`, () => {
      assert.deepEqual(runtimeName(systemName), { ...expected, systemName });
    });
  }

  it("names everything, and loses no name", () => {
    const prefix = fc.constantFrom("JS:*", "JS:", "Script:", "py::", "int [A] B::", "", "Eval:~");
    fc.assert(
      fc.property(prefix, fc.string({ unit: "grapheme", minLength: 1 }), (before, rest) => {
        const found = runtimeName(before + rest);
        assert.equal(found.systemName, before + rest);
        assert.notEqual(found.name, undefined);
      }),
    );
  });

  it("takes a hostile name apart in no time", () => {
    const startMs = performance.now();
    runtimeName(`JS:*${" /:1".repeat(16_000)} `);
    runtimeName(`x${"[".repeat(64_000)}::`);
    runtimeName(`py::${":".repeat(64_000)}`);
    assert.ok(performance.now() - startMs < 1000);
  });
});
