import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { afterEach, describe, it } from "node:test";
import { JitMaps } from "./jit-maps.ts";
import { ReadMaps } from "./read-maps.ts";

const { pid } = process;
const path = `/tmp/perf-${pid}.map`;
const mappings = { all: () => [] };

describe("JitMaps", () => {
  afterEach(() => rmSync(path, { force: true }));

  it("keeps a map open when its file is gone, for as long as somebody reads it", () => {
    writeFileSync(path, "1000 10 f\n");
    using maps = new JitMaps();
    const program = {};
    maps.meet({ pid, program, mappings });
    rmSync(path);
    const lent = maps.find({ pid, program: maps.numberOf(program) });
    assert.ok("fd" in lent);
    maps[Symbol.dispose]();
    assert.equal(readFileSync(lent.fd, "utf8"), "1000 10 f\n");
    lent[Symbol.dispose]();
  });

  it("gives the map of a pid to none but the program that runs there now", () => {
    using maps = new JitMaps();
    const [before, now] = [{}, {}];
    writeFileSync(path, "1000 10 before\n");
    maps.meet({ pid, program: before, mappings });
    const numbers = [maps.numberOf(before), maps.numberOf(now)].map((program) => ({
      pid,
      program,
    }));
    maps.meet({ pid, program: now, mappings });
    const [first, second] = numbers.map((program) => maps.find(program));
    assert.ok(first !== undefined && "missing" in first);
    assert.ok(second !== undefined && "fd" in second);
    second[Symbol.dispose]();
  });

  it("looks at once for the map of another program in a pid that had none", () => {
    using maps = new JitMaps();
    maps.meet({ pid, program: {}, mappings });
    writeFileSync(path, "1000 10 f\n");
    const program = {};
    maps.meet({ pid, program, mappings });
    const found = maps.find({ pid, program: maps.numberOf(program) });
    assert.ok("fd" in found);
    found[Symbol.dispose]();
  });

  it("takes the file that a runtime puts in a map's place", ({ mock }) => {
    let now = 0;
    mock.method(performance, "now", () => now);
    using maps = new JitMaps();
    const program = {};
    const keyNow = (): string => {
      maps.meet({ pid, program, mappings });
      const found = maps.find({ pid, program: maps.numberOf(program) });
      assert.ok("fd" in found);
      using file = found;
      return file.key;
    };
    writeFileSync(path, "1000 10 f\n");
    const first = keyNow();
    writeFileSync(`${path}.new`, "1000 10 g\n");
    renameSync(`${path}.new`, path);
    assert.equal(keyNow(), first, "it is not looked at all the time");
    now += 10_000;
    const second = keyNow();
    assert.notEqual(second, first);
    rmSync(path);
    now += 10_000;
    assert.equal(keyNow(), second, "what was written still holds");
  });
});

describe("ReadMaps", () => {
  it("reads on what has grown, and anew what was written anew", (test) => {
    const maps = new ReadMaps();
    const file = `/tmp/obsforge-map-${pid}.map`;
    test.after(() => rmSync(file, { force: true }));
    const nameAt = (address: bigint): string | undefined => {
      const fd = openSync(file, "r");
      const [frames] = maps.name({ key: "key", fd, kind: "perf_map" }, BigUint64Array.of(address));
      closeSync(fd);
      return frames?.[0]?.name;
    };
    writeFileSync(file, "1000 10 f\n");
    assert.equal(nameAt(0x1000n), "f");
    writeFileSync(file, "2000 10 g\n", { flag: "a" });
    assert.deepEqual([nameAt(0x1000n), nameAt(0x2000n)], ["f", "g"]);
    writeFileSync(file, "3000 10 h\n4000 10 i\n5000 10 j\n");
    assert.deepEqual([nameAt(0x1000n), nameAt(0x4000n)], [undefined, "i"]);
    writeFileSync(file, "");
    assert.equal(nameAt(0x4000n), undefined);
  });
});
