import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NO_DEVICE, type ProcessMapping } from "../../linux/process-mapping.ts";
import { MAPPINGS_MAX, MappingSet } from "./mapping-set.ts";

function mapping(start: number, end: number, path = "/a", fileOffset = 0): ProcessMapping {
  return {
    start: BigInt(start),
    end: BigInt(end),
    fileOffset: BigInt(fileOffset),
    path,
    buildId: "",
    device: NO_DEVICE,
    inode: 0n,
  };
}

function setOf(...mappings: ProcessMapping[]): MappingSet {
  const set = new MappingSet();
  for (const each of mappings) set.insert(each);
  return set;
}

const shown = (set: MappingSet): string[] =>
  set.all().map((each) => `${each.start}-${each.end} ${each.path}+${each.fileOffset}`);

describe("MappingSet", () => {
  const cases = [
    {
      name: "keeps order",
      add: [mapping(30, 40), mapping(10, 20)],
      left: ["10-20 /a+0", "30-40 /a+0"],
    },
    {
      name: "replaces what is covered",
      add: [mapping(10, 20), mapping(20, 30), mapping(5, 35, "/b")],
      left: ["5-35 /b+0"],
    },
    {
      name: "cuts the end",
      add: [mapping(10, 20), mapping(15, 30, "/b")],
      left: ["10-15 /a+0", "15-30 /b+0"],
    },
    {
      name: "cuts the start and moves its offset",
      add: [mapping(10, 20, "/a", 100), mapping(5, 15, "/b")],
      left: ["5-15 /b+0", "15-20 /a+105"],
    },
    {
      name: "splits what is around it",
      add: [mapping(10, 40, "/a", 100), mapping(20, 30, "/b")],
      left: ["10-20 /a+100", "20-30 /b+0", "30-40 /a+120"],
    },
    {
      name: "takes neighbours",
      add: [mapping(10, 20), mapping(20, 30, "/b")],
      left: ["10-20 /a+0", "20-30 /b+0"],
    },
    {
      name: "leaves anonymous memory whole",
      add: [mapping(10, 40, ""), mapping(20, 30, "")],
      left: ["10-40 +0"],
    },
    { name: "leaves out an empty range", add: [mapping(10, 10)], left: [] },
  ];
  for (const { name, add, left } of cases) {
    it(name, () => assert.deepEqual(shown(setOf(...add)), left));
  }

  it("finds by address, and nothing between", () => {
    const set = setOf(mapping(10, 20, "/a"), mapping(30, 40, "/b"));
    const found = [9, 10, 19, 20, 30, 39, 40].map((address) => set.find(address)?.path ?? "");
    assert.deepEqual(found, ["", "/a", "/a", "", "/b", "/b", ""]);
  });

  it("agrees with a map of single addresses after many insertions", () => {
    const set = new MappingSet();
    const byAddress = new Map<number, string>();
    let seed = 42;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    for (let round = 0; round < 3000; round++) {
      const start = random(500);
      const end = start + 1 + random(40);
      const path = `/${random(9)}`;
      set.insert(mapping(start, end, path));
      for (let address = start; address < end; address++) byAddress.set(address, path);
    }
    for (let address = 0; address < 560; address++) {
      assert.equal(set.find(address)?.path, byAddress.get(address), `address ${address}`);
    }
  });

  it("forks without sharing later changes", () => {
    const parent = setOf(mapping(10, 20));
    const child = parent.fork();
    parent.insert(mapping(30, 40));
    child.insert(mapping(50, 60));
    assert.deepEqual([shown(parent).length, shown(child).length], [2, 2]);
    assert.equal(child.find(35), undefined);
    assert.equal(child.find(10), parent.find(10));
  });

  it("keeps known mappings as they are when a scan finds them again", () => {
    const known = { ...mapping(10, 20), buildId: "ab" };
    const set = setOf(known, mapping(30, 40));
    set.replaceBy([{ ...mapping(10, 20), inode: 5n }, mapping(50, 60)]);
    assert.equal(set.find(10), known);
    assert.deepEqual(shown(set), ["10-20 /a+0", "50-60 /a+0"]);
  });

  it("holds MAPPINGS_MAX and refuses one more", () => {
    const set = new MappingSet();
    const many = Array.from({ length: MAPPINGS_MAX - 1 }, (_, i) => mapping(i * 10, i * 10 + 5));
    assert.equal(set.replaceBy(many), true);
    assert.equal(set.insert(mapping(10 * MAPPINGS_MAX, 10 * MAPPINGS_MAX + 5)), true);
    assert.equal(set.insert(mapping(20 * MAPPINGS_MAX, 20 * MAPPINGS_MAX + 5)), false);
    assert.equal(set.size, MAPPINGS_MAX);
  });
});

describe("MappingSet.displacesFile", () => {
  const known = { ...mapping(10, 20), inode: 7n, device: { major: 8, minor: 1 }, buildId: "ab" };
  const cases = [
    { name: "the same file", more: {}, displaces: false },
    { name: "the same file under another name", more: { path: "/b" }, displaces: false },
    { name: "another inode", more: { inode: 8n }, displaces: true },
    { name: "another device", more: { device: { major: 8, minor: 2 } }, displaces: true },
    { name: "another build id", more: { buildId: "cd" }, displaces: true },
    {
      name: "an unknown inode",
      more: { inode: 0n, device: NO_DEVICE, buildId: "" },
      displaces: false,
    },
    { name: "an unknown inode and another name", more: { inode: 0n, path: "/b" }, displaces: true },
    { name: "anonymous memory", more: { path: "", inode: 0n, buildId: "" }, displaces: true },
  ];
  for (const { name, more, displaces } of cases) {
    it(`is ${displaces} for ${name}`, () => {
      assert.equal(
        setOf(known).displacesFile({ ...known, start: 15n, end: 25n, ...more }),
        displaces,
      );
    });
  }
});
