import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { decodeOtlp } from "../../src/profiles/otlp/decode.ts";
import { sampleMultiset } from "../../src/profiles/resolved.ts";
import { genuinePayloads } from "../../src/profiles/testing/genuine-payloads.ts";
import { OtlpTrial } from "../../src/receivers/otlp/testing/otlp-trial.ts";
import { sleep } from "../../src/support/clock.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { nodeHttp } from "../../src/transport/node-http.ts";
import { collectorPath } from "../support/otelcol.ts";
import { requirement } from "../support/requirements.ts";
import { startCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** A free port, which another process may take until it is used. */
async function freePort(): Promise<number> {
  await using trial = await OtlpTrial.start();
  return Number(trial.http.split(":")[1]);
}

function configuration(port: number, { grpc, http }: OtlpTrial): string {
  return `
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:${port}" } } } }
exporters:
  otlp: { endpoint: "${grpc}", tls: { insecure: true } }
  otlphttp/gzip: { endpoint: "http://${http}" }
  otlphttp/zstd: { endpoint: "http://${http}", compression: zstd }
  otlphttp/json: { endpoint: "http://${http}", encoding: json, compression: deflate }
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    profiles:
      receivers: [otlp]
      exporters: [otlp, otlphttp/gzip, otlphttp/zstd, otlphttp/json]
`;
}

/** Resolves when the server takes the message; it may still be starting. */
async function push(port: number, body: Uint8Array): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const headers = { "content-type": "application/x-protobuf" };
    const url = `http://127.0.0.1:${port}/v1development/profiles`;
    const request = nodeHttp().request(url, { method: "POST", headers, agent: false });
    request.on("response", (response) => resolve(response.resume().statusCode));
    request.on("error", () => resolve(undefined)).end(body);
    if ((await promise) === 200) return;
    await sleep(100);
  }
  assert.fail("the collector takes nothing");
}

describe("the otlp receiver and the Collector's exporters", {
  skip: requirement("otelcol"),
}, () => {
  it("takes genuine profiles from each, with all that they hold", async () => {
    await using trial = await OtlpTrial.start({ grpc: { max_recv_msg_size_mib: 16 } });
    using folder = temporaryFolder();
    const path = folder.file("otelcol.yaml");
    const port = await freePort();
    writeFileSync(path, configuration(port, trial));
    const gate = "--feature-gates=service.profilesSupport";
    await using collector = await startCommand(collectorPath(), [`--config=${path}`, gate]);
    for (const { bytes } of genuinePayloads) await push(port, bytes);
    const wanted = 4 * genuinePayloads.length;
    for (let tries = 0; tries < 100 && trial.sink.batches.length < wanted; tries++) {
      await sleep(100);
    }
    assert.equal(trial.sink.batches.length, wanted, collector.stderr());
    for (const { name, bytes } of genuinePayloads) {
      const expected = JSON.stringify([...sampleMultiset(decodeOtlp(bytes, FILE_LIMITS))].sort());
      const same = trial.sink.batches.filter(
        (batch) => JSON.stringify([...sampleMultiset(batch)].sort()) === expected,
      );
      assert.equal(same.length, 4, name);
    }
  });
});
