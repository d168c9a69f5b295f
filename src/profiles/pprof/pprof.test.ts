import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { requirement } from "../../../test/support/requirements.ts";
import { FILE_LIMITS, NETWORK_LIMITS } from "../../support/limits.ts";
import type { AttributeValue } from "../attribute-value.ts";
import { decodeOtlp } from "../otlp/decode.ts";
import { emptyProfile, ProfileBatch } from "../profile.ts";
import { resolvedSamples, sampleMultiset } from "../resolved.ts";
import { arbitraryBatch } from "../testing/arbitrary-batch.ts";
import { genuinePayloads } from "../testing/genuine-payloads.ts";
import { checkProfileRoundTrip } from "../testing/round-trip.ts";
import { checkPprof } from "./check-valid.ts";
import { decodePprof } from "./decode.ts";
import { encodePprof } from "./encode.ts";

const testdata = (name: string): Uint8Array =>
  readFileSync(new URL(`testdata/${name}`, import.meta.url));
const needsGo = { skip: requirement("go") };

describe("pprof of OpenTelemetry's profiles", () => {
  for (const { name, bytes } of genuinePayloads) {
    it(`${name} comes back whole`, () => {
      const batch = decodeOtlp(bytes, FILE_LIMITS);
      const pprof = checkProfileRoundTrip("pprof", batch);
      assert.deepEqual(checkPprof(pprof, FILE_LIMITS), []);
    });
  }

  it("has a count and a CPU time column, and names the program first", () => {
    const batch = decodeOtlp(genuinePayloads[1]?.bytes as Uint8Array, FILE_LIMITS);
    const bytes = encodePprof(batch, { gzip: false });
    const back = decodePprof(bytes, FILE_LIMITS);
    assert.deepEqual(
      [...back.profiles()].map(({ profile }) => profile.period),
      back.resourceProfiles.map(() => 10101010),
    );
    assert.ok(Buffer.from(bytes).includes("[kernel.kallsyms]"));
  });

  it("is read by go tool pprof", needsGo, () => {
    for (const { name, bytes } of genuinePayloads) {
      const raw = goPprof(encodePprof(decodeOtlp(bytes, FILE_LIMITS)), "-raw");
      assert.match(raw, /samples\/count cpu\/nanoseconds\[dflt\]/, name);
      assert.match(raw, /process\.pid:\[/, name);
    }
  });

  it("shows no notes in go tool pprof", needsGo, () => {
    for (const { name, bytes } of genuinePayloads) {
      const pprof = encodePprof(decodeOtlp(bytes, FILE_LIMITS));
      assert.equal(goPprof(pprof, "-comments"), "", name);
      assert.doesNotMatch(goPprof(pprof, "-top"), /resourceKeys/, name);
      assert.doesNotMatch(goPprof(pprof, "-raw"), /resourceKeys/, name);
    }
  });
});

describe("pprof of other programs", () => {
  for (const name of ["go-cpu.pb.gz", "go-heap.pb.gz"]) {
    it(`${name} shows the same after a way through OTLP`, needsGo, () => {
      const bytes = testdata(name);
      const batch = decodePprof(bytes, FILE_LIMITS);
      const again = encodePprof(batch);
      for (const view of ["-top", "-tags", "-comments"]) {
        assert.equal(goPprof(again, view), goPprof(bytes, view), view);
      }
      assert.deepEqual(samplesOf(goPprof(again, "-raw")), samplesOf(goPprof(bytes, "-raw")));
      assert.deepEqual(checkPprof(again, FILE_LIMITS), []);
    });
  }

  it("makes one profile of each value column, in the file's order", () => {
    const batch = decodePprof(testdata("go-heap.pb.gz"), FILE_LIMITS);
    const { strings } = batch.dictionary;
    assert.deepEqual(
      [...batch.profiles()].map(({ profile }) => strings.at(profile.sampleType.type)),
      ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"],
    );
    checkProfileRoundTrip("pprof", batch);
  });

  it("keeps labels as attributes", () => {
    const batch = decodePprof(testdata("go-cpu.pb.gz"), FILE_LIMITS);
    const labels = new Set(resolvedSamples(batch).flatMap(({ attributes }) => attributes));
    assert.ok(labels.has('handler="/slow"'));
    checkProfileRoundTrip("pprof", batch);
  });

  it("reads gzip of several members", () => {
    const plain = gunzipSync(testdata("go-cpu.pb.gz"));
    const middle = plain.length >> 1;
    const members = [plain.subarray(0, middle), plain.subarray(middle)].map((part) =>
      gzipSync(part),
    );
    assert.deepEqual(
      sampleMultiset(decodePprof(Buffer.concat(members), FILE_LIMITS)),
      sampleMultiset(decodePprof(plain, FILE_LIMITS)),
    );
  });

  it("stops inflating at the limit", () => {
    const bomb = gzipSync(new Uint8Array(NETWORK_LIMITS.inflatedBytesMax + 1));
    assert.throws(() => decodePprof(bomb, NETWORK_LIMITS), { code: "LIMIT_EXCEEDED" });
  });

  it("refuses broken gzip", () => {
    const cut = testdata("go-cpu.pb.gz").subarray(0, 100);
    assert.throws(() => decodePprof(cut, FILE_LIMITS), { code: "INPUT_MALFORMED" });
  });
});

describe("pprof of values that look alike", () => {
  const values: readonly AttributeValue[] = [
    { type: "empty" },
    { type: "string", value: "" },
    { type: "bytes", value: new Uint8Array() },
    { type: "bool", value: true },
    { type: "string", value: "true" },
    { type: "string", value: "01" },
    { type: "bytes", value: Uint8Array.of(1) },
    { type: "double", value: 1 },
    { type: "int", value: 1n },
    { type: "string", value: "1" },
    { type: "array", value: ["true", "1"].map((text) => ({ type: "string", value: text })) },
    { type: "string", value: "[true,1]" },
    {
      type: "array",
      value: [
        { type: "bool", value: true },
        { type: "int", value: 1n },
      ],
    },
  ];

  it("tells them apart, of resources and of samples, in any order", () => {
    const some = fc.shuffledSubarray([...values], { minLength: 2 });
    const property = fc.property(some, some, (ofResources, ofSamples) => {
      const batch = new ProfileBatch();
      const { attributes, attributeSets, strings } = batch.dictionary;
      for (const value of ofResources) {
        const profile = emptyProfile();
        for (const [place, own] of ofSamples.entries()) {
          const row = attributes.intern(strings.intern("key"), own, 0);
          profile.samples.push(0, attributeSets.intern([row]), 0, 1 + place);
        }
        const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
        batch.resourceProfiles.push({
          resource: { attributes: [{ key: "key", value }], droppedAttributesCount: 0 },
          schemaUrl: "",
          scopeProfiles: [{ scope, schemaUrl: "", profiles: [profile] }],
        });
      }
      const bytes = encodePprof(batch);
      assert.deepEqual(checkPprof(bytes, FILE_LIMITS), []);
      assert.deepEqual(sumsByType(decodePprof(bytes, FILE_LIMITS)), sumsByType(batch));
    });
    fc.assert(property, { numRuns: 200 });
  });
});

describe("pprof of random batches", () => {
  it("keeps values, stacks and attributes of samples and resources", () => {
    const value = fc.integer({ min: -1000, max: 1000 });
    fc.assert(
      fc.property(arbitraryBatch({ value }), (batch) => {
        const bytes = encodePprof(batch);
        assert.deepEqual(checkPprof(bytes, FILE_LIMITS), []);
        assert.deepEqual(sumsByType(decodePprof(bytes, FILE_LIMITS)), sumsByType(batch));
      }),
      { numRuns: 500 },
    );
  });
});

/** What pprof holds of any batch: the rest is of the whole file there, not of a profile. */
function sumsByType(batch: ProfileBatch): Map<string, number> {
  const sums = sampleMultiset(batch, { omit: ["scope", "period", "profileAttributes"] });
  const withoutSchema = new Map<string, number>();
  for (const [key, value] of sums) {
    const sample = JSON.parse(key) as { resource: string[]; type: string; unit: string };
    sample.resource = sample.resource.slice(1);
    const text = JSON.stringify(sample);
    withoutSchema.set(text, (withoutSchema.get(text) ?? 0) + value);
  }
  return new Map([...withoutSchema].filter(([, value]) => value !== 0).sort());
}

function goPprof(bytes: Uint8Array, view: string): string {
  const folder = mkdtempSync(join(tmpdir(), "obsforge-pprof-"));
  try {
    const path = join(folder, "profile.pb.gz");
    writeFileSync(path, bytes);
    const run = spawnSync("go", ["tool", "pprof", "-symbolize=none", view, path], {
      encoding: "utf8",
    });
    assert.equal(run.status, 0, run.stderr);
    return run.stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The values and labels of `-raw`, sorted: the numbers of locations may differ. */
function samplesOf(raw: string): string[] {
  const samples = raw.slice(raw.indexOf("Samples:"), raw.indexOf("Locations"));
  return samples
    .split("\n")
    .map((line) => line.replace(/:[ 0-9]*$/, ""))
    .sort();
}
