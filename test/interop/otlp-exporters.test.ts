import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checked } from "../../src/config/check.ts";
import { otlpGrpc } from "../../src/exporters/otlp_grpc/index.ts";
import { otlpHttp } from "../../src/exporters/otlp_http/index.ts";
import type { ComponentContext, Exporter } from "../../src/pipeline/component.ts";
import { testContext } from "../../src/pipeline/testing/context.ts";
import { emptyProfile, ProfileBatch } from "../../src/profiles/profile.ts";
import { sampleMultiset } from "../../src/profiles/resolved.ts";
import { isCollectorError } from "../../src/support/errors.ts";
import { type OtlpWay, type RunningCollector, startCollector } from "../support/otelcol.ts";
import { requirement } from "../support/requirements.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

function batchOf(count: number): ProfileBatch {
  const batch = new ProfileBatch();
  const { strings, functions, locations, stacks } = batch.dictionary;
  const profile = emptyProfile();
  profile.timeUnixNano = 1_764_000_000_123_456_789n;
  profile.sampleType = { type: strings.intern("samples"), unit: strings.intern("count") };
  for (let value = 1; value <= count; value++) {
    const line = [functions.intern(strings.intern(`größe_${value}`), 0, 0, 0), 0, 0];
    profile.samples.push(stacks.intern([locations.intern(0, 0, 0, line, 0)]), 0, 0, value);
  }
  const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
  batch.resourceProfiles.push({
    resource: { attributes: [], droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [{ scope, schemaUrl: "", profiles: [profile] }],
  });
  return batch;
}

type Create = (collector: RunningCollector, context: ComponentContext) => Promise<Exporter>;

/** Sends one batch by an exporter that is made, started and stopped for it. */
async function send(collector: RunningCollector, create: Create, batch: ProfileBatch) {
  const exporter = await create(collector, testContext());
  await exporter.start();
  try {
    await exporter.consume(batch);
  } finally {
    await exporter.stop();
  }
}

function http(options: object): Create {
  return async ({ httpPort }, context) => {
    const endpoint = `http://127.0.0.1:${httpPort}`;
    return await otlpHttp.create(checked(otlpHttp.config, { endpoint, ...options }), context);
  };
}

function grpc(options: object): Create {
  return async ({ grpcPort }, context) => {
    const config = { endpoint: `127.0.0.1:${grpcPort}`, tls: { insecure: true }, ...options };
    return await otlpGrpc.create(checked(otlpGrpc.config, config), context);
  };
}

const ways: readonly { name: string; way: OtlpWay; create: Create }[] = [
  { name: "gRPC", way: "grpc", create: grpc({}) },
  { name: "gRPC without compression", way: "grpc", create: grpc({ compression: "none" }) },
  { name: "HTTP", way: "http", create: http({}) },
  { name: "HTTP in JSON", way: "http", create: http({ encoding: "json" }) },
  ...["zlib", "deflate", "zstd", "none"].map((compression) => ({
    name: `HTTP with compression ${compression}`,
    way: "http" as const,
    create: http({ compression }),
  })),
];

describe("the OTLP exporters and the OpenTelemetry Collector", {
  skip: requirement("otelcol"),
}, () => {
  for (const { name, way, create } of ways) {
    it(`agree on every sample by ${name} [R18]`, async () => {
      using folder = temporaryFolder();
      await using collector = await startCollector(folder.path);
      const given = batchOf(500);
      await send(collector, create, given);
      await collector.stop();
      const [received = assert.fail("nothing came")] = collector.profiles(way);
      assert.deepEqual(sampleMultiset(received), sampleMultiset(given));
    });
  }

  it("agree that gRPC has TLS unless it is turned off, whatever the scheme", async () => {
    using folder = temporaryFolder();
    await using collector = await startCollector(folder.path);
    const endpoint = `http://127.0.0.1:${collector.grpcPort}`;
    const secured = grpc({ endpoint, tls: {} });
    await assert.rejects(send(collector, secured, batchOf(1)), /set tls::insecure: true/);
    await send(collector, grpc({ endpoint }), batchOf(1));
  });

  it("agree on what is refused", async () => {
    using folder = temporaryFolder();
    await using collector = await startCollector(folder.path);
    const profiles_endpoint = `http://127.0.0.1:${collector.httpPort}/v1/elsewhere`;
    await assert.rejects(send(collector, http({ profiles_endpoint }), batchOf(1)), (error) => {
      assert.ok(isCollectorError(error, "NOT_FOUND"), String(error));
      assert.match(error.message, /answered 404 Not Found: 404 page not found$/);
      return true;
    });
  });
});
