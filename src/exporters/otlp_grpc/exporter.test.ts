import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { after, describe, it } from "node:test";
import { ServerCredentials, status } from "@grpc/grpc-js";
import { startHttpSink } from "../../../test/support/http-sink.ts";
import { startOtlpGrpcSink } from "../../../test/support/otlp-sink.ts";
import { checked } from "../../config/check.ts";
import { testContext } from "../../pipeline/testing/context.ts";
import { emptyProfile, ProfileBatch } from "../../profiles/profile.ts";
import { sampleMultiset } from "../../profiles/resolved.ts";
import { systemClock } from "../../support/clock.ts";
import { type ErrorCode, isCollectorError } from "../../support/errors.ts";
import { createLogger } from "../../support/logger.ts";
import { MetricRegistry } from "../../support/metrics.ts";
import { OTLP_REQUEST_BYTES_MAX } from "../../transport/otlp-client.ts";
import { testCertificates } from "../../transport/testing/certificates.ts";
import { assertGivesUp, startSilentServer } from "../../transport/testing/hanging.ts";
import { otlpGrpcConfig } from "./config.ts";
import { OtlpGrpcExporter } from "./exporter.ts";

const CANARY = "canary-7f3a9c";
const REJECTED = "obsforge_exporter_rejected_profiles_total";
const INSECURE = { tls: { insecure: true } };
const certificates = testCertificates();
after(() => certificates[Symbol.dispose]());

