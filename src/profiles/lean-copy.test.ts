import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { stringValue } from "./attribute-value.ts";
import { Dictionary } from "./dictionary.ts";
import { fittingText, LeanCopier } from "./lean-copy.ts";
import { FrameNames } from "./text/frames.ts";

const LIMITS = { stackDepthMax: 4, textBytesMax: 100 };

function sourceWith(lineNames: readonly (readonly string[])[]): {
  source: Dictionary;
  stack: number;
} {
  const source = Dictionary.create();
  const { strings, functions, locations, mappings, stacks, attributes, attributeSets } = source;
  const keys = ["process.executable.build_id.gnu", "host.secret"];
  const ids = keys.map((key) => attributes.intern(strings.intern(key), stringValue("b1d"), 0));
  const mapping = mappings.intern({
    memoryStart: 0n,
    memoryLimit: 0x10000n,
    fileOffset: 0n,
    filename: strings.intern("/usr/lib/libc.so.6"),
    attributeSet: attributeSets.intern(ids),
  });
  const type = source.internStringAttribute("profile.frame.type", "native");
  const stack = lineNames.map((names, index) => {
    const lines = names.flatMap((name) => [functions.intern(strings.intern(name), 0, 0, 0), 7, 0]);
    return locations.intern(mapping, 16 + index, 0, lines, attributeSets.intern([type]));
  });
  return { source, stack: stacks.intern(stack) };
}

function copied(lineNames: readonly (readonly string[])[]): {
  target: Dictionary;
  names: string[];
} {
  const { source, stack } = sourceWith(lineNames);
  const target = Dictionary.create();
  const copy = new LeanCopier(source, target, LIMITS).stack(stack);
  return { target, names: new FrameNames(target).ofStack(copy).map(({ name }) => name) };
}

describe("LeanCopier", () => {
  it("keeps inlined functions and names what has no name by its place", () => {
    assert.deepEqual(copied([["inner", "outer"], [], [""]]).names, [
      "inner",
      "outer",
      "libc.so.6+0x11",
      "libc.so.6+0x12",
    ]);
  });

  it("marks the root of a stack that is too deep, and gives an empty one a frame", () => {
    assert.deepEqual(copied([["a"], ["b"], ["c"], ["d"]]).names, ["a", "b", "c", "d"]);
    assert.deepEqual(copied([["a"], ["b"], ["c"], ["d"], ["e"]]).names, [
      "a",
      "b",
      "c",
      "[truncated]",
    ]);
    assert.deepEqual(copied([]).names, ["[unknown]"]);
  });

  it("keeps build ids of mappings and no other attribute", () => {
    const { target } = copied([["a"]]);
    const { attributes, strings, locations } = target;
    const keys = Array.from({ length: attributes.length }, (_, row) =>
      strings.at(attributes.key.at(row)),
    );
    assert.deepEqual(keys, ["", "process.executable.build_id.gnu"]);
    assert.equal(locations.attributeSet.at(1), 0);
  });

  it("makes any text fit as valid UTF-8, and leaves alone what fits", () => {
    const texts = fc.string({ unit: "binary", maxLength: 40 });
    fc.assert(
      fc.property(texts, fc.integer({ min: 0, max: 60 }), (text, bytesMax) => {
        const fitting = fittingText(text, bytesMax);
        assert.ok(Buffer.byteLength(fitting) <= bytesMax && fitting.isWellFormed());
        assert.ok(text.toWellFormed().startsWith(fitting));
        if (Buffer.byteLength(text) <= bytesMax) assert.equal(fitting, text.toWellFormed());
        else assert.ok(Buffer.byteLength(fitting) > bytesMax - 4);
      }),
      { numRuns: 500 },
    );
  });
});
