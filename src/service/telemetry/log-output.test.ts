import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { isCollectorError } from "../../support/errors.ts";
import { LogOutput } from "./log-output.ts";

describe("LogOutput", () => {
  it("appends to files, which others cannot read", async () => {
    using folder = temporaryFolder();
    const path = folder.file("agent.log");
    for (const line of ["first\n", "second\n"]) {
      const output = await LogOutput.open([path]);
      output.write(line);
      await output.close();
    }
    assert.equal(readFileSync(path, "utf8"), "first\nsecond\n");
    assert.equal(statSync(path).mode & 0o007, 0);
  });

  it("says which file cannot be opened", async () => {
    await assert.rejects(LogOutput.open(["/nowhere/agent.log"]), (error) => {
      assert.ok(isCollectorError(error, "CONFIG_INVALID"));
      assert.match(error.message, /\/nowhere\/agent\.log/);
      return true;
    });
  });

  it("keeps a bounded number of bytes for a slow reader", async () => {
    using folder = temporaryFolder();
    const output = await LogOutput.open([folder.file("agent.log")]);
    const line = `${"x".repeat(64 * 1024)}\n`;
    for (let count = 0; count < 100; count++) output.write(line);
    assert.ok(output.lost > 50 && output.lost < 90, String(output.lost));
    await output.close();
  });
});
