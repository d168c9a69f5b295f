import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FILE_LIMITS } from "../support/limits.ts";
import { decodePprof } from "./pprof/decode.ts";
import { encodePprof } from "./pprof/encode.ts";
import { emptyProfile, ProfileBatch } from "./profile.ts";
import { resolvedSamples } from "./resolved.ts";
import { FrameNames } from "./text/frames.ts";
import { isUnresolved, unresolvedName } from "./unresolved-name.ts";

const names = [
  { path: "/lib/libfoo.so", address: 0x1234n, name: "libfoo.so+0x1234" },
  { path: "[vdso]", address: 0xa00n, name: "[vdso]+0xa00" },
  { path: "//anon", address: 0x1234n, name: "[anon]" },
  { path: "[anon]", address: 0x1234n, name: "[anon]" },
  { path: "", address: 0x1234n, name: "[unknown]" },
];

/** One sample of two frames in one mapping: `main`, and a frame with or without a name. */
function batchOf(memoryStart: bigint, inner: string | undefined): ProfileBatch {
  const batch = new ProfileBatch();
  const { strings, functions, locations, mappings, stacks } = batch.dictionary;
  const mapping = mappings.intern({
    memoryStart,
    memoryLimit: memoryStart + 0x2000n,
    fileOffset: 0x3000n,
    filename: strings.intern("/lib/libfoo.so"),
    attributeSet: 0,
  });
  const lines = (name: string): number[] => [functions.intern(strings.intern(name), 0, 0, 0), 0, 0];
  const [low, high] = [Number(memoryStart & 0xffffffffn), Number(memoryStart >> 32n)];
  const leaf = inner === undefined ? [] : lines(inner);
  const stack = stacks.intern([
    locations.intern(mapping, low + 0x10, high, leaf, 0),
    locations.intern(mapping, low + 0x20, high, lines("main"), 0),
  ]);
  const profile = emptyProfile();
  profile.sampleType = { type: strings.intern("samples"), unit: strings.intern("count") };
  profile.samples.push(stack, 0, 0, 1);
  const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
  batch.resourceProfiles.push({
    resource: { attributes: [], droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [{ scope, schemaUrl: "", profiles: [profile] }],
  });
  return batch;
}

describe("unresolvedName", () => {
  for (const { path, address, name } of names) {
    it(`calls 0x${address.toString(16)} of "${path}" ${name}`, () =>
      assert.equal(unresolvedName(path, address), name));
  }
});

describe("a frame without a name", () => {
  for (const { where, start, name } of [
    { where: "in its file", start: 0x1000n, name: "libfoo.so+0x1010" },
    { where: "in a process", start: 0x7f0000001000n, name: "libfoo.so+0x3010" },
  ]) {
    it(`placed ${where} is shown and known by one name`, () => {
      for (const inner of [undefined, name]) {
        const { dictionary } = batchOf(start, inner);
        assert.equal(new FrameNames(dictionary).ofLocation(1)[0]?.name, name);
        assert.deepEqual([isUnresolved(dictionary, 1), isUnresolved(dictionary, 2)], [true, false]);
      }
    });

    it(`placed ${where} keeps pprof from saying that its file has functions`, () => {
      for (const { inner, has } of [
        { inner: undefined, has: false },
        { inner: name, has: false },
        { inner: "deep", has: true },
      ]) {
        // Notes aside, as another program would read it.
        const bytes = encodePprof(batchOf(start, inner), { gzip: false });
        const [sample] = resolvedSamples(decodePprof(withoutNotes(bytes), FILE_LIMITS));
        assert.equal(sample?.stack.join().includes("has_functions"), has, String(inner));
      }
    });
  }
});

/** Renames the field of the notes, whose tag has three bytes, to one that nobody knows. */
function withoutNotes(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString("latin1").replaceAll("\xca\xa9\x07", "\xd2\xa9\x07");
  return Buffer.from(text, "latin1");
}
