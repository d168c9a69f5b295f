import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, it } from "node:test";
import { requirement } from "../../../test/support/requirements.ts";
import { processIds } from "./process-ids.ts";

const NOBODY = 65_534;

describe("processIds [S6]", { skip: requirement("root") }, () => {
  for (const { name, groups } of [
    { name: "no groups", groups: [] },
    { name: "two groups", groups: [7, 54_321] },
  ]) {
    it(`has for a process with ${name} these and no others`, async () => {
      const list = groups.length === 0 ? ["--clear-groups"] : ["--groups", groups.join(",")];
      const user = ["--reuid", `${NOBODY}`, "--regid", `${NOBODY}`, ...list];
      const child = spawn("setpriv", [...user, "sh", "-c", "echo ready; exec sleep 60"]);
      await once(child.stdout, "data");
      const ids = processIds(child.pid ?? 0);
      child.kill();
      assert.deepEqual(ids?.fileUser, { uid: NOBODY, gid: NOBODY, groups });
    });
  }
});
