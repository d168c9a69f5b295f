import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { requirement } from "./requirements.ts";
import { runCommand } from "./run-command.ts";
import { isThreadStart } from "./thread-start.ts";
import { unwindingWays } from "./unwinding-programs.ts";

const ENTRY_OFFSET = 24;

describe("isThreadStart", { skip: requirement("binutils") }, () => {
  const path = unwindingWays(["-s"]);

  it("knows a start by its name, and no other function", () => {
    for (const name of ["_start", "__clone", "clone3", "runtime.goexit.abi0"]) {
      assert.ok(isThreadStart({ name, path, address: 0n }), name);
    }
    for (const name of ["main", "spin", "__libc_start_main", "start_thread"]) {
      assert.ok(!isThreadStart({ name, path, address: 0n }), name);
    }
  });

  it("knows the entry point of a stripped program, and no other of its functions", async () => {
    const entry = readFileSync(path).readBigUInt64LE(ENTRY_OFFSET);
    // Its first call's last byte.
    assert.ok(isThreadStart({ name: "", path, address: entry + 32n }));
    const { stdout } = await runCommand("nm", ["-n", unwindingWays()]);
    const functions = [...stdout.matchAll(/^([0-9a-f]+) t (spin|descend|in_thread)$/gm)];
    assert.equal(functions.length, 3);
    for (const [, address, name] of functions) {
      const inside = BigInt(`0x${address}`) + 8n;
      assert.ok(!isThreadStart({ name: "", path, address: inside }), String(name));
    }
  });
});
