import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { after, describe, it } from "node:test";
import { requirement } from "../../test/support/requirements.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { writeFileAtomically } from "./atomic-file.ts";

const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());
const bytes = Buffer.from("new");

describe("writeFileAtomically", () => {
  it("makes a file and leaves nothing beside it", async () => {
    using fresh = temporaryFolder();
    await writeFileAtomically(fresh.file("a"), bytes);
    assert.equal(readFileSync(fresh.file("a"), "utf8"), "new");
    assert.deepEqual(readdirSync(fresh.path), ["a"]);
  });

  it("keeps the mode of a file that was there", async () => {
    const path = folder.file("private");
    writeFileSync(path, "old");
    chmodSync(path, 0o600);
    await writeFileAtomically(path, bytes);
    assert.equal(readFileSync(path, "utf8"), "new");
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it("refuses a link, so that root replaces no file that it did not name", async () => {
    writeFileSync(folder.file("target"), "old");
    symlinkSync("target", folder.file("link"));
    symlinkSync("nowhere", folder.file("dangling"));
    for (const link of ["link", "dangling"]) {
      await assert.rejects(writeFileAtomically(folder.file(link), bytes), /is a link: name the/);
    }
    assert.equal(readlinkSync(folder.file("link")), "target");
    assert.equal(readFileSync(folder.file("target"), "utf8"), "old");
  });

  it("writes to a FIFO, which stays one", async () => {
    const path = folder.file("fifo");
    execFileSync("mkfifo", [path]);
    const reading = readFile(path, "utf8");
    await writeFileAtomically(path, bytes);
    assert.equal(await reading, "new");
    assert.ok(lstatSync(path).isFIFO());
  });

  it("writes to a device, which stays one", { skip: requirement("root") }, async () => {
    const path = folder.file("null");
    execFileSync("mknod", [path, "c", "1", "3"]);
    await writeFileAtomically(path, bytes);
    assert.ok(lstatSync(path).isCharacterDevice());
  });

  it("gives a new file to its owner", { skip: requirement("root") }, async () => {
    const path = folder.file("given");
    await writeFileAtomically(path, bytes, { uid: 65_534, gid: 65_534 });
    assert.equal(statSync(path).uid, 65_534);
  });

  it("says what is wrong with a folder", async () => {
    await assert.rejects(writeFileAtomically(folder.path, bytes), /is a folder: name a file/);
    await assert.rejects(
      writeFileAtomically(folder.file("no/x"), bytes),
      /its folder .* not exist/,
    );
  });
});
