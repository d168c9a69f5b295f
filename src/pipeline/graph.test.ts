import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ProfileBatch } from "../profiles/profile.ts";
import { sleep } from "../support/clock.ts";
import { CollectorError } from "../support/errors.ts";
import { MetricRegistry } from "../support/metrics.ts";
import { DeliveryError, type DeliveryResult } from "./component.ts";
import { Graph } from "./graph.ts";
import { findCycle, type GraphSpec, type PipelineSpec } from "./graph-spec.ts";
import { batchOfRows } from "./testing/batch.ts";
import { testContext } from "./testing/context.ts";
import { type Behaviour, testComponents } from "./testing/journal-components.ts";

/** "r > p1 p2 > e": ids that begin with r, p, x (changes batches), e and c (connector). */
function pipelineOf(text: string): PipelineSpec {
  const [receivers, processors, exporters] = text
    .split(">")
    .map((part) => part.trim().split(/\s+/).filter(Boolean)) as [string[], string[], string[]];
  return { receivers, processors, exporters };
}

async function graphOf(pipelines: Record<string, string>, behaviour: Behaviour = {}) {
  const parts = testComponents(behaviour);
  const specs = new Map(Object.entries(pipelines).map(([id, text]) => [id, pipelineOf(text)]));
  const ids = [...specs.values()].flatMap((spec) => Object.values(spec).flat() as string[]);
  const all = <Definition>(letter: string, definition: Definition) =>
    new Map(
      ids.filter((id) => id.startsWith(letter)).map((id) => [id, { definition, config: {} }]),
    );
  const spec: GraphSpec = {
    receivers: all("r", parts.receiver),
    processors: new Map([...all("p", parts.processor), ...all("x", parts.changing)]),
    exporters: all("e", parts.exporter),
    connectors: all("c", parts.connector),
    extensions: new Map(),
    pipelines: specs,
  };
  const registry = new MetricRegistry();
  const graph = await Graph.build(spec, {
    contextOf: (kind, id) => testContext({ id, metrics: registry.metrics({ [kind]: id }) }),
    placeOf: (kind, id) => `test.yaml: ${kind}s::${id}`,
  });
  return { ...parts, graph, registry };
}

