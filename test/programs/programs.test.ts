import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { buildProgram } from "../support/build-program.ts";
import { requirement } from "../support/requirements.ts";
import { runCommand } from "../support/run-command.ts";

/** A path's true share is within this of what it aims at: the blocks end on a slice's edge. */
const SHARE_TOLERANCE = 0.01;

const strict = ["-Wall", "-Wextra", "-Werror"];

async function outputOf(program: string, ...args: string[]): Promise<Record<string, unknown>> {
  const result = await runCommand(program, args);
  assert.equal(result.code, 0, result.stderr);
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

describe("test programs", () => {
  for (const { source, flags, skip } of [
    { source: "three_paths.cpp", flags: strict, skip: false },
    { source: "three_paths.rs", flags: ["-Dwarnings"], skip: requirement("rust") },
  ]) {
    it(`${source} spends 60, 25 and 15 % where it says`, { skip }, async () => {
      const spent = await outputOf(buildProgram(source, flags), "0.5");
      for (const [path, share] of Object.entries({ parse: 0.6, render: 0.25, audit: 0.15 })) {
        const error = Math.abs(Number(spent[path]) - share);
        assert.ok(error < SHARE_TOLERANCE, `${path}: ${spent[path]}`);
      }
    });
  }

  it("dev_zero.c spends its time in the kernel", async () => {
    const spent = await outputOf(buildProgram("dev_zero.c", strict), "0.3");
    assert.ok(Number(spent["systemNanos"]) > 0.8 * Number(spent["cpuNanos"]));
  });

  it("recursion.c reaches its depth", async () => {
    const spent = await outputOf(buildProgram("recursion.c", strict), "500", "0.05");
    assert.equal(spent["depth"], 500);
  });

  it("short_lived.c ends every child", async () => {
    const spent = await outputOf(buildProgram("short_lived.c", strict), "5", "2");
    assert.equal(spent["endedWell"], 5);
  });

  it("threads.c names its threads", async () => {
    const spent = await outputOf(buildProgram("threads.c", strict), "3", "0.02");
    const threads = spent["threads"] as { name: string }[];
    const names = threads.map((thread) => thread.name);
    assert.deepEqual(names, ["worker-0", "worker-1", "worker-2"]);
  });
});
