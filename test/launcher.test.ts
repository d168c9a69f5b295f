import assert from "node:assert/strict";
import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { packageRoot } from "../src/support/package-root.ts";
import { runCommand } from "./support/run-command.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const program = join(packageRoot(), "bin/obsforge");

/** Scripts ask for the version at every start. */
const VERSION_ANSWER_MS = 150;
const RUNS = 5;

describe("bin/obsforge", () => {
  it("answers --version fast", async () => {
    const times: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const startNs = process.hrtime.bigint();
      const result = await runCommand(program, ["--version"]);
      times.push(Number(process.hrtime.bigint() - startNs) / 1e6);
      assert.match(result.stdout, /^obsforge \d+\.\d+\.\d+\n$/);
    }
    // The fastest: what a busy machine adds is not ours.
    assert.ok(Math.min(...times) <= VERSION_ANSWER_MS, `took ${times.map(Math.round)} ms`);
  });

  it("needs no Node of the user and ignores the options for it", async () => {
    const env = { PATH: "/usr/bin:/bin", NODE_OPTIONS: "--no-such-option --require /none.cjs" };
    const result = await runCommand(program, ["--version"], { env });
    assert.equal(result.code, 0, result.stderr);
  });

  it("is found through symbolic links, and with a blank in its path", async () => {
    using folder = temporaryFolder();
    symlinkSync(packageRoot(), folder.file("a checkout"));
    symlinkSync(folder.file("a checkout/bin/obsforge"), folder.file("link"));
    const result = await runCommand(folder.file("link"), ["--version"]);
    assert.equal(result.code, 0, result.stderr);
  });

  it("says what to run when set-up was not done", async () => {
    using folder = temporaryFolder();
    mkdirSync(folder.file("src"));
    cpSync(program, folder.file("bin/obsforge"));
    cpSync(join(packageRoot(), "src/main.ts"), folder.file("src/main.ts"));
    const result = await runCommand(folder.file("bin/obsforge"), ["--version"]);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /is not installed\. Run: make -C '.*' setup/);
  });
});
