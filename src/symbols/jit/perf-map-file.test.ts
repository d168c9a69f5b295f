import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { requirement } from "../../../test/support/requirements.ts";
import { openPerfMapOf } from "./perf-map-file.ts";

/** Nobody's process, and a user that is neither its owner nor root. */
const NOBODY = 65_534;
const OTHER = 54_321;

describe("openPerfMapOf [S6]", { skip: requirement("root") }, () => {
  let sleeper: ChildProcess;
  let path: string;
  const remove = (): void => rmSync(path, { force: true });

  before(() => {
    sleeper = spawn("sleep", ["60"], { uid: NOBODY, gid: NOBODY });
    path = `/tmp/perf-${sleeper.pid}.map`;
  });
  after(() => {
    sleeper.kill();
    remove();
  });

  /** What is missing, or "" when the file was opened. */
  function outcome(): string {
    const found = openPerfMapOf(sleeper.pid as number);
    if ("missing" in found) return found.missing;
    found[Symbol.dispose]();
    return "";
  }

  it("opens a file of the process's user, and one of root", () => {
    for (const owner of [NOBODY, 0]) {
      writeFileSync(path, "1000 10 f\n");
      chownSync(path, owner, owner);
      assert.equal(outcome(), "");
      remove();
    }
  });

  it("says where it looked for a process that has none", () => {
    assert.match(outcome(), /its runtime writes no \/tmp\/perf-\d+\.map/);
  });

  it("refuses a file of anybody else", () => {
    writeFileSync(path, "1000 10 f\n");
    chownSync(path, OTHER, OTHER);
    assert.match(outcome(), /belongs to user 54321/);
    remove();
  });

  it("follows no link, wherever it leads, and waits for no pipe", () => {
    for (const target of ["/etc/passwd", "/dev/zero", "/proc/self/mem", "/no/such"]) {
      symlinkSync(target, path);
      assert.notEqual(outcome(), "", target);
      remove();
    }
    execFileSync("mkfifo", [path]);
    assert.notEqual(outcome(), "");
    remove();
    execFileSync("mkdir", [path]);
    assert.notEqual(outcome(), "");
    rmSync(path, { recursive: true });
  });

  it("takes no file that changes its kind a thousand times for what it is not", () => {
    for (let round = 0; round < 1000; round++) {
      if (round % 2 === 0) symlinkSync("/etc/passwd", path);
      else writeFileSync(path, "1000 10 f\n");
      const found = outcome();
      assert.equal(found === "", round % 2 === 1, `round ${round}: ${found}`);
      remove();
    }
  });
});