function batchOf(...values: number[]): ProfileBatch {
  const batch = new ProfileBatch();
  const { strings, functions, locations, stacks } = batch.dictionary;
  const profile = emptyProfile();
  profile.sampleType = { type: strings.intern("samples"), unit: strings.intern("count") };
  for (const [index, value] of values.entries()) {
    const line = [functions.intern(strings.intern(`größe_${index}`), 0, 0, 0), 0, 0];
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

class Trial implements AsyncDisposable {
  readonly registry = new MetricRegistry();
  readonly lines: string[] = [];
  readonly exporter: OtlpGrpcExporter;

  constructor(config: object) {
    this.exporter = new OtlpGrpcExporter(
      checked(otlpGrpcConfig, config),
      testContext({
        metrics: this.registry.metrics(),
        logger: createLogger("debug", (line) => this.lines.push(line)),
        clock: { ...systemClock, monotonicNanos: () => 0n },
      }),
    );
  }

  async send(batch = batchOf(7)): Promise<void> {
    await this.exporter.start();
    await this.exporter.consume(batch);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.exporter.stop();
    assert.ok(!this.lines.join("").includes(CANARY), "a log line has the secret [S14]");
  }
}

async function assertFails(given: Promise<void>, code: ErrorCode, says: RegExp): Promise<void> {
  await assert.rejects(given, (error) => {
    assert.ok(isCollectorError(error, code), String(error));
    assert.match(error.message, says);
    assert.ok(!error.message.includes(CANARY), error.message);
    return true;
  });
}

describe("otlp_grpc", () => {
  for (const prefix of ["", "http://", "dns:///"]) {
    it(`delivers every sample to ${prefix}HOST:PORT [R18]`, async () => {
      await using sink = await startOtlpGrpcSink();
      await using trial = new Trial({ endpoint: `${prefix}${sink.endpoint}`, ...INSECURE });
      const given = batchOf(1, Number.MAX_SAFE_INTEGER, 3);
      await trial.send(given);
      assert.deepEqual(sampleMultiset(sink.batches[0] ?? assert.fail()), sampleMultiset(given));
    });
  }

  it("takes the batch as it is at the call", async () => {
    await using sink = await startOtlpGrpcSink();
    await using trial = new Trial({ endpoint: sink.endpoint, ...INSECURE });
    await trial.exporter.start();
    const given = batchOf(7);
    const expected = sampleMultiset(given);
    const sent = trial.exporter.consume(given);
    given.resourceProfiles.length = 0;
    await sent;
    assert.deepEqual(sampleMultiset(sink.batches[0] ?? assert.fail()), expected);
  });

  it("sends the user's headers, its name, and small messages over one connection", async () => {
    await using sink = await startOtlpGrpcSink();
    const headers = { "X-Tenant": "a", "trace-bin": "größe" };
    const config = { endpoint: sink.endpoint, headers, user_agent: "mine/1", ...INSECURE };
    await using trial = new Trial(config);
    const large = batchOf(...Array.from({ length: 5000 }, (_, index) => index + 1));
    await trial.send(large);
    await trial.send(large);
    const [{ metadata, body } = assert.fail()] = sink.requests;
    assert.equal(metadata["x-tenant"], "a");
    assert.deepEqual(metadata["trace-bin"], Buffer.from("größe"));
    assert.match(String(metadata["user-agent"]), /^mine\/1/);
    assert.equal(sink.connectionCount, 1);
    assert.ok(sink.wireBytes < body.length, `${sink.wireBytes} of twice ${body.length}`);
  });

  for (const headers of [{ "x-a": `${CANARY}ü` }, { "x-b": `${CANARY}\n` }, { "x c": CANARY }]) {
    it(`refuses the header ${Object.keys(headers)[0]} and keeps its value [S14]`, () => {
      const make = (): Trial => new Trial({ endpoint: "localhost:4317", headers });
      assert.throws(make, (error) => {
        assert.ok(isCollectorError(error, "CONFIG_INVALID"));
        assert.match(error.message, /^headers::x.[abc]/);
        assert.ok(!error.message.includes(CANARY), error.message);
        return true;
      });
    });
  }

  for (const { name, fault, code, says } of [
    {
      name: "bad data",
      fault: { code: status.INVALID_ARGUMENT, details: "broken" },
      code: "INPUT_MALFORMED",
      says: /answered INVALID_ARGUMENT: broken$/,
    },
    {
      name: "a bad token",
      fault: { code: status.UNAUTHENTICATED, details: `no token ${CANARY}` },
      code: "PERMISSION",
      says: /UNAUTHENTICATED: no token \[REDACTED\]$/,
    },
    {
      name: "a server without profiles",
      fault: { code: status.UNIMPLEMENTED, details: "unknown service" },
      code: "UNSUPPORTED",
      says: /UNIMPLEMENTED: unknown service$/,
    },
    {
      name: "a large batch",
      fault: { code: status.RESOURCE_EXHAUSTED, details: "too large" },
      code: "LIMIT_EXCEEDED",
      says: /RESOURCE_EXHAUSTED: too large \(.* not split\)$/,
    },
    {
      name: "a full server that says when it has room",
      fault: { code: status.RESOURCE_EXHAUSTED, details: "full", retryDelayMs: 1500 },
      code: "UNAVAILABLE_RETRYABLE",
      says: /RESOURCE_EXHAUSTED: full/,
    },
    {
      name: "a server that is away",
      fault: { code: status.UNAVAILABLE, details: "restarting" },
      code: "UNAVAILABLE_RETRYABLE",
      says: /UNAVAILABLE: restarting$/,
    },
  ] as const) {
    it(`says what the server says of ${name}`, async () => {
      await using sink = await startOtlpGrpcSink();
      sink.fail(fault);
      const headers = { authorization: `Bearer ${CANARY}` };
      await using trial = new Trial({ endpoint: sink.endpoint, headers, ...INSECURE });
      await assertFails(trial.send(), code, says);
      assert.equal(sink.requests[0]?.metadata["authorization"], `Bearer ${CANARY}`);
      assert.equal(sink.requests.length, 1);
      assert.deepEqual(trial.lines, []);
    });
  }

  it("counts rejected profiles, and says so once a minute", async () => {
    await using sink = await startOtlpGrpcSink();
    sink.succeedPartially({ rejectedProfiles: 2, errorMessage: "too old" });
    await using trial = new Trial({ endpoint: sink.endpoint, ...INSECURE });
    for (let sent = 0; sent < 3; sent++) await trial.send();
    assert.equal(trial.registry.value(REJECTED), 6);
    assert.equal(trial.lines.length, 1);
    assert.match(trial.lines[0] ?? "", /rejected_profiles=2 message=too old/);
    assert.equal(sink.requests.length, 3);
  });

  it("fails in time when the server hangs or cuts, and is well again when it is back", async () => {
    await using sink = await startOtlpGrpcSink();
    sink.fail("hang");
    await using trial = new Trial({ endpoint: sink.endpoint, timeout: "300ms", ...INSECURE });
    await assertFails(trial.send(), "UNAVAILABLE_RETRYABLE", /no answer within 300ms$/);
    sink.fail("reset", 1);
    await assertFails(trial.send(), "UNAVAILABLE_RETRYABLE", /./);
    sink.recover();
    await trial.send();
    assert.equal(sink.batches.length, 1);
  });

  it("says that a connection was refused, and that a server does not speak TLS", async () => {
    await using refused = new Trial({ endpoint: "127.0.0.1:1", ...INSECURE });
    await assertFails(refused.send(), "UNAVAILABLE_RETRYABLE", /^127.0.0.1:1 .*refused$/);
    await using sink = await startOtlpGrpcSink();
    for (const prefix of ["", "http://", "https://"]) {
      await using plain = new Trial({
        endpoint: `${prefix}${sink.endpoint}`,
        headers: { authorization: `Bearer ${CANARY}` },
      });
      await assertFails(plain.send(), "UNAVAILABLE_RETRYABLE", /set tls::insecure: true/);
    }
    await using http = await startHttpSink(() => ({ status: 200 }));
    const endpoint = http.endpoint.replace("http://", "");
    await using old = new Trial({ endpoint, timeout: "1s", ...INSECURE });
    await assertFails(old.send(), "UNAVAILABLE_RETRYABLE", /./);
  });

  it("waits at its stop for what is on its way", async () => {
    await using sink = await startOtlpGrpcSink();
    await using trial = new Trial({ endpoint: sink.endpoint, ...INSECURE });
    await trial.exporter.start();
    const sent = [1, 2, 3].map((value) => trial.exporter.consume(batchOf(value)));
    await trial.exporter.stop();
    assert.equal(sink.batches.length, 3);
    await Promise.all(sent);
    await assertFails(trial.exporter.consume(batchOf(1)), "INTERNAL", /not started/);
  });

  it("gives up at its stop what hangs for five seconds, wherever it hangs", async () => {
    await using sink = await startOtlpGrpcSink();
    sink.fail("hang");
    await using silent = await startSilentServer();
    const hanging = [
      { endpoint: sink.endpoint, ...INSECURE },
      { endpoint: silent.address, ...INSECURE },
      { endpoint: silent.address },
      { endpoint: "127.0.0.1:1", wait_for_ready: true, ...INSECURE },
    ];
    await Promise.all(
      hanging.map(async (config) => {
        await using trial = new Trial({ ...config, timeout: "0s" });
        await trial.exporter.start();
        const sent = [batchOf(1), batchOf(2, 3)].map((batch) => trial.exporter.consume(batch));
        await assertGivesUp(trial.exporter, sent);
      }),
    );
    assert.equal(sink.requests.length, 2);
  });

  it("sends a large batch, and none that no server takes", async () => {
    await using sink = await startOtlpGrpcSink();
    const config = { endpoint: sink.endpoint, compression: "none", timeout: "30s", ...INSECURE };
    await using trial = new Trial(config);
    const large = batchOf(...Array.from({ length: 50_000 }, (_, index) => index + 1));
    large.dictionary.strings.intern("x".repeat(5 * 1024 * 1024));
    await trial.send(large);
    assert.deepEqual(sampleMultiset(sink.batches[0] ?? assert.fail()), sampleMultiset(large));
    const huge = batchOf(1);
    huge.dictionary.strings.intern("x".repeat(OTLP_REQUEST_BYTES_MAX));
    await assertFails(trial.send(huge), "LIMIT_EXCEEDED", /over the limit of 67108864$/);
    assert.equal(sink.requests.length, 1);
  });
});

/** What a server that knows no protocol reads first of one send. */
async function firstBytes(config: object, says: RegExp): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  await using server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (bytes) => {
      resolve(Buffer.from(bytes));
      socket.destroy();
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  await using trial = new Trial({
    endpoint: `http://127.0.0.1:${port}`,
    headers: { authorization: `Bearer ${CANARY}` },
    timeout: "2s",
    ...config,
  });
  await assertFails(trial.send(), "UNAVAILABLE_RETRYABLE", says);
  return await promise;
}

/** The record type of TLS that a handshake begins with. */
const TLS_HANDSHAKE = 0x16;

describe("otlp_grpc with TLS", () => {
  it("begins with a handshake unless told that there is none, as the Collector does", async () => {
    const secured = await firstBytes({}, /ended the TLS handshake; .* set tls::insecure: true$/);
    assert.equal(secured[0], TLS_HANDSHAKE);
    const plain = await firstBytes(INSECURE, /./);
    assert.match(plain.toString("latin1"), /^PRI \* HTTP\/2/);
  });

  it("reads the files of the section for an http:// endpoint too", async () => {
    const tls = { ca_file: "/nowhere/ca.pem" };
    await using trial = new Trial({ endpoint: "http://127.0.0.1:1", tls });
    await assertFails(trial.exporter.start(), "CONFIG_INVALID", /tls::ca_file .*: ENOENT/);
  });

  const keys = [
    {
      private_key: Buffer.from(certificates.pem("server.key")),
      cert_chain: Buffer.from(certificates.pem("server.pem")),
    },
  ];
  const ca_file = certificates.file("ca.pem");
  const own = {
    cert_file: certificates.file("client.pem"),
    key_file: certificates.file("client.key"),
  };
  const plain = (): ServerCredentials => ServerCredentials.createSsl(null, keys);
  const mutual = (): ServerCredentials =>
    ServerCredentials.createSsl(Buffer.from(certificates.pem("ca.pem")), keys, true);

  for (const { name, prefix = "", tls, server = plain } of [
    { name: "an authority from a file", tls: { ca_file } },
    { name: "https in spite of insecure", prefix: "https://", tls: { ca_file, insecure: true } },
    { name: "any certificate", tls: { insecure_skip_verify: true } },
    { name: "another name", tls: { ca_file, server_name_override: "collector.test" } },
    { name: "its own certificate", tls: { ca_file, ...own }, server: mutual },
  ]) {
    it(`trusts ${name}`, async () => {
      await using sink = await startOtlpGrpcSink(server());
      await using trial = new Trial({ endpoint: `${prefix}${sink.endpoint}`, tls });
      await trial.send();
      assert.equal(sink.batches.length, 1);
    });
  }

  for (const { name, tls, server = plain } of [
    { name: "the wrong authority", tls: { ca_file: certificates.file("stranger.pem") } },
    { name: "another host", tls: { ca_file, server_name_override: "other.test" } },
    { name: "a server that wants a certificate", tls: { ca_file }, server: mutual },
  ]) {
    it(`fails with ${name}`, async () => {
      await using sink = await startOtlpGrpcSink(server());
      await using trial = new Trial({ endpoint: sink.endpoint, tls });
      await assertFails(trial.send(), "UNAVAILABLE_RETRYABLE", /certificate|altnames|reset/i);
      assert.equal(sink.requests.length, 0);
    });
  }

  it("fails with a certificate that is not of the address", async () => {
    const stranger = {
      private_key: Buffer.from(certificates.pem("stranger.key")),
      cert_chain: Buffer.from(certificates.pem("stranger.pem")),
    };
    await using sink = await startOtlpGrpcSink(ServerCredentials.createSsl(null, [stranger]));
    const tls = { ca_file: certificates.file("stranger.pem") };
    await using trial = new Trial({ endpoint: sink.endpoint, tls });
    await assertFails(trial.send(), "UNAVAILABLE_RETRYABLE", /IP: 127\.0\.0\.1/);
    assert.equal(sink.requests.length, 0);
  });

  it("fails its start with the file that is not there", async () => {
    const tls = { ca_file: "/nowhere/ca.pem" };
    await using trial = new Trial({ endpoint: "127.0.0.1:1", tls });
    const says = /tls::ca_file \/nowhere\/ca.pem cannot be read: ENOENT/;
    await assertFails(trial.exporter.start(), "CONFIG_INVALID", says);
  });
});