describe("Graph", () => {
  it("starts exporters before receivers and stops the other way", async () => {
    const { graph, journal } = await graphOf({ profiles: "r > p1 p2 > e" });
    await graph.start();
    await graph.stop();
    const order = ["exporter e", "processor p2", "processor p1", "receiver r"];
    assert.deepEqual(journal, [
      ...order.map((name) => `start ${name}`),
      ...order.toReversed().map((name) => `stop ${name}`),
    ]);
  });

  it("has one instance of a receiver and an exporter that two pipelines share", async () => {
    const { graph, journal, send } = await graphOf({ profiles: "r > p > e", two: "r > p > e" });
    await graph.start();
    await send("r", batchOfRows(3));
    await graph.stop();
    const times = (line: string): number => journal.filter((entry) => entry === line).length;
    assert.equal(times("start receiver r"), 1);
    assert.equal(times("start exporter e"), 1);
    assert.equal(times("start processor p"), 2);
    assert.equal(times("consume exporter e 3"), 2);
  });

  it("gives a pipeline that changes batches its own copy", async () => {
    const seen: ProfileBatch[] = [];
    const onExport = async (_id: string, batch: ProfileBatch): Promise<void> => {
      seen.push(batch);
    };
    const pipelines = { plain: "r > p > e1", first: "r > x1 > e2", second: "r > x2 > e3" };
    const { graph, send } = await graphOf(pipelines, { onExport });
    await graph.start();
    const batch = batchOfRows(2);
    await send("r", batch);
    await graph.stop();
    assert.equal(new Set(seen).size, 3);
    const changed = seen.filter(({ dictionary }) => dictionary.strings.length > 1);
    assert.equal(changed.length, 2);
    assert.ok(!changed.includes(batch));
    assert.deepEqual(
      seen.map(({ sampleCount }) => sampleCount),
      [2, 2, 2],
    );
  });

  it("feeds a pipeline from another by a connector", async () => {
    const { graph, journal, send } = await graphOf({ in: "r > > c", out: "c > p > e" });
    await graph.start();
    await send("r", batchOfRows(1));
    await graph.stop();
    const consumed = journal.filter((entry) => entry.startsWith("consume"));
    assert.deepEqual(consumed, [
      "consume connector c",
      "consume processor p",
      "consume exporter e 1",
    ]);
    assert.ok(journal.indexOf("start exporter e") < journal.indexOf("start connector c"));
    assert.ok(journal.indexOf("stop connector c") < journal.indexOf("stop exporter e"));
  });

  it("stops what it started when a component cannot start", async () => {
    const { graph, journal } = await graphOf(
      { profiles: "r > p > e" },
      { failing: ["receiver r"] },
    );
    await assert.rejects(graph.start(), /receiver r cannot start/);
    assert.deepEqual(journal.slice(-2), ["stop processor p", "stop exporter e"]);
  });

  it("delivers at a stop what an exporter is still busy with [R15]", async () => {
    const { graph, journal, send } = await graphOf(
      { profiles: "r > > e" },
      { onExport: () => sleep(50) },
    );
    await graph.start();
    await send("r", batchOfRows(5));
    assert.ok(!journal.includes("consume exporter e 5"));
    await graph.stop();
    assert.ok(journal.includes("consume exporter e 5"));
  });

  it("asks all exporters to stop at once, and then waits for what they give up [R15]", async () => {
    const stuck = new Map(["e1", "e2"].map((id) => [id, Promise.withResolvers<void>()]));
    const onExport = (id: string): Promise<void> => stuck.get(id)?.promise ?? Promise.resolve();
    const onStop = async (name: string): Promise<void> => {
      if (!name.startsWith("exporter")) return;
      await sleep(100);
      // As an exporter does that has waited long enough.
      stuck.get(name.slice(-2))?.reject(new CollectorError("UNAVAILABLE_RETRYABLE", "given up"));
    };
    const { graph, send, registry } = await graphOf(
      { profiles: "r > > e1 e2" },
      { onExport, onStop },
    );
    await graph.start();
    await send("r", batchOfRows(3));
    const start = performance.now();
    await graph.stop();
    assert.ok(performance.now() - start < 190, "one after the other");
    for (const exporter of ["e1", "e2"]) {
      const name = "otelcol_exporter_send_failed_profile_samples";
      assert.equal(registry.value(name, { exporter }), 3);
    }
  });

  it("counts what an exporter says of a batch that it did not deliver whole [R18]", async () => {
    const results = [
      { delivered: 2, dropped: 3 },
      { delivered: 1, dropped: 1 },
    ];
    const onExport = async (): Promise<DeliveryResult> => {
      const result = results.shift() as DeliveryResult;
      if (results.length > 0) return result;
      throw new DeliveryError(new CollectorError("UNSUPPORTED", "half of it"), result);
    };
    const { graph, send, registry } = await graphOf({ profiles: "r > > e" }, { onExport });
    await graph.start();
    await send("r", batchOfRows(5));
    await send("r", batchOfRows(5));
    await graph.stop();
    const value = (name: string): number | undefined =>
      registry.value(`otelcol_exporter_${name}_profile_samples`, { exporter: "e" });
    assert.equal(value("sent"), 3);
    assert.equal(value("send_failed"), 3);
  });

  it("goes on when an exporter fails, and counts in samples [R18]", async () => {
    const onExport = async (id: string): Promise<void> => {
      if (id === "e1") throw new CollectorError("UNAVAILABLE_RETRYABLE", "nobody is there");
    };
    const { graph, send, registry } = await graphOf({ profiles: "r > > e1 e2" }, { onExport });
    await graph.start();
    for (const samples of [1, 2, 3]) await send("r", batchOfRows(samples));
    await graph.stop();
    const value = (name: string, kind: string, id: string): number | undefined =>
      registry.value(`otelcol_${name}_profile_samples`, { [kind]: id });
    assert.equal(value("receiver_accepted", "receiver", "r"), 6);
    assert.equal(value("receiver_refused", "receiver", "r"), 0);
    assert.equal(value("exporter_send_failed", "exporter", "e1"), 6);
    assert.equal(value("exporter_sent", "exporter", "e1"), 0);
    assert.equal(value("exporter_sent", "exporter", "e2"), 6);
  });

  it("lets an exporter that hangs hold up neither the receiver nor another exporter", async () => {
    const hanging = Promise.withResolvers<void>();
    const onExport = (id: string): Promise<void> =>
      id === "e1" ? hanging.promise : Promise.resolve();
    const { graph, send, registry } = await graphOf({ profiles: "r > > e1 e2" }, { onExport });
    await graph.start();
    for (let batch = 0; batch < 25; batch++) await send("r", batchOfRows(1));
    hanging.resolve();
    await graph.stop();
    const value = (name: string, id: string): number | undefined =>
      registry.value(`otelcol_exporter_${name}_profile_samples`, { exporter: id });
    assert.equal(value("sent", "e2"), 25);
    assert.equal(value("sent", "e1"), 10);
    assert.equal(value("enqueue_failed", "e1"), 15);
  });
});

describe("findCycle", () => {
  const connectors = new Map(["c1", "c2"].map((id) => [id, undefined as never]));
  const cycleOf = (pipelines: Record<string, string>): string[] | undefined =>
    findCycle({
      connectors,
      pipelines: new Map(Object.entries(pipelines).map(([id, text]) => [id, pipelineOf(text)])),
    });

  it("tells the way around", () => {
    assert.deepEqual(cycleOf({ a: "r > > c1", b: "c1 > > c2", d: "c2 > > c1" }), [
      "b",
      "c2",
      "d",
      "c1",
      "b",
    ]);
  });

  it("finds a connector that feeds its own pipeline", () => {
    assert.deepEqual(cycleOf({ a: "r c1 > > c1" }), ["a", "c1", "a"]);
  });

  it("finds none where two ways meet again", () => {
    const meeting = { a: "r > > c1 c2", b: "c1 > > e", d: "c2 c1 > > e" };
    assert.equal(cycleOf(meeting), undefined);
  });
});
