import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import {
  Client,
  type ClientOptions,
  compressionAlgorithms,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { decodeOtlp } from "../../src/profiles/otlp/decode.ts";
import { encodeOtlpJson } from "../../src/profiles/otlp/json-encode.ts";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { sampleMultiset } from "../../src/profiles/resolved.ts";
import { genuinePayloads } from "../../src/profiles/testing/genuine-payloads.ts";
import { messageWith } from "../../src/profiles/testing/otlp-message.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { readExportResponse } from "./otlp-messages.ts";
import {
  type OtlpGrpcSink,
  type OtlpHttpSink,
  otlpHttpError,
  startOtlpGrpcSink,
  startOtlpHttpSink,
} from "./otlp-sink.ts";

const EXPORT = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";
const payloads = [messageWith(), ...genuinePayloads.map(({ bytes }) => bytes)];
const someTaken = { rejectedProfiles: 2, errorMessage: "two are too old" };

async function post(
  { endpoint }: OtlpHttpSink,
  body: Uint8Array,
  headers: Record<string, string> = {},
): Promise<{ status: number; type: string | null; body: Uint8Array }> {
  const response = await fetch(`${endpoint}/v1development/profiles`, {
    method: "POST",
    headers: { "content-type": "application/x-protobuf", ...headers },
    body: new Uint8Array(body),
  });
  const type = response.headers.get("content-type");
  return { status: response.status, type, body: await response.bytes() };
}

/** One call on a connection of its own; the error's code is grpc-js's. */
async function call(
  { endpoint }: OtlpGrpcSink,
  message: Uint8Array,
  options: ClientOptions = {},
): Promise<Uint8Array> {
  const client = new Client(endpoint, credentials.createInsecure(), options);
  const metadata = new Metadata();
  metadata.set("x-scope-orgid", "team");
  const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
  const deadline = Date.now() + 5000;
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        EXPORT,
        same,
        same,
        message,
        metadata,
        { deadline },
        (error, reply) => (reply === undefined ? reject(error) : resolve(reply)),
      );
    });
  } finally {
    client.close();
  }
}

function assertTaken(batches: readonly ProfileBatch[], sent: readonly Uint8Array[]): void {
  assert.deepEqual(
    batches.map((batch) => sampleMultiset(batch)),
    sent.map((bytes) => sampleMultiset(decodeOtlp(bytes, FILE_LIMITS))),
  );
}

describe("the OTLP sink over HTTP", () => {
  it("takes genuine profiles, in protobuf and JSON, compressed or not", async () => {
    await using sink = await startOtlpHttpSink();
    for (const payload of payloads) {
      const plain = await post(sink, payload);
      assert.equal(plain.status, 200);
      assert.deepEqual(readExportResponse(plain.body), { partialSuccess: null });
      const json = encodeOtlpJson(decodeOtlp(payload, FILE_LIMITS));
      const inJson = await post(sink, json, { "content-type": "application/json" });
      assert.equal(Buffer.from(inJson.body).toString(), "{}");
      await post(sink, gzipSync(payload), { "content-encoding": "gzip", "x-scope-orgid": "team" });
    }
    assertTaken(
      sink.batches,
      payloads.flatMap((payload) => [payload, payload, payload]),
    );
    assert.equal(sink.requests[2]?.headers["x-scope-orgid"], "team");
    assert.ok((sink.requests[8]?.wireBytes ?? 0) < (payloads[2]?.length ?? 0));
  });

  it("tells that it took a part only", async () => {
    await using sink = await startOtlpHttpSink();
    sink.succeedPartially(someTaken);
    const { body } = await post(sink, messageWith());
    assert.deepEqual(readExportResponse(body), { partialSuccess: someTaken });
    assert.equal(sink.batches.length, 1);
  });

  it("answers as it is told, then takes profiles again", async () => {
    await using sink = await startOtlpHttpSink();
    const busy = otlpHttpError(503, status.UNAVAILABLE, "busy", { "retry-after": "1" });
    sink.fail(busy, 1);
    const first = await post(sink, messageWith());
    assert.equal(first.status, 503);
    assert.equal(first.type, "application/x-protobuf");
    sink.fail("reset");
    await assert.rejects(post(sink, messageWith()));
    sink.fail("hang");
    post(sink, messageWith()).catch(() => {});
    await sink.waitForRequests(3);
    assert.equal(sink.batches.length, 0);
    sink.recover();
    assert.equal((await post(sink, messageWith())).status, 200);
    assert.equal(sink.batches.length, 1);
  });

  it("refuses what OTLP does", async () => {
    await using sink = await startOtlpHttpSink();
    assert.equal((await post(sink, messageWith(), { "content-type": "text/plain" })).status, 415);
    assert.equal((await post(sink, messageWith(), { "content-encoding": "gzip" })).status, 400);
    assert.equal((await post(sink, Uint8Array.of(0xff))).status, 400);
    const broken = messageWith((message) => message.dictionary.stringTable.splice(1));
    assert.equal((await post(sink, broken)).status, 400);
    assert.equal((await fetch(`${sink.endpoint}/v1development/profiles`)).status, 405);
    assert.equal((await fetch(`${sink.endpoint}/v1/profiles`)).status, 404);
    assert.deepEqual(sink.batches, []);
  });
});

