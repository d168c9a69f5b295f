import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Client, credentials } from "@grpc/grpc-js";
import { decodeOtlp } from "../../src/profiles/otlp/decode.ts";
import { encodeOtlp } from "../../src/profiles/otlp/encode.ts";
import { encodeOtlpJson } from "../../src/profiles/otlp/json-encode.ts";
import { sampleMultiset } from "../../src/profiles/resolved.ts";
import { genuinePayloads } from "../../src/profiles/testing/genuine-payloads.ts";
import { sleep } from "../../src/support/clock.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { type RunningCollector, startCollector } from "../support/otelcol.ts";
import { requirement } from "../support/requirements.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const EXPORT = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";

/** Five seconds: the collector writes what it has every 50 ms. */
const POLLS_MAX = 250;
const POLL_MS = 20;

type Send = (collector: RunningCollector, message: Uint8Array) => Promise<void>;

async function post(
  collector: RunningCollector,
  contentType: string,
  body: Uint8Array,
): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${collector.httpPort}/v1development/profiles`, {
    method: "POST",
    headers: { "content-type": contentType },
    body: new Uint8Array(body),
  });
  assert.equal(response.status, 200, await response.text());
}

async function call({ grpcPort }: RunningCollector, message: Uint8Array): Promise<void> {
  const client = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure());
  const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  try {
    await new Promise<void>((resolve, reject) => {
      client.makeUnaryRequest(EXPORT, same, same, message, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  } finally {
    client.close();
  }
}

const ways: readonly { name: string; way: "grpc" | "http"; send: Send }[] = [
  { name: "gRPC", way: "grpc", send: call },
  {
    name: "HTTP in protobuf",
    way: "http",
    send: (collector, message) => post(collector, "application/x-protobuf", message),
  },
  {
    name: "HTTP in JSON",
    way: "http",
    send: (collector, message) => {
      const json = encodeOtlpJson(decodeOtlp(message, FILE_LIMITS));
      return post(collector, "application/json", json);
    },
  },
];

const skip = requirement("otelcol");

describe("the OpenTelemetry Collector", () => {
  for (const { name, way, send } of ways) {
    it(`takes by ${name} what its own profiler sent and what we make of it`, { skip }, async () => {
      using folder = temporaryFolder();
      await using collector = await startCollector(folder.path);
      for (const { bytes } of genuinePayloads) {
        await send(collector, bytes);
        await send(collector, encodeOtlp(decodeOtlp(bytes, FILE_LIMITS)));
      }
      await collector.stop();
      const sent = genuinePayloads.flatMap(({ bytes }) => [bytes, bytes]);
      const received = collector.profiles(way);
      assert.equal(received.length, sent.length);
      for (const [index, batch] of received.entries()) {
        const expected = decodeOtlp(sent[index] as Uint8Array, FILE_LIMITS);
        assert.deepEqual(sampleMultiset(batch), sampleMultiset(expected));
      }
      assert.deepEqual(collector.profiles(way === "grpc" ? "http" : "grpc"), []);
    });
  }

  it("shows what has arrived while it runs", { skip }, async () => {
    using folder = temporaryFolder();
    await using collector = await startCollector(folder.path);
    await call(collector, genuinePayloads[0]?.bytes ?? new Uint8Array());
    for (let poll = 0; poll < POLLS_MAX && collector.profiles("grpc").length === 0; poll++) {
      await sleep(POLL_MS);
    }
    assert.equal(collector.profiles("grpc").length, 1);
  });

  it("refuses what is no profile", { skip }, async () => {
    using folder = temporaryFolder();
    await using collector = await startCollector(folder.path);
    await assert.rejects(call(collector, Uint8Array.of(0xff, 0xff)), /INVALID_ARGUMENT|INTERNAL/);
    await assert.rejects(post(collector, "text/plain", Uint8Array.of(1)), /415/);
  });
});
