import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCollectorError } from "../../support/errors.ts";
import { FILE_LIMITS } from "../../support/limits.ts";
import { stringValue } from "../attribute-value.ts";
import { decodePprof } from "../pprof/decode.ts";
import { encodePprof } from "../pprof/encode.ts";
import { emptyProfile, ProfileBatch } from "../profile.ts";
import { type FlameProfile, FRAME_KINDS } from "./columns.ts";
import { comparedProfiles, scaleOfBefore } from "./compare.ts";
import { flameProfileOf } from "./from-batch.ts";
import { buildTree } from "./tree.ts";

interface Source {
  readonly host?: string;
  readonly seconds?: number;
  readonly type?: string;
  readonly file?: string;
}

/** A stack of a kernel frame, an inlined function in a native one, a label; 3 samples, 10 ms. */
function batchOf({ host, seconds = 2, type = "samples", file = "/a/x.c" }: Source): ProfileBatch {
  const batch = new ProfileBatch();
  const { dictionary } = batch;
  const { strings, functions, locations, stacks, attributeSets } = dictionary;
  const fn = (name: string): number =>
    functions.intern(strings.intern(name), 0, strings.intern(file), 0);
  const kernel = attributeSets.intern([
    dictionary.internStringAttribute("profile.frame.type", "kernel"),
  ]);
  const native = attributeSets.intern([
    dictionary.internStringAttribute("profile.frame.type", "native"),
  ]);
  const profile = emptyProfile();
  profile.sampleType = { type: strings.intern(type), unit: strings.intern("count") };
  profile.periodType = { type: strings.intern("cpu"), unit: strings.intern("nanoseconds") };
  profile.period = 10_000_000;
  profile.durationNano = BigInt(seconds) * 1_000_000_000n;
  const stack = stacks.intern([
    locations.intern(0, 1, 0, [fn("sys_read"), 0, 0], kernel),
    locations.intern(0, 2, 0, [fn("inner"), 12, 0, fn("outer"), 34, 0], native),
  ]);
  const labels = [dictionary.internStringAttribute("thread.name", "worker")];
  profile.samples.push(stack, attributeSets.intern(labels), 0, 3);
  const attributes = host === undefined ? [] : [{ key: "host.name", value: stringValue(host) }];
  const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
  batch.resourceProfiles.push({
    resource: { attributes, droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [{ scope, schemaUrl: "", profiles: [profile] }],
  });
  return batch;
}

function labelsOf({ labels, labelSets }: FlameProfile): string[] {
  return [...labelSets.items].map((label) => {
    const text = (column: Uint32Array): string => labels.texts[column[label] as number] as string;
    return `${text(labels.key)}=${text(labels.value)}`;
  });
}

describe("a flame graph's profile", () => {
  it("has inlined functions as frames, with their kinds and lines", () => {
    const { columns } = buildTree(flameProfileOf(batchOf({}), ""));
    const rows = [...columns.name].map(
      (name, node) =>
        `${columns.names[name]} ${FRAME_KINDS[columns.kind[node] as number]} ${columns.line[node]}`,
    );
    assert.deepEqual(rows, ["root  0", "outer native 34", "inner inlined 12", "sys_read kernel 0"]);
  });

  it("has CPU time first, as pprof files have it", () => {
    const batch = batchOf({});
    const viaPprof = decodePprof(encodePprof(batch), FILE_LIMITS);
    for (const given of [batch, viaPprof]) {
      const { types } = flameProfileOf(given, "");
      const totals = types.map(({ name, samples }) => `${name} ${samples.value.join()}`);
      assert.deepEqual(totals, ["cpu 30000000", "samples 3"]);
    }
  });

  it("has attributes of resource and sample as labels", () => {
    const labels = labelsOf(flameProfileOf(batchOf({ host: "h" }), ""));
    assert.deepEqual(labels.sort(), ["host.name=h", "thread.name=worker"]);
  });

  it("says how long and on how many instances it was taken", () => {
    const batch = batchOf({ host: "a" });
    for (const host of ["a", "b"]) {
      const more = batchOf({ host, seconds: host === "a" ? 2 : 4 }).resourceProfiles;
      batch.resourceProfiles.push(...more);
    }
    // Host a has two processes in one window.
    assert.deepEqual(flameProfileOf(batch, "").exposure, { nanos: 6e9, instances: 2 });
  });

  it("is compared by share, by rate, or as it is", () => {
    const both = comparedProfiles(
      flameProfileOf(batchOf({ seconds: 2 }), ""),
      flameProfileOf(batchOf({ seconds: 8 }), ""),
    );
    const totals = { after: 30, before: 10 };
    assert.equal(scaleOfBefore("share", both, totals), 3);
    assert.equal(scaleOfBefore("rate", both, totals), 4);
    assert.equal(scaleOfBefore("absolute", both, totals), 1);
    assert.equal(scaleOfBefore("share", both, { after: 0, before: 10 }), 1);
  });

  it("knows a function again that lies in another folder", () => {
    const both = comparedProfiles(
      flameProfileOf(batchOf({ file: "/build/1/x.c" }), ""),
      flameProfileOf(batchOf({ file: "/build/2/x.c" }), ""),
    );
    const { columns } = buildTree(both);
    assert.equal(columns.name.length, 4);
    assert.deepEqual([...(columns.before?.total ?? [])], [...columns.total]);
    assert.equal(columns.files[columns.file[1] as number], "/build/2/x.c");
  });

  it("is compared only with one that has a sample type in common", () => {
    const profile = flameProfileOf(batchOf({}), "");
    const other = flameProfileOf(batchOf({ type: "alloc" }), "");
    assert.throws(
      () => comparedProfiles(profile, other),
      (error) =>
        isCollectorError(error, "CONFIG_INVALID") &&
        /no sample type in common: cpu.*before, alloc\/count after/.test(error.message),
    );
  });
});
