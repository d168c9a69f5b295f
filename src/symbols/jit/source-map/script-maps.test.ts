import assert from "node:assert/strict";
import { chmodSync, closeSync, openSync, writeFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { temporaryFolder } from "../../../../test/support/temporary-folder.ts";
import type { FileUser } from "../../../linux/as-user.ts";
import { openScript } from "./script-files.ts";
import { ScriptMaps } from "./script-maps.ts";

const FIRST = { line: 1, column: 1 };
const PLACE = { ...FIRST, name: "f", start: FIRST };
const KEPT_BYTES_MAX = 192 * 1024 * 1024;

describe("ScriptMaps", () => {
  const folder = temporaryFolder();
  after(() => folder[Symbol.dispose]());
  const mapOf = (source: string): string =>
    JSON.stringify({ version: 3, names: [], sources: [source], mappings: "AAAA" });

  it("keeps no more than it may, however large scripts are beside their maps", () => {
    const script = folder.file("large.js");
    const map = folder.file("large.js.map");
    writeFileSync(script, "x".repeat(12 << 20));
    writeFileSync(map, mapOf("a.ts"));
    const maps = new ScriptMaps();
    const [fd, mapFd] = [openSync(script, "r"), openSync(map, "r")];
    for (let number = 0; number < 20; number++) {
      const asked = { key: `script ${number}`, fd, map: { fd: mapFd, path: map } };
      const [found] = maps.originals(asked, [PLACE]) as { file: string }[];
      assert.equal(found?.file, folder.file("a.ts"));
      assert.ok(maps.bytes <= KEPT_BYTES_MAX, `${maps.bytes}`);
    }
    assert.ok(maps.bytes > KEPT_BYTES_MAX / 2, `${maps.bytes}`);
    closeSync(fd);
    closeSync(mapFd);
  });

  it("takes a script's own long map before the file of an older build beside it", () => {
    const path = folder.file("inline.js");
    const own = JSON.stringify({
      version: 3,
      names: [],
      sources: ["own.ts"],
      sourcesContent: ["x".repeat(100_000)],
      mappings: "AAAA",
    });
    const data = Buffer.from(own).toString("base64");
    writeFileSync(path, `f()\n//# sourceMappingURL=data:application/json;base64,${data}\n`);
    writeFileSync(`${path}.map`, mapOf("old.ts"));
    const opened = openScript({ root: "/", user: undefined }, path);
    assert.ok("fd" in opened);
    using script = opened;
    const [found] = new ScriptMaps().originals(script, [PLACE]) as { file: string }[];
    assert.match(found?.file ?? "", /own\.ts$/);
  });

  it("goes by a file's mode where the user's rights cannot be had", () => {
    const path = folder.file("own.js");
    writeFileSync(path, "f()\n");
    const groups = Array.from({ length: 70_000 }, (_, group) => 1000 + group);
    const mayOpen = (mode: number, more: Partial<FileUser> = {}): boolean => {
      chmodSync(path, mode);
      const user = { uid: 65_534, gid: 65_534, groups, ...more };
      const opened = openScript({ root: "/", user }, path);
      if ("fd" in opened) opened[Symbol.dispose]();
      return "fd" in opened;
    };
    assert.equal(mayOpen(0o644), true);
    assert.equal(mayOpen(0o640), false);
    const own = { gid: process.getegid?.() ?? 0 };
    assert.equal(mayOpen(0o640, own), true);
    assert.equal(mayOpen(0o604, own), false);
  });
});
