import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { intValue, stringValue } from "./attribute-value.ts";
import { Dictionary } from "./dictionary.ts";

describe("Dictionary", () => {
  it("has a zero entry in every table", () => {
    const dictionary = Dictionary.create();
    assert.equal(dictionary.firstEmptyTable(), undefined);
    assert.equal(dictionary.firstWrongZeroEntry(), undefined);
    assert.equal(dictionary.attributeSets.size(0), 0);
  });

  it("names the first table without a zero entry", () => {
    assert.equal(new Dictionary().firstEmptyTable(), "string_table");
  });

  it("interns a row once, and finds what was appended before", () => {
    const { strings, functions, mappings, locations, stacks, links, attributes } =
      Dictionary.create();
    const mapping = {
      memoryStart: 2n ** 63n,
      memoryLimit: 2n ** 64n - 1n,
      fileOffset: 4096n,
      filename: 1,
      attributeSet: 0,
    };
    const tables: readonly { append: () => number; intern: () => number; other: () => number }[] = [
      {
        append: () => strings.append("main"),
        intern: () => strings.intern("main"),
        other: () => strings.intern("Main"),
      },
      {
        append: () => functions.append(1, 2, 3, 4),
        intern: () => functions.intern(1, 2, 3, 4),
        other: () => functions.intern(1, 2, 3, 5),
      },
      {
        append: () => mappings.append(mapping),
        intern: () => mappings.intern(mapping),
        other: () => mappings.intern({ ...mapping, memoryStart: 2n ** 63n + 1n }),
      },
      {
        append: () => locations.append(1, 5, 0xffffffff, [1, 2, 3], 0),
        intern: () => locations.intern(1, 5, 0xffffffff, [1, 2, 3], 0),
        other: () => locations.intern(1, 5, 0xffffffff, [1, 2, 4], 0),
      },
      {
        append: () => stacks.append([3, 2, 1]),
        intern: () => stacks.intern([3, 2, 1]),
        other: () => stacks.intern([1, 2, 3]),
      },
      {
        append: () => links.append("ab", "cd"),
        intern: () => links.intern("ab", "cd"),
        other: () => links.intern("ab", "ce"),
      },
      {
        append: () => attributes.append(1, stringValue("5"), 0),
        intern: () => attributes.intern(1, stringValue("5"), 0),
        other: () => attributes.intern(1, intValue(5), 0),
      },
    ];
    for (const { append, intern, other } of tables) {
      const first = append();
      assert.equal(intern(), first);
      const second = other();
      assert.notEqual(second, first);
      assert.equal(other(), second);
      assert.equal(append(), second + 1);
      assert.equal(intern(), first);
    }
  });

  it("interns locations that differ in their column only in linear time", () => {
    const { locations } = Dictionary.create();
    const start = process.hrtime.bigint();
    for (let column = 0; column < 50_000; column++) locations.intern(0, 0, 0, [0, 1, column], 0);
    assert.equal(locations.length, 50_000 + 1);
    assert.ok(process.hrtime.bigint() - start < 1_000_000_000n);
  });

  it("finds an attribute of a set by its key", () => {
    const dictionary = Dictionary.create();
    const set = dictionary.attributeSets.intern([
      dictionary.internStringAttribute("a", "1"),
      dictionary.internStringAttribute("b", "2"),
    ]);
    assert.deepEqual(dictionary.findAttribute(set, "b"), stringValue("2"));
    assert.equal(dictionary.findAttribute(set, "c"), undefined);
    assert.equal(dictionary.findAttribute(0, "a"), undefined);
  });

  it("answers for rows that do not exist with the zero value", () => {
    const { strings, functions, locations, stacks } = Dictionary.create();
    assert.equal(strings.at(-1), "");
    assert.equal(functions.name.at(9), 0);
    assert.equal(locations.address.bigint(9), 0n);
    assert.equal(stacks.size(9), 0);
  });
});
