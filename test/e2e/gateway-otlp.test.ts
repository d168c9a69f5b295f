import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { checked } from "../../src/config/check.ts";
import { otlpGrpcConfig } from "../../src/exporters/otlp_grpc/config.ts";
import { OtlpGrpcExporter } from "../../src/exporters/otlp_grpc/exporter.ts";
import { otlpHttpConfig } from "../../src/exporters/otlp_http/config.ts";
import { OtlpHttpExporter } from "../../src/exporters/otlp_http/exporter.ts";
import type { Exporter } from "../../src/pipeline/component.ts";
import { testContext } from "../../src/pipeline/testing/context.ts";
import { decodeOtlp } from "../../src/profiles/otlp/decode.ts";
import { encodeOtlp } from "../../src/profiles/otlp/encode.ts";
import { emptyProfile, ProfileBatch } from "../../src/profiles/profile.ts";
import { resolvedSamples, sampleMultiset } from "../../src/profiles/resolved.ts";
import { sleep } from "../../src/support/clock.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { packageRoot } from "../../src/support/package-root.ts";
import { startOtlpHttpSink } from "../support/otlp-sink.ts";
import { totalOf } from "../support/receiver-run.ts";
import { type RunningCommand, startObsforge } from "../support/run-command.ts";

const GATEWAY = join(packageRoot(), "config/gateway.yaml");
const NO_METRICS = ["--set", "service.telemetry.metrics.level=none"];

async function addressOf(gateway: RunningCommand, transport: string): Promise<string> {
  const line = new RegExp(`listening .*transport=${transport} address=(\\S+)`);
  for (let tries = 0; tries < 200; tries++) {
    const [, address] = line.exec(gateway.stderr()) ?? [];
    if (address !== undefined) return address;
    await sleep(50);
  }
  assert.fail(gateway.stderr());
}

/** Named frames, as an agent sends them that symbolizes by itself. */
function agentBatch(value: number): ProfileBatch {
  const batch = new ProfileBatch();
  const { strings, functions, locations, stacks } = batch.dictionary;
  const profile = emptyProfile();
  profile.sampleType = { type: strings.intern("samples"), unit: strings.intern("count") };
  const line = [functions.intern(strings.intern("main"), 0, 0, 0), 7, 0];
  profile.samples.push(stacks.intern([locations.intern(0, 0, 0, line, 0)]), 0, 0, value);
  const scope = { name: "agent", version: "1", attributes: [], droppedAttributesCount: 0 };
  batch.resourceProfiles.push({
    resource: { attributes: [], droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [{ scope, schemaUrl: "", profiles: [profile] }],
  });
  return batch;
}

describe("config/gateway.yaml", () => {
  it("passes on what agents send by gRPC and HTTP, and all of it by its stop [R18]", async () => {
    await using sink = await startOtlpHttpSink();
    const env = {
      ...process.env,
      LISTEN_HOST: "127.0.0.1",
      OTLP_GRPC_PORT: "0",
      OTLP_HTTP_PORT: "0",
      OTLP_HTTP_ENDPOINT: sink.endpoint,
    };
    await using gateway = await startObsforge(["run", "--config", GATEWAY, ...NO_METRICS], { env });
    const grpc = await addressOf(gateway, "grpc");
    const http = await addressOf(gateway, "http");
    const toGrpc = { endpoint: grpc, tls: { insecure: true } };
    const agents: readonly Exporter[] = [
      new OtlpGrpcExporter(checked(otlpGrpcConfig, toGrpc), testContext()),
      new OtlpHttpExporter(checked(otlpHttpConfig, { endpoint: `http://${http}` }), testContext()),
    ];
    for (const [index, agent] of agents.entries()) {
      await agent.start();
      // Through bytes, as what an agent on another host has written.
      const batch = decodeOtlp(encodeOtlp(agentBatch(10 ** index)), FILE_LIMITS);
      await agent.consume(batch);
    }
    gateway.signal("SIGTERM");
    const { code, stderr } = await gateway.ended;
    for (const agent of agents) await agent.stop();
    assert.equal(code, 0, stderr);
    assert.equal(sink.batches.length, 2, stderr);
    assert.equal(
      sink.batches.reduce((sum, batch) => sum + totalOf(batch), 0),
      11,
    );
    const names = sink.batches.flatMap((batch) => resolvedSamples(batch, "names"));
    assert.ok(names.every((sample) => JSON.stringify(sample).includes("main")));
    assert.ok(sampleMultiset(sink.batches[0] as ProfileBatch).size === 1);
  });
});
