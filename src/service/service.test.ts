import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { describe, it } from "node:test";
import { codeSource } from "../config/check.ts";
import { batchOfRows } from "../pipeline/testing/batch.ts";
import { testComponents } from "../pipeline/testing/journal-components.ts";
import { createLogger } from "../support/logger.ts";
import { readConfiguration } from "./configuration.ts";
import { Definitions } from "./definitions.ts";
import { Service } from "./service.ts";

const pipelines = { profiles: { receivers: ["test"], exporters: ["test"] } };

/** A free port of this host, as far as one can know. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}

function readerOn(port: number): object {
  return { pull: { exporter: { prometheus: { host: "127.0.0.1", port } } } };
}

async function serviceOf(
  metrics: object,
  lines: string[] = [],
  onStop?: (name: string) => Promise<void>,
) {
  const parts = testComponents(onStop === undefined ? {} : { onStop });
  const definitions = new Definitions([parts.receiver, parts.exporter]);
  const value = {
    receivers: { test: null },
    exporters: { test: null },
    service: { telemetry: { metrics }, pipelines },
  };
  const configuration = readConfiguration(value, codeSource, definitions);
  const logger = createLogger("info", (line) => void lines.push(line));
  return { ...parts, service: await Service.create(configuration, { logger }) };
}

describe("Service", () => {
  it("answers Prometheus with what went through", async () => {
    const port = await freePort();
    const { service, send } = await serviceOf({ readers: [readerOn(port)] });
    await service.start();
    await send("test", batchOfRows(4));
    await new Promise(setImmediate);
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    const text = await response.text();
    await service.stop();
    assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert.match(text, /^otelcol_receiver_accepted_profile_samples\{receiver="test"\} 4$/m);
    assert.match(text, /^otelcol_exporter_sent_profile_samples\{exporter="test"\} 4$/m);
    assert.match(text, /^# TYPE otelcol_process_memory_rss gauge$/m);
    assert.match(text, /^otelcol_process_cpu_seconds \d/m);
    await assert.rejects(fetch(`http://127.0.0.1:${port}/metrics`));
  });

  it("spells names as the reader asks", async () => {
    const port = await freePort();
    const spelling = { without_type_suffix: false, without_units: false };
    const prometheus = { host: "127.0.0.1", port, ...spelling };
    const { service } = await serviceOf({ readers: [{ pull: { exporter: { prometheus } } }] });
    await service.start();
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    await service.stop();
    assert.match(text, /^otelcol_process_uptime_seconds_total \d/m);
    assert.match(text, /^otelcol_process_memory_rss_bytes \d/m);
  });

  it("answers nothing but GET /metrics", async () => {
    const port = await freePort();
    const { service } = await serviceOf({ readers: [readerOn(port)] });
    await service.start();
    const statusOf = async (path: string, method = "GET"): Promise<number> =>
      (await fetch(`http://127.0.0.1:${port}${path}`, { method })).status;
    assert.equal(await statusOf("/"), 404);
    assert.equal(await statusOf("/metrics", "POST"), 405);
    await service.stop();
  });

  it("stops at once while a client holds its connection", async () => {
    const port = await freePort();
    const { service } = await serviceOf({ readers: [readerOn(port)] });
    await service.start();
    const client = connect(port, "127.0.0.1");
    await new Promise((resolve) => client.once("connect", resolve));
    const closed = new Promise((resolve) => client.once("close", resolve));
    await service.stop();
    await closed;
  });

  it("does not start when an address that was asked for is taken, and leaves nothing", async () => {
    const port = await freePort();
    const first = await serviceOf({ readers: [readerOn(port)] });
    await first.service.start();
    const second = await serviceOf({ readers: [readerOn(port)] });
    await assert.rejects(second.service.start(), new RegExp(`127.0.0.1:${port}: .*EADDRINUSE`));
    assert.deepEqual(second.journal, []);
    await first.service.stop();
  });

  it("runs without metrics when the usual port is a Collector's", async () => {
    const lines: string[] = [];
    const first = await serviceOf({});
    await first.service.start();
    const second = await serviceOf({}, lines);
    await second.service.start();
    assert.ok(second.journal.includes("start receiver test"));
    assert.match(lines.join(""), /WARN metrics cannot be served on localhost:8888: .*readers/);
    await second.service.stop();
    await first.service.stop();
  });

  it("stops once however often it is asked, and after a start that is under way", async () => {
    const { service, journal } = await serviceOf({ level: "none" });
    const starting = service.start();
    await Promise.all([service.stop(), service.stop(), service[Symbol.asyncDispose]()]);
    await starting;
    assert.deepEqual(journal, [
      "start exporter test",
      "start receiver test",
      "stop receiver test",
      "stop exporter test",
    ]);
  });

  it("tells of a stop that fails once, not again when it is disposed of", async () => {
    const { service } = await serviceOf({ level: "none" }, [], async (name) => {
      if (name === "exporter test") throw new Error("the disk is full");
    });
    const run = async (): Promise<void> => {
      await using running = service;
      await running.start();
      await running.stop();
    };
    await assert.rejects(run(), { message: "the disk is full" });
  });

  it("answers no metrics after a start that failed", async () => {
    const [free, taken] = [await freePort(), await freePort()];
    const first = await serviceOf({ readers: [readerOn(taken)] });
    await first.service.start();
    const second = await serviceOf({ readers: [readerOn(free), readerOn(taken)] });
    await assert.rejects(second.service.start(), /EADDRINUSE/);
    await assert.rejects(fetch(`http://127.0.0.1:${free}/metrics`));
    await first.service.stop();
  });

  it("gives everything back without delivery when it is disposed of", async () => {
    const { service, journal } = await serviceOf({ level: "none" });
    await service.start();
    await service[Symbol.asyncDispose]();
    assert.deepEqual(journal.slice(2), ["stop receiver test", "stop exporter test"]);
  });
});
