import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FrameCache } from "./frame-cache.ts";

function named(name: string): { name: string; systemName: string }[] {
  return [{ name, systemName: name }];
}

function framesAt(cache: FrameCache, file: string, address: bigint): unknown {
  return cache.find(file, BigUint64Array.of(address))[0];
}

describe("FrameCache", () => {
  it("knows every address of a range, and none outside of it", () => {
    const cache = new FrameCache();
    const frames = [named("b"), [], named("a")];
    cache.keep("file", { frames, ranges: Float64Array.of(20, 30, 30, 40, 10, 15) });
    const found = cache.find("file", BigUint64Array.of(9n, 10n, 14n, 15n, 20n, 29n));
    const names = found.map((each) => each?.[0]?.name);
    assert.deepEqual(names, [undefined, "a", "a", undefined, "b", "b"]);
    // That there is no name is known too.
    assert.deepEqual(framesAt(cache, "file", 39n), []);
    assert.equal(framesAt(cache, "file", 40n), undefined);
    assert.equal(framesAt(cache, "other", 10n), undefined);
  });

  it("takes no range of which nothing is known", () => {
    const cache = new FrameCache();
    cache.keep("file", { frames: [named("a")], ranges: Float64Array.of(0, 0) });
    assert.equal(framesAt(cache, "file", 0n), undefined);
  });

  it("forgets files that were not asked about for longest when it is full", () => {
    const cache = new FrameCache();
    const keep = (file: string, at: number, name: string): void => {
      cache.keep(file, { frames: [named(name)], ranges: Float64Array.of(at, at + 1) });
    };
    const long = "n".repeat(1 << 20);
    for (const file of ["first", "second", "third"]) keep(file, 1, long);
    assert.ok(framesAt(cache, "first", 1n));
    keep("third", 2, "short");
    keep("last", 1, long);
    const isKnown = (file: string): boolean => framesAt(cache, file, 1n) !== undefined;
    assert.deepEqual(["first", "second", "third", "last"].map(isKnown), [true, false, true, true]);
  });

  it("lets go of one file", () => {
    const cache = new FrameCache();
    for (const file of ["gone", "kept"]) {
      cache.keep(file, { frames: [named("a")], ranges: Float64Array.of(1, 2) });
    }
    cache.forget("gone");
    cache.forget("never known");
    assert.equal(framesAt(cache, "gone", 1n), undefined);
    assert.ok(framesAt(cache, "kept", 1n));
  });
});
