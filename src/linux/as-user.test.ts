import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { requirement } from "../../test/support/requirements.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { asFileUser } from "./as-user.ts";

const NOBODY = { uid: 65_534, gid: 65_534, groups: [] };
const GROUP = 54_321;

describe("asFileUser [S6]", { skip: requirement("root") }, () => {
  const folder = temporaryFolder();
  after(() => folder[Symbol.dispose]());
  const read = (path: string) => (): string => readFileSync(path, "utf8");
  const [open, shut, ofGroup] = ["open", "shut/in", "group"].map((name) => folder.file(name));

  before(() => {
    chmodSync(folder.path, 0o755);
    mkdirSync(folder.file("shut"), { mode: 0o700 });
    for (const path of [open, shut, ofGroup]) writeFileSync(path ?? "", "text");
    chmodSync(ofGroup ?? "", 0o640);
    chownSync(ofGroup ?? "", 0, GROUP);
  });

  it("reads what the user may, by its groups too", () => {
    assert.equal(asFileUser(NOBODY, read(open ?? "")), "text");
    assert.throws(() => asFileUser(NOBODY, read(ofGroup ?? "")), { code: "EACCES" });
    assert.equal(asFileUser({ ...NOBODY, groups: [7, GROUP] }, read(ofGroup ?? "")), "text");
    assert.equal(asFileUser({ ...NOBODY, gid: GROUP }, read(ofGroup ?? "")), "text");
  });

  it("is shut out by a folder on the way", () => {
    assert.throws(() => asFileUser(NOBODY, read(shut ?? "")), { code: "EACCES" });
  });

  it("gives the rights back, also after an error", () => {
    const groups = process.getgroups?.();
    assert.throws(() => {
      asFileUser(NOBODY, () => {
        throw new Error("no");
      });
    }, /no/);
    assert.equal(read(shut ?? "")(), "text");
    assert.equal(asFileUser({ uid: 0, gid: 0, groups: [] }, read(shut ?? "")), "text");
    assert.deepEqual(process.getgroups?.(), groups);
  });

  it("leaves other threads their rights", async () => {
    const [text] = await Promise.all([
      readFile(shut ?? "", "utf8"),
      asFileUser(NOBODY, () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)),
    ]);
    assert.equal(text, "text");
  });

  it("has no one's rights for a user in more groups than there can be", () => {
    const groups = Array.from({ length: 70_000 }, (_, group) => group);
    assert.equal(asFileUser({ ...NOBODY, groups }, read(open ?? "")), undefined);
  });
});
