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
  "Script:~ file:///srv/main.mjs:1:1": {
    name: "(script)",
    file: "/srv/main.mjs",
    line: 1,
    column: 1,
    tier: "~",
  },
  "Eval:~ node:os:1:1": { name: "(anonymous)", file: "node:os", line: 1, column: 1, tier: "~" },
  "Eval:~ :1:1": { name: "(anonymous)", line: 1, column: 1, tier: "~" },
  "JS:~ev :1:13": { name: "ev", line: 1, column: 13, tier: "~" },
  "JS:o*'run https://cdn.example/a.js:3:9": {
    name: "run",
    file: "https://cdn.example/a.js",
    line: 3,
    column: 9,
    tier: "o*'",
  },
  "Function:~load /app/a.js:9": { name: "load", file: "/app/a.js", line: 9, tier: "~" },
  "JS:on /app/a.js:2:3": { name: "on", file: "/app/a.js", line: 2, column: 3 },
  "JS:~get [Symbol.toStringTag] node:internal/url:771:6": {
    name: "get [Symbol.toStringTag]",
    file: "node:internal/url",
    line: 771,
    column: 6,
    tier: "~",
  },
  "JS:~<static_initializer> /app/a.js:2:3": {
    name: "<static_initializer>",
    file: "/app/a.js",
    line: 2,
    column: 3,
    tier: "~",
  },
  "JS:*GET /users /app/my routes/a.js:2:3": {
    name: "GET /users",
    file: "/app/my routes/a.js",
    line: 2,
    column: 3,
    tier: "*",
  },
  "JS:wasm-function[12]-12-liftoff": { name: "wasm-function[12]", tier: "liftoff" },
  "JS:fib-3-turbofan": { name: "fib", tier: "turbofan" },
  "Function:a-b-7-turbofan": { name: "a-b", tier: "turbofan" },
  "RegExp:^a+b$": { name: "RegExp:^a+b$" },
  "RegExp:a /b:1:2": { name: "RegExp:a /b:1:2" },
  "RegExp.< src: '(a+b)+c|[x-z]{3}\\s:' flags: 'gi'": {
    name: "RegExp:/(a+b)+c|[x-z]{3}\\s:/gi",
  },
  "Wasm:run": { name: "Wasm:run" },
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
  "instance class [System.Runtime]System.String [App] App.Shop`1[int32]::Get(uint8[])[Tier0]": {
    name: "App.Shop`1[int32].Get(uint8[])",
    tier: "Tier0",
  },
  "uint8[] [App] App.Shop::.ctor(class [System.Runtime]System.String)": {
    name: "App.Shop..ctor(class [System.Runtime]System.String)",
  },
  "void [App] App.Shop::Run()[OptimizedTier1OSR]": {
    name: "App.Shop.Run()",
    tier: "OptimizedTier1OSR",
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
    runtimeName(`JS:*${" /a".repeat(16_000)}:1:1`);
    runtimeName(`JS:${"-1".repeat(32_000)}`);
    runtimeName(`RegExp.< src: '${"' flags: '".repeat(6_000)}`);
    runtimeName(`x${"[".repeat(64_000)}::`);
    runtimeName(`x${" [a".repeat(20_000)}::`);
    runtimeName(`py::${":".repeat(64_000)}`);
    assert.ok(performance.now() - startMs < 1000);
  });
});