describe("the OTLP sink over gRPC", () => {
  it("takes genuine profiles", async () => {
    await using sink = await startOtlpGrpcSink();
    for (const payload of payloads) {
      assert.deepEqual(readExportResponse(await call(sink, payload)), { partialSuccess: null });
    }
    assertTaken(sink.batches, payloads);
    assert.equal(sink.connectionCount, payloads.length);
    assert.equal(sink.requests[0]?.metadata["x-scope-orgid"], "team");
  });

  it("takes a compressed message and tells how much came over the wire", async () => {
    await using sink = await startOtlpGrpcSink();
    const large = payloads.at(-1) ?? new Uint8Array();
    await call(sink, large, { "grpc.default_compression_algorithm": compressionAlgorithms.gzip });
    assertTaken(sink.batches, [large]);
    assert.ok(sink.wireBytes > large.length / 10);
    assert.ok(sink.wireBytes < large.length / 2);
  });

  it("tells that it took a part only", async () => {
    await using sink = await startOtlpGrpcSink();
    sink.succeedPartially(someTaken);
    const reply = await call(sink, messageWith());
    assert.deepEqual(readExportResponse(reply), { partialSuccess: someTaken });
  });

  it("answers as it is told, then takes profiles again", async () => {
    await using sink = await startOtlpGrpcSink();
    const { RESOURCE_EXHAUSTED } = status;
    sink.fail({ code: RESOURCE_EXHAUSTED, details: "too fast", retryDelayMs: 1500 }, 1);
    await assert.rejects(call(sink, messageWith()), (error: ServiceError) => {
      assert.equal(error.code, RESOURCE_EXHAUSTED);
      assert.equal(error.details, "too fast");
      const [details] = error.metadata.get("grpc-status-details-bin");
      assert.match(String(details), /google\.rpc\.RetryInfo/);
      return true;
    });
    sink.fail("reset");
    await assert.rejects(call(sink, messageWith()), { code: status.UNAVAILABLE });
    sink.fail("hang");
    call(sink, messageWith()).catch(() => {});
    await sink.waitForRequests(3);
    assert.equal(sink.batches.length, 0);
    sink.recover();
    await call(sink, messageWith());
    assert.equal(sink.batches.length, 1);
  });

  it("refuses what is no message", async () => {
    await using sink = await startOtlpGrpcSink();
    await assert.rejects(call(sink, Uint8Array.of(0xff)), { code: status.INVALID_ARGUMENT });
    assert.deepEqual(sink.batches, []);
  });
});
