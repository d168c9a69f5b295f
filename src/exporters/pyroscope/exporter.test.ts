import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { pprofFunctionNames, pprofSums } from "../../../test/support/pprof-message.ts";
import {
  type PushedProfile,
  type PushSink,
  startPushSink,
} from "../../../test/support/push-sink.ts";
import { checked } from "../../config/check.ts";
import { testContext } from "../../pipeline/testing/context.ts";
import { stringValue } from "../../profiles/attribute-value.ts";
import { ProfileBatch } from "../../profiles/profile.ts";
import { arbitraryBatch } from "../../profiles/testing/arbitrary-batch.ts";
import { systemClock } from "../../support/clock.ts";
import { MetricRegistry } from "../../support/metrics.ts";
import { pyroscopeConfig } from "./config.ts";
import { PyroscopeExporter } from "./exporter.ts";
import { addResource, type GivenProfile } from "./testing/batches.ts";

const MINUTE_NS = 60_000_000_000n;

interface Run {
  readonly sink: PushSink;
  readonly registry: MetricRegistry;
  readonly exporter: PyroscopeExporter;
}

async function withSink(
  options: Record<string, unknown>,
  work: (run: Run) => Promise<void>,
): Promise<void> {
  await using sink = await startPushSink();
  const registry = new MetricRegistry();
  const exporter = new PyroscopeExporter(
    checked(pyroscopeConfig, { endpoint: sink.endpoint, ...options }),
    testContext({ metrics: registry.metrics() }),
  );
  await exporter.start();
  try {
    await work({ sink, registry, exporter });
  } finally {
    await exporter.stop();
  }
}

function onCpu(name: string, value: number, more: Partial<GivenProfile> = {}): GivenProfile {
  const samples = [{ stack: [name, "main"], value }];
  return { type: "samples/count", period: "cpu/nanoseconds 10000000", samples, ...more };
}

function batchOf(
  attributes: Record<string, string>,
  ...profiles: readonly GivenProfile[]
): ProfileBatch {
  const batch = new ProfileBatch();
  addResource(batch, attributes, profiles);
  return batch;
}

/** As Grafana lists it: `__name__:type:unit:period type:period unit`, for every column. */
function profileTypes({ labels, profile }: PushedProfile): string[] {
  const text = (index: bigint): string => profile.string_table[Number(index)] ?? "";
  const { period_type: period } = profile;
  const ofPeriod = period === null ? ":" : `${text(period.type)}:${text(period.unit)}`;
  return profile.sample_type.map(
    ({ type, unit }) => `${labels.get("__name__")}:${text(type)}:${text(unit)}:${ofPeriod}`,
  );
}

/** Sums of all columns of everything that was pushed. */
function sumsOf(accepted: readonly PushedProfile[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { profile } of accepted) {
    for (const [type, sum] of pprofSums(profile)) sums.set(type, (sums.get(type) ?? 0) + sum);
  }
  return sums;
}

