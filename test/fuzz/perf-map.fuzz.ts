import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PerfMap } from "../../src/symbols/jit/perf-map.ts";
import { runtimeName } from "../../src/symbols/jit/runtime-names.ts";
import { bounded, FUZZ_SEED, fuzzFor } from "./fuzzing.ts";
import { mutated, Random } from "./mutate.ts";

/** Maps are written by the profiled process, or by whoever can write to its /tmp [S6]. */

const MAP = Buffer.from(
  [
    "7f10a0 20 JS:*fib /app/main.js:3:21",
    "0x00007f481fecee00 0x0000000000000248 int T.h(int)",
    "7f1e39896000 b py::K.m.<locals>.<genexpr>:/tmp/pyt.py",
    "7f1000 1000 Builtin:ArrayMap",
    "7f1100 80 void [A] B::C(char)[OptimizedTier1]",
    "7f1e39896000 0 again\r",
  ].join("\n"),
);

describe("fuzz: perf map", () => {
  it("reads any bytes, however they are cut", (test) => {
    const random = new Random(FUZZ_SEED);
    let lines = 0;
    const runCase = (): void => {
      const input = mutated(MAP, MAP, random);
      bounded(input.length, () => {
        const map = new PerfMap();
        const cut = random.below(input.length + 1);
        map.append(input.subarray(0, cut));
        map.lookup(0x7f1010);
        map.append(input.subarray(cut));
        for (const address of [0, 0x7f10a0, 0x7f1e39896000, 2 ** 47, Number.MAX_SAFE_INTEGER]) {
          const code = map.lookup(address);
          if (code !== undefined) assert.equal(runtimeName(code.name).systemName, code.name);
        }
        lines += map.lineCount;
      });
    };
    fuzzFor("perf map", runCase, (text) => test.diagnostic(`${text}, ${lines} lines`));
  });
});
