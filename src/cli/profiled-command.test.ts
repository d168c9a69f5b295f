import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ProfiledCommand, userEnvironment } from "./profiled-command.ts";

describe("userEnvironment", () => {
  it("gives NODE_OPTIONS back that the launcher kept from this program", () => {
    assert.deepEqual(userEnvironment({ A: "1", OBSFORGE_USER_NODE_OPTIONS: "--inspect" }), {
      A: "1",
      NODE_OPTIONS: "--inspect",
    });
  });

  it("gives the compile cache back that the user had, and not the program's own", () => {
    const own = { A: "1", NODE_COMPILE_CACHE: "/program/build" };
    assert.deepEqual(userEnvironment(own), { A: "1" });
    assert.deepEqual(userEnvironment({ ...own, OBSFORGE_USER_NODE_COMPILE_CACHE: "/mine" }), {
      A: "1",
      NODE_COMPILE_CACHE: "/mine",
    });
  });

  it("changes nothing when there were none", () => {
    assert.deepEqual(userEnvironment({ A: "1" }), { A: "1" });
  });
});

describe("ProfiledCommand", () => {
  it("runs with the user's NODE_OPTIONS and without the launcher's own variable", async () => {
    process.env["OBSFORGE_USER_NODE_OPTIONS"] = "--no-warnings";
    try {
      const check = 'test "$NODE_OPTIONS" = --no-warnings && test -z "$OBSFORGE_USER_NODE_OPTIONS"';
      await using command = await ProfiledCommand.prepare(["sh", "-c", check]);
      command.release();
      assert.equal(await command.exitCode, 0);
    } finally {
      delete process.env["OBSFORGE_USER_NODE_OPTIONS"];
    }
  });
});