describe("pyroscope exporter", () => {
  it("makes one profile of all processes of a service, with counts and CPU time", async () => {
    await withSink({}, async ({ sink, exporter }) => {
      const batch = new ProfileBatch();
      const now = systemClock.unixNanos();
      for (const pid of ["1", "2"]) {
        const profile = onCpu(`work${pid}`, 3, { timeUnixNano: now });
        addResource(batch, { "service.name": "shop", "process.pid": pid }, [profile]);
      }
      await exporter.consume(batch);
      const [pushed = assert.fail(), ...more] = sink.accepted;
      assert.equal(more.length, 0);
      assert.deepEqual(Object.fromEntries(pushed.labels), {
        __delta__: "false",
        __name__: "process_cpu",
        service_name: "shop",
      });
      assert.deepEqual(profileTypes(pushed), [
        "process_cpu:samples:count:cpu:nanoseconds",
        "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
      ]);
      assert.deepEqual(Object.fromEntries(pprofSums(pushed.profile)), {
        "samples/count": 6,
        "cpu/nanoseconds": 60_000_000,
      });
      assert.deepEqual(pprofFunctionNames(pushed.profile), new Set(["work1", "work2", "main"]));
      assert.match(pushed.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4/);
      assert.equal(pushed.profile.time_nanos, now);
      assert.deepEqual(pushed.silentLosses, []);
    });
  });

  const types: readonly [given: Partial<GivenProfile> & { type: string }, types: string[]][] = [
    [{ type: "cpu/nanoseconds" }, ["process_cpu:cpu:nanoseconds:cpu:nanoseconds"]],
    [{ type: "samples/count" }, ["process_cpu:samples:count:cpu:nanoseconds"]],
    [{ type: "off_cpu/nanoseconds" }, ["off_cpu:off_cpu:nanoseconds::"]],
    [{ type: "inuse_space/bytes" }, ["memory:inuse_space:bytes:space:bytes"]],
    [{ type: "delay/nanoseconds" }, ["mutex:delay:nanoseconds:contentions:count"]],
    [{ type: "goroutine/count" }, ["goroutines:goroutine:count:goroutine:count"]],
    [{ type: "wall/nanoseconds" }, ["wall:wall:nanoseconds:wall:nanoseconds"]],
    [{ type: "events/count" }, ["events:events:count::"]],
    [{ type: "page-faults/count" }, ["page_faults:page_faults:count::"]],
    [{ type: "samples/count", period: "cycles/count 7" }, ["cycles:samples:count:cycles:count"]],
    [{ type: "/" }, ["unknown:unknown:::"]],
  ];
  for (const [given, expected] of types) {
    it(`names ${given.type} with period ${given.period ?? "none"} as Pyroscope does`, async () => {
      await withSink({}, async ({ sink, exporter }) => {
        await exporter.consume(batchOf({}, { ...onCpu("f", 1), period: "", ...given }));
        assert.deepEqual(sink.accepted.flatMap(profileTypes), expected);
      });
    });
  }

  it("keeps what a source timed itself apart from what is counted in samples", async () => {
    await withSink({}, async ({ sink, exporter }) => {
      const batch = new ProfileBatch();
      const window = { timeUnixNano: systemClock.unixNanos() };
      const timed = { ...onCpu("g", 5, window), type: "cpu/nanoseconds" };
      addResource(batch, { "service.name": "a" }, [onCpu("f", 2, window), timed]);
      addResource(batch, { "service.name": "a" }, [onCpu("f", 3, window)]);
      await exporter.consume(batch);
      assert.deepEqual(
        sumsOf(sink.accepted),
        new Map([
          ["samples/count", 5],
          ["cpu/nanoseconds", 30_000_005],
        ]),
      );
    });
  });

  it("makes labels of resources, and names a service that has no name", async () => {
    const options = {
      external_labels: { region: "eu", host_name: "fixed" },
      resource_labels: ["k8s.pod.name", "host.name", "1st", "__name__", "missing"],
    };
    await withSink(options, async ({ sink, exporter }) => {
      const attributes = {
        "process.executable.path": "/usr/bin/redis",
        "k8s.pod.name": "redis-0",
        "host.name": "h",
        "1st": "one",
        __name__: "forged",
      };
      await exporter.consume(batchOf(attributes, onCpu("f", 1)));
      await exporter.consume(batchOf({ "process.pid": "2" }, onCpu("f", 1)));
      const [first, second] = sink.accepted.map(({ labels }) => Object.fromEntries(labels));
      const common = { __delta__: "false", __name__: "process_cpu", host_name: "fixed" };
      assert.deepEqual(first, {
        ...common,
        _1st: "one",
        k8s_pod_name: "redis-0",
        region: "eu",
        service_name: "redis",
      });
      assert.deepEqual(second, { ...common, region: "eu", service_name: "unknown_service" });
    });
  });

  it("keeps the attributes of samples that it is told, and no others", async () => {
    await withSink({ sample_labels: ["thread.name"] }, async ({ sink, exporter }) => {
      const samples = ["a", "b"].map((name) => ({
        stack: ["f"],
        value: 1,
        attributes: { "thread.name": name, "thread.id": name },
      }));
      await exporter.consume(batchOf({}, { ...onCpu("f", 1), samples }));
      const { profile } = sink.accepted[0] ?? assert.fail();
      const text = (index: bigint): string => profile.string_table[Number(index)] ?? "";
      assert.deepEqual(
        profile.sample.map(({ label }) => label.map(({ key, str }) => text(key) + text(str))),
        [["thread_namea"], ["thread_nameb"]],
      );
    });
  });

  it("stays below Pyroscope's number of labels, and counts what it leaves out", async () => {
    const keys = Array.from({ length: 60 }, (_, index) => `key.${index}`);
    const options = { resource_labels: keys.slice(0, 28), sample_labels: keys };
    await withSink(options, async ({ sink, registry, exporter }) => {
      const attributes = Object.fromEntries(keys.map((key) => [key, "x".repeat(5000)]));
      const samples = [{ stack: ["f"], value: 1, attributes }];
      await exporter.consume(batchOf(attributes, { ...onCpu("f", 1), samples }));
      const { labels } = sink.accepted[0] ?? assert.fail();
      assert.equal(labels.size, 30);
      assert.equal(registry.value("obsforge_exporter_dropped_labels_total"), 1);
    });
  });

  it("splits what is too much for one profile or one request, with equal sums", async () => {
    await withSink({}, async ({ sink, exporter }) => {
      const samples = Array.from({ length: 40_000 }, (_, index) => ({
        stack: [`function ${index} ${"x".repeat(100)}`, "main"],
        value: index,
      }));
      await exporter.consume(batchOf({}, { ...onCpu("f", 1), samples }));
      assert.ok(sink.accepted.length > 2);
      assert.ok(sink.requests.length > 2);
      assert.equal(new Set(sink.accepted.map(({ id }) => id)).size, sink.accepted.length);
      const expected = samples.reduce((sum, { value }) => sum + value, 0);
      assert.equal(sumsOf(sink.accepted).get("samples/count"), expected);
    });
  });

  it("cuts what Pyroscope would cut, with a mark for stacks", async () => {
    await withSink({}, async ({ sink, exporter }) => {
      const stack = Array.from({ length: 1500 }, (_, index) => `f${index}`);
      const samples = [
        { stack, value: 1 },
        { stack: ["é".repeat(70_000)], value: 1 },
        { stack: [], value: 1 },
      ];
      await exporter.consume(batchOf({}, { ...onCpu("f", 1), samples }));
      const { profile, silentLosses } = sink.accepted[0] ?? assert.fail();
      assert.deepEqual(silentLosses, []);
      assert.equal(pprofSums(profile).get("samples/count"), 3);
      const names = pprofFunctionNames(profile);
      assert.ok(names.has("[truncated]") && names.has("[unknown]") && names.has("f998"));
      assert.ok(!names.has("f999"));
    });
  });

  it("does not send what Pyroscope refuses, and counts it by reason", async () => {
    await withSink({}, async ({ sink, registry, exporter }) => {
      const now = systemClock.unixNanos();
      const at = (minutes: bigint): Partial<GivenProfile> => ({
        timeUnixNano: now + minutes * MINUTE_NS,
      });
      const huge = Array.from({ length: 80 }, (_, index) => `${index}${"x".repeat(60_000)}`);
      const given = [
        onCpu("old", 1, at(-60n)),
        onCpu("kept", 1, at(-59n)),
        onCpu("new", 1, at(11n)),
        onCpu("unknown", 1, { timeUnixNano: 0n }),
        onCpu("negative", -1),
        { ...onCpu("large", 1), samples: [{ stack: huge, value: 1 }] },
      ];
      await exporter.consume(batchOf({}, ...given));
      const names = sink.accepted.map(({ profile }) => [...pprofFunctionNames(profile)][0]);
      assert.deepEqual(names.toSorted(), ["kept", "unknown"]);
      for (const reason of ["too_old", "too_new", "negative_value", "too_large"]) {
        assert.equal(registry.value("obsforge_exporter_dropped_samples_total", { reason }), 1);
      }
    });
  });

  it("asks nothing of the server when nothing is left", async () => {
    await withSink({}, async ({ sink, exporter }) => {
      await exporter.consume(new ProfileBatch());
      await exporter.consume(batchOf({}, onCpu("old", 1, { timeUnixNano: 1n })));
      assert.equal(sink.requests.length, 0);
    });
  });

  it("delivers the sums of any batch, whatever is in its names [R18, S16]", async () => {
    await withSink({}, async ({ sink, exporter }) => {
      const batches = arbitraryBatch({ value: fc.nat(1000), text: hostileText() });
      await fc.assert(
        fc.asyncProperty(batches, async (batch) => {
          const before = sink.accepted.length;
          const total = sentTotal(batch);
          await exporter.consume(batch);
          const accepted = sink.accepted.slice(before);
          assert.equal(pushedTotal(accepted), total);
          assert.deepEqual(
            accepted.flatMap(({ silentLosses }) => silentLosses),
            [],
          );
        }),
        { numRuns: 150 },
      );
    });
  });

  it("shows labels as they are, whatever they are called [S16, S18]", async () => {
    const key = "__proto__";
    await withSink({ resource_labels: [key, "a-b", "é"] }, async ({ sink, exporter }) => {
      const batch = new ProfileBatch();
      const hostile = `\u0000\ud800"}\n${"\u{1f600}".repeat(2000)}`;
      const entries = [key, "a-b", "é", "service.name"].map((name) => [name, stringValue(hostile)]);
      addResource(batch, Object.fromEntries(entries), [onCpu("f", 1)]);
      await exporter.consume(batch);
      const { labels } = sink.accepted[0] ?? assert.fail();
      assert.deepEqual([...labels.keys()], ["_", "__delta__", "__name__", "a_b", "service_name"]);
      const value = labels.get("service_name") ?? "";
      assert.ok(value.startsWith('\u0000\ufffd"}\n\u{1f600}') && value.isWellFormed());
    });
  });
});

function hostileText(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.constantFrom("", "-", "__proto__", "constructor", "\ud800", "cpu", "samples", "count"),
  );
}

/** The sum of all values, of profiles whose times become now. */
function sentTotal(batch: ProfileBatch): number {
  let total = 0;
  for (const { profile } of batch.profiles()) {
    profile.timeUnixNano = systemClock.unixNanos();
    // A column that is made from the samples would be counted beside them.
    profile.period = 0;
    total += profile.samples.total();
  }
  return total;
}

function pushedTotal(accepted: readonly PushedProfile[]): number {
  return sumsOf(accepted)
    .values()
    .reduce((sum, value) => sum + value, 0);
}
