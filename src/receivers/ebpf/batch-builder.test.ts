import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { valueText } from "../../profiles/attribute-value.ts";
import { profcheck } from "../../profiles/profcheck.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";
import { resolvedSamples } from "../../profiles/resolved.ts";
import { JitMaps } from "../../symbols/jit/jit-maps.ts";
import { KernelLayout } from "../../symbols/kernel/layout.ts";
import { buildBatch } from "./batch-builder.ts";
import { ContainerIds } from "./container-ids.ts";
import type { TrackedImage } from "./process-image.ts";
import type { RawSample } from "./sample-record.ts";
import { SampleWindow } from "./sample-window.ts";
import { imageWith, mappingAt, PERIOD_NS, rawSample, registryOf } from "./testing/fakes.ts";

const CONTAINER = "c0ffee00".repeat(8);
const TEXT = 0xffffffff9a000000n;
const SCOPE = { name: "obsforge", version: "1", attributes: [], droppedAttributesCount: 0 };

interface Given {
  readonly samples: readonly { readonly image: TrackedImage; readonly sample: RawSample }[];
  readonly timestamps?: boolean;
  readonly cgroup?: string;
}

async function built({ samples, timestamps = false, cgroup = "" }: Given): Promise<ProfileBatch> {
  const window = new SampleWindow({ keepTimes: timestamps, periodNs: PERIOD_NS });
  const containers = new ContainerIds(() => cgroup);
  for (const { image, sample } of samples) {
    window.add(sample);
    window.settle(() => image);
    containers.meet(image);
  }
  const file = { buildId: "b1d0", goBuildId: "go1", htlhash: "4a54", segments: [] };
  return buildBatch(window, {
    scope: SCOPE,
    startUnixNano: 1_700_000_000_000_000_000n,
    durationNano: 5_000_000_000n,
    periodNano: PERIOD_NS,
    monotonicToUnixNano: 1_000_000n,
    timestamps,
    executables: await registryOf([[PROGRAM, file]]),
    jitMaps: new JitMaps(),
    kernel: new KernelLayout({ textStart: TEXT, modules: [], buildId: "abc0" }),
    containers,
  });
}

const PROGRAM = mappingAt(0x10000n, { path: "/usr/bin/main" });
const program = (): TrackedImage => imageWith([PROGRAM]);

/** The attributes of each resource, in order, as OTLP names and types them. */
function resourcesOf(batch: ProfileBatch): string[][] {
  return batch.resourceProfiles.map(({ resource }) =>
    resource.attributes.map(({ key, value }) => `${key}: ${value.type} ${valueText(value)}`),
  );
}

