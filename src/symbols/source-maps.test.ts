import assert from "node:assert/strict";
import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { requirement } from "../../test/support/requirements.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import type { FileUser } from "../linux/as-user.ts";
import { silentLogger } from "../support/logger.ts";
import type { SymbolFrame } from "./executable-file.ts";
import { FileReader } from "./file-reader.ts";
import { SourceMaps } from "./source-maps.ts";

const MINUTE_MS = 61_000;
const NOBODY: FileUser = { uid: 65_534, gid: 65_534, groups: [] };

describe("SourceMaps", () => {
  const folder = temporaryFolder();
  after(() => folder[Symbol.dispose]());
  const reader = new FileReader({ logger: silentLogger });
  after(() => reader[Symbol.asyncDispose]());

  /** A script in which the function is at the end of one line, and its map. */
  function deploy(path: string, source: string, name: string): void {
    writeFileSync(`${path}.new`, "function e(){}function f(){}\n");
    // Segments of both functions' names, both lines 1 of the source.
    const map = { version: 3, names: [name], sources: [source], mappings: "SAAAA,cAAAA" };
    writeFileSync(`${path}.map`, JSON.stringify(map));
    renameSync(`${path}.new`, path);
  }

  function frameAt(path: string, name: string, column: number): SymbolFrame {
    const systemName = `JS:*${name} ${path}:1:${column}`;
    return { name, systemName, file: path, line: 1, column };
  }

  const namesOf = async (
    maps: SourceMaps,
    frames: SymbolFrame[],
    owner: string,
    user?: FileUser,
  ) => {
    const found = await maps.apply([frames], owner, { root: "/", user });
    return found[0]?.map(({ name }) => name);
  };

  it("shows what a program runs, not what was put in its place meanwhile", async ({ mock }) => {
    let now = performance.now();
    mock.method(performance, "now", () => now);
    const path = folder.file("app.js");
    const maps = new SourceMaps(reader);
    deploy(path, "v1/handler.ts", "handler");
    assert.deepEqual(await namesOf(maps, [frameAt(path, "e", 11)], "old"), ["handler"]);
    deploy(path, "v2/unrelated.ts", "unrelated");
    now += MINUTE_MS;
    const both = [frameAt(path, "e", 11), frameAt(path, "f", 25)];
    assert.deepEqual(await namesOf(maps, both, "old"), ["handler", "f"]);
    assert.deepEqual(await namesOf(maps, both, "new"), ["unrelated", "unrelated"]);
  });

  it("takes a map that comes later", async ({ mock }) => {
    let now = performance.now();
    mock.method(performance, "now", () => now);
    const path = folder.file("late.js");
    const maps = new SourceMaps(reader);
    deploy(path, "a.ts", "late");
    renameSync(`${path}.map`, `${path}.away`);
    assert.deepEqual(await namesOf(maps, [frameAt(path, "e", 11)], "p"), ["e"]);
    renameSync(`${path}.away`, `${path}.map`);
    now += MINUTE_MS;
    assert.deepEqual(await namesOf(maps, [frameAt(path, "e", 11)], "p"), ["late"]);
  });

  it("reads nothing that the user of the process may not", {
    skip: requirement("root"),
  }, async () => {
    chmodSync(folder.path, 0o755);
    mkdirSync(folder.file("private"), { mode: 0o700 });
    const path = folder.file("private/app.js");
    deploy(path, "secret.ts", "secret");
    const frames = [frameAt(path, "e", 11)];
    assert.deepEqual(await namesOf(new SourceMaps(reader), frames, "p", NOBODY), ["e"]);
    assert.deepEqual(await namesOf(new SourceMaps(reader), frames, "p"), ["secret"]);
  });
});
