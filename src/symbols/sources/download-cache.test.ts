import assert from "node:assert/strict";
import { mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { DownloadCache } from "./download-cache.ts";
import { placeFound } from "./testing/found.ts";
import { debugFileBytes } from "./testing/written-debug-file.ts";

const DAY_MS = 86_400_000;
const START_MS = 1_700_000_000_000;

const top = temporaryFolder();
after(() => top[Symbol.dispose]());
let tests = 0;
let folder = "";
let nowMs = 0;
const clock = {
  unixNanos: () => BigInt(START_MS + nowMs) * 1_000_000n,
  monotonicNanos: () => BigInt(nowMs) * 1_000_000n,
};

beforeEach(() => {
  nowMs = 0;
  folder = join(top.path, `test-${tests++}`);
});

function cacheOf(bytesMax = 1_000_000): DownloadCache {
  return new DownloadCache({
    folder,
    bytesMax,
    unusedMsMax: 7 * DAY_MS,
    cleanIntervalMs: DAY_MS,
    missMs: 600_000,
    clock,
  });
}

const idOf = (index: number): string => index.toString(16).padStart(8, "0");
const keyOf = (index: number): { buildId: string; kind: "debuginfo" } => ({
  buildId: idOf(index),
  kind: "debuginfo",
});

async function* piecesOf(index: number): AsyncGenerator<Uint8Array> {
  const bytes = debugFileBytes({ buildId: idOf(index), contents: new Uint8Array(10_000) });
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}

const isThere = (index: number): boolean => entries().includes(`${idOf(index)}.debuginfo`);
const entries = (): string[] => readdirSync(join(folder, "debug-files")).sort();

describe("the cache of debug files", () => {
  it("keeps what was used last", async () => {
    const cache = cacheOf(45_000);
    for (let index = 0; index < 4; index++) {
      nowMs = index * 1000;
      assert.ok("bytes" in (await cache.keep(keyOf(index), piecesOf(index))));
    }
    nowMs = 10_000;
    assert.match(placeFound(await cache.find("cache", keyOf(0))), /^cache /);
    nowMs = 11_000;
    await cache.keep(keyOf(4), piecesOf(4));
    assert.deepEqual([0, 1, 2, 3, 4].map(isThere), [true, false, true, true, true]);
    assert.equal(cache.evicted, 1);
  });

  it("removes what nobody used for a week, when it looks once a day", async () => {
    const cache = cacheOf();
    await cache.keep(keyOf(0), piecesOf(0));
    await cache.clean();
    await cache.keep(keyOf(1), piecesOf(1));
    await cache.keep(keyOf(2), piecesOf(2));
    nowMs = 5 * DAY_MS;
    placeFound(await cache.find("cache", keyOf(2)));
    nowMs = 7 * DAY_MS + 1000;
    await cache.clean();
    assert.deepEqual([0, 1, 2].map(isThere), [false, false, true]);
    nowMs += DAY_MS / 2;
    utimesSync(join(folder, "debug-files", `${idOf(2)}.debuginfo`), 0, 0);
    await cache.clean();
    assert.deepEqual([1, 2].map(isThere), [false, true]);
  });

  it("removes what a process left half, and leaves what is not its own", async () => {
    const cache = cacheOf();
    await cache.keep(keyOf(1), piecesOf(1));
    const partial = (name: string): string => `${idOf(2)}.debuginfo.${name}.partial`;
    const uuid = "11111111-2222-3333-4444-555555555555";
    const names = [partial(uuid), partial(uuid.replaceAll("1", "a")), "other", partial("x")];
    for (const [index, name] of names.entries()) {
      const path = join(folder, "debug-files", name);
      writeFileSync(path, "part");
      const seconds = (START_MS + (index === 1 ? 700_000 : 0)) / 1000;
      utimesSync(path, seconds, seconds);
    }
    nowMs = 800_000;
    await cache.keep(keyOf(3), piecesOf(3));
    const left = [...names.slice(1), `${idOf(1)}.debuginfo`, `${idOf(3)}.debuginfo`];
    assert.deepEqual(entries(), left.sort());
  });

  it("keeps nothing that is larger than all of it may be", async () => {
    const cache = cacheOf(5000);
    const kept = await cache.keep(keyOf(1), piecesOf(1));
    assert.match("why" in kept ? kept.why : "", /over the 5000 bytes of the cache/);
    assert.deepEqual(entries(), []);
  });

  it("keeps nothing of what breaks off", async () => {
    const cache = cacheOf();
    const broken = (async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(100);
      throw new Error("broke off");
    })();
    await assert.rejects(cache.keep(keyOf(1), broken), /broke off/);
    assert.deepEqual(entries(), []);
  });

  it("is shared by those that fetch the same at once", async () => {
    const caches = [cacheOf(), cacheOf(), cacheOf()];
    await Promise.all(caches.map((cache) => cache.keep(keyOf(1), piecesOf(1))));
    for (const cache of caches) {
      assert.match(placeFound(await cache.find("cache", keyOf(1))), /^cache /);
    }
    assert.deepEqual(entries(), [`${idOf(1)}.debuginfo`]);
  });

  it("does not write through a link that stands in a file's place", async () => {
    const cache = cacheOf();
    mkdirSync(join(folder, "debug-files"), { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, "victim"), "precious");
    symlinkSync("../victim", join(folder, "debug-files", `${idOf(1)}.debuginfo`));
    await cache.keep(keyOf(1), piecesOf(1));
    assert.equal(isThere(1), true);
    assert.deepEqual(readdirSync(folder).sort(), ["debug-files", "victim"]);
  });

  it("is none without a folder", async () => {
    const cache = new DownloadCache({
      folder: undefined,
      bytesMax: 1,
      unusedMsMax: 1,
      cleanIntervalMs: 1,
      missMs: 1,
      clock,
    });
    assert.deepEqual(cache.folder(), {
      missing: "there is no cache folder: set OBSFORGE_CACHE_DIR",
    });
    assert.equal(placeFound(await cache.find("cache", keyOf(1))), "missing");
  });
});