describe("buildBatch", () => {
  it("says of a process what OpenTelemetry's profiler says", async () => {
    const batch = await built({
      samples: [{ image: program(), sample: rawSample() }],
      cgroup: `/docker/${CONTAINER}`,
    });
    assert.deepEqual(resourcesOf(batch), [
      [
        "process.pid: int 100",
        "process.executable.path: string /usr/bin/main",
        "process.executable.name: string main",
        `container.id: string ${CONTAINER}`,
      ],
    ]);
    const { schemaUrl, scopeProfiles } = batch.resourceProfiles[0] ?? assert.fail();
    assert.equal(schemaUrl, "https://opentelemetry.io/schemas/1.37.0");
    assert.equal(scopeProfiles[0]?.schemaUrl, schemaUrl);
    assert.deepEqual(scopeProfiles[0]?.scope, SCOPE);
  });

  it("says of a kernel thread its pid and no more", async () => {
    const image = imageWith([], { isKernelThread: true, executablePath: "", pid: 2 });
    const batch = await built({ samples: [{ image, sample: rawSample({ user: [] }) }] });
    assert.deepEqual(resourcesOf(batch), [["process.pid: int 2"]]);
  });

  it("names a program without a path by its first thread", async () => {
    const image = imageWith([], { executablePath: "", processName: "ghost" });
    const batch = await built({ samples: [{ image, sample: rawSample() }] });
    assert.deepEqual(resourcesOf(batch)[0]?.slice(1), ["process.executable.name: string ghost"]);
  });

  it("names a program of which nothing is known by its sample", async () => {
    const image = imageWith([], { executablePath: "", processName: "" });
    const sample = rawSample({ processName: "shy" });
    const batch = await built({ samples: [{ image, sample }] });
    assert.deepEqual(resourcesOf(batch)[0]?.slice(1), ["process.executable.name: string shy"]);
  });

  it("has one resource for the generations of a program, each with its own files", async () => {
    const image = program();
    const next = image.nextGeneration(5n);
    next.mappings.insert({ ...PROGRAM, path: "/usr/lib/other", inode: 77n });
    const sample = rawSample({ user: [0x10010n] });
    const batch = await built({
      samples: [image, next, image].map((each) => ({ image: each, sample })),
    });
    assert.equal(batch.resourceProfiles.length, 1);
    const { mappings, strings } = batch.dictionary;
    const paths = [1, 2].map((row) => strings.at(mappings.filename.at(row)));
    assert.deepEqual(paths, ["/usr/bin/main", "/usr/lib/other"]);
    assert.deepEqual(
      resolvedSamples(batch).map(({ value }) => value),
      [2, 1],
    );
  });

  it("gives the profile OpenTelemetry's types, period and times", async () => {
    const batch = await built({ samples: [{ image: program(), sample: rawSample() }] });
    const { profile } = [...batch.profiles()][0] ?? assert.fail();
    const { strings } = batch.dictionary;
    assert.deepEqual(
      [profile.sampleType, profile.periodType].map(({ type, unit }) => [
        strings.at(type),
        strings.at(unit),
      ]),
      [
        ["samples", "count"],
        ["cpu", "nanoseconds"],
      ],
    );
    assert.equal(profile.period, 10_101_010);
    assert.equal(profile.timeUnixNano, 1_700_000_000_000_000_000n);
    assert.equal(profile.durationNano, 5_000_000_000n);
  });

  it("gives a sample thread and CPU, and one summed value", async () => {
    const image = program();
    const sample = rawSample({ tid: 101, cpu: 3 });
    const batch = await built({
      samples: [
        { image, sample },
        { image, sample },
      ],
    });
    const [only, ...more] = resolvedSamples(batch);
    assert.equal(more.length, 0);
    assert.equal(only?.value, 2);
    assert.deepEqual(only?.timestamps, []);
    assert.deepEqual(attributesOf(batch), [
      "thread.name: string worker",
      "thread.id: int 101",
      "cpu.logical_number: int 3",
    ]);
  });

  it("with timestamps gives those and no values, at wall clock time", async () => {
    const image = program();
    const times = [3_000_000n, 1_000_000n, 2_000_000n];
    const samples = times.map((timeNs) => ({ image, sample: rawSample({ timeNs }) }));
    const batch = await built({ samples, timestamps: true });
    const { profile } = [...batch.profiles()][0] ?? assert.fail();
    assert.equal(profile.samples.shape, "timestamps");
    assert.equal(profile.samples.timestampValue.length, 0);
    assert.equal(profile.samples.total(), 3);
    assert.deepEqual(resolvedSamples(batch)[0]?.timestamps.map(BigInt), [
      2_000_000n,
      3_000_000n,
      4_000_000n,
    ]);
  });

  it("makes one resource for each program, though the pid is one", async () => {
    const [first, second] = [program(), imageWith([], { executablePath: "/bin/second" })];
    const samples = [first, second, first].map((image) => ({ image, sample: rawSample() }));
    const batch = await built({ samples });
    assert.deepEqual(
      resourcesOf(batch).map((attributes) => attributes[1]),
      ["/usr/bin/main", "/bin/second"].map((path) => `process.executable.path: string ${path}`),
    );
    const totals = [...batch.profiles()].map(({ profile }) => profile.samples.total());
    assert.deepEqual(totals, [2, 1]);
  });

  it("identifies files by all their build ids", async () => {
    const sample = rawSample({ user: [0x10010n] });
    const batch = await built({ samples: [{ image: program(), sample }] });
    const { dictionary } = batch;
    const set = dictionary.mappings.attributeSet.at(1);
    const ids = ["gnu", "go", "htlhash"].map((kind) => {
      const value = dictionary.findAttribute(set, `process.executable.build_id.${kind}`);
      return value === undefined ? "" : valueText(value);
    });
    assert.deepEqual(ids, ["b1d0", "go1", "4a54"]);
  });

  for (const timestamps of [false, true]) {
    it(`breaks no rule of profcheck, timestamps ${timestamps}`, async () => {
      const image = program();
      const kernelThread = imageWith([], { isKernelThread: true, executablePath: "", pid: 2 });
      const window = { timeNs: 1_700_000_001_000_000_000n - 1_000_000n };
      const kernel = [TEXT + 16n, TEXT + 32n];
      const batch = await built({
        timestamps,
        samples: [
          { image, sample: rawSample({ ...window, user: [0x10010n, 0x10020n], kernel }) },
          { image, sample: rawSample({ ...window, user: [0x10010n], cpu: 1, result: 4 }) },
          { image: kernelThread, sample: rawSample({ ...window, user: [], kernel, result: 1 }) },
        ],
      });
      assert.deepEqual(profcheck(batch), []);
    });
  }
});

/** The attributes of the batch's first sample, in order. */
function attributesOf(batch: ProfileBatch): string[] {
  const { attributeSets, attributes, strings } = batch.dictionary;
  const { profile } = [...batch.profiles()][0] ?? assert.fail();
  return [...attributeSets.row(profile.samples.attributeSet.at(0))].map((row) => {
    const value = attributes.value(row);
    return `${strings.at(attributes.key.at(row))}: ${value.type} ${valueText(value)}`;
  });
}
