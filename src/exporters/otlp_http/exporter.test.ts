import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import {
  type OtlpHttpSink,
  otlpHttpError,
  startOtlpHttpSink,
} from "../../../test/support/otlp-sink.ts";
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
import { otlpHttpConfig } from "./config.ts";
import { OtlpHttpExporter } from "./exporter.ts";

const CANARY = "canary-7f3a9c";
const JSON_TYPE = { "content-type": "application/json" };
const REJECTED = "obsforge_exporter_rejected_profiles_total";
const certificates = testCertificates();
after(() => certificates[Symbol.dispose]());

/** Samples of the values given, with text that is not ASCII. */
function batchOf(...values: number[]): ProfileBatch {
  const batch = new ProfileBatch();
  const { strings, functions, locations, stacks } = batch.dictionary;
  const profile = emptyProfile();
  profile.timeUnixNano = 1_764_000_000_123_456_789n;
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
  readonly exporter: OtlpHttpExporter;
  nowNs = 0n;

  constructor(config: object) {
    this.exporter = new OtlpHttpExporter(
      checked(otlpHttpConfig, config),
      testContext({
        metrics: this.registry.metrics(),
        logger: createLogger("debug", (line) => this.lines.push(line)),
        clock: { ...systemClock, monotonicNanos: () => this.nowNs },
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

function taken(sink: OtlpHttpSink): ReturnType<typeof sampleMultiset> {
  return sampleMultiset(sink.batches[0] ?? assert.fail("nothing came"));
}

describe("otlp_http", () => {
  for (const encoding of ["proto", "json"]) {
    it(`delivers every sample by ${encoding}, 64-bit values exactly [R18]`, async () => {
      await using sink = await startOtlpHttpSink();
      await using trial = new Trial({ endpoint: sink.endpoint, encoding });
      const given = batchOf(1, Number.MAX_SAFE_INTEGER, 3);
      await trial.send(given);
      assert.deepEqual(taken(sink), sampleMultiset(given));
      const [request] = sink.requests;
      assert.equal(request?.headers["content-encoding"], "gzip");
      assert.equal(request?.path, "/v1development/profiles");
    });
  }

  it("takes the batch as it is at the call", async () => {
    await using sink = await startOtlpHttpSink();
    await using trial = new Trial({ endpoint: sink.endpoint });
    await trial.exporter.start();
    const given = batchOf(7);
    const expected = sampleMultiset(given);
    const sent = trial.exporter.consume(given);
    given.resourceProfiles.length = 0;
    await sent;
    assert.deepEqual(taken(sink), expected);
  });

  it("appends its path to an endpoint with one, and not to profiles_endpoint", async () => {
    await using sink = await startOtlpHttpSink();
    for (const [config, path] of [
      [{ endpoint: `${sink.endpoint}/tenant/` }, "/tenant/v1development/profiles"],
      [{ profiles_endpoint: `${sink.endpoint}/own`, endpoint: "http://127.0.0.1:1" }, "/own"],
    ] as const) {
      await using trial = new Trial(config);
      await assertFails(trial.send(), "NOT_FOUND", /answered 404 Not Found$/);
      assert.equal(sink.requests.at(-1)?.path, path);
    }
  });

  it("refuses a configuration without a URL", () => {
    assert.throws(() => new Trial({}), /endpoint or profiles_endpoint must be set/);
    assert.throws(() => new Trial({ endpoint: "localhost:4318" }), /begins with http/);
  });

  for (const { name, status, code, says, headers = {} } of [
    { name: "bad data", status: 400, code: "INPUT_MALFORMED", says: /400 Bad Request: broken$/ },
    { name: "a bad token", status: 401, code: "PERMISSION", says: /401 Unauthorized: broken$/ },
    { name: "a large batch", status: 413, code: "LIMIT_EXCEEDED", says: /: broken \(.* not split/ },
    { name: "a bug of the server", status: 500, code: "UNSUPPORTED", says: /answered 500/ },
    { name: "a server that is away", status: 503, code: "UNAVAILABLE_RETRYABLE", says: /503/ },
    {
      name: "a full server",
      status: 429,
      code: "UNAVAILABLE_RETRYABLE",
      says: /429 Too Many Requests: broken; it asks for 7s$/,
      headers: { "retry-after": "7" },
    },
  ] as const) {
    it(`says what the server says of ${name}`, async () => {
      await using sink = await startOtlpHttpSink();
      sink.fail(otlpHttpError(status, 3, "broken", headers));
      await using trial = new Trial({ endpoint: sink.endpoint });
      await assertFails(trial.send(), code, says);
      assert.deepEqual(trial.lines, []);
    });
  }

  it("reads an error in JSON, and none that is too long or no status", async () => {
    await using sink = await startOtlpHttpSink();
    await using trial = new Trial({ endpoint: sink.endpoint, encoding: "json" });
    const answer = (body: string): void => sink.fail({ status: 400, headers: JSON_TYPE, body });
    answer('{"code":3,"message":"größer"}');
    await assertFails(trial.send(), "INPUT_MALFORMED", /Request: größer$/);
    answer(`{"message":"${"x".repeat(10_000)}"}`);
    await assertFails(trial.send(), "INPUT_MALFORMED", /Request: x{500}…$/);
    answer(`${'{"a":'.repeat(1000)}`);
    await assertFails(trial.send(), "INPUT_MALFORMED", /answered 400 Bad Request$/);
  });

  it("never shows a secret that the server repeats [S14]", async () => {
    await using sink = await startOtlpHttpSink();
    sink.fail(otlpHttpError(401, 16, `no user has the token ${CANARY}`));
    const headers = { Authorization: `Bearer ${CANARY}` };
    await using trial = new Trial({ endpoint: sink.endpoint, headers });
    await assertFails(trial.send(), "PERMISSION", /the token \[REDACTED\]$/);
    sink.recover();
    sink.succeedPartially({ rejectedProfiles: 1, errorMessage: `not for ${CANARY}` });
    await trial.send();
    assert.equal(sink.requests[0]?.headers.authorization, `Bearer ${CANARY}`);
    assert.equal(trial.lines.length, 1);
  });

  for (const encoding of ["proto", "json"]) {
    it(`counts rejected profiles by ${encoding}, and says so once a minute`, async () => {
      await using sink = await startOtlpHttpSink();
      sink.succeedPartially({ rejectedProfiles: 2, errorMessage: "too old" });
      await using trial = new Trial({ endpoint: sink.endpoint, encoding });
      for (let sent = 0; sent < 3; sent++) await trial.send();
      assert.equal(trial.registry.value(REJECTED), 6);
      assert.equal(trial.lines.length, 1);
      assert.match(trial.lines[0] ?? "", /WARN .*rejected_profiles=2 message=too old/);
      trial.nowNs += 60_000_000_000n;
      await trial.send();
      assert.match(trial.lines[1] ?? "", /rejected_profiles=6/);
      assert.equal(sink.requests.length, 4);
    });
  }

  it("takes an answer that it cannot read for what its status says", async () => {
    await using sink = await startOtlpHttpSink();
    sink.fail({ status: 200, headers: JSON_TYPE, body: "<html>" });
    await using trial = new Trial({ endpoint: sink.endpoint });
    await trial.send();
  });

  it("fails in time when the server hangs, and is well again when it is back", async () => {
    await using sink = await startOtlpHttpSink();
    sink.fail("hang");
    await using trial = new Trial({ endpoint: sink.endpoint, timeout: "150ms" });
    await assertFails(trial.send(), "UNAVAILABLE_RETRYABLE", /no answer within 150ms$/);
    sink.fail("reset");
    await assertFails(trial.send(), "UNAVAILABLE_RETRYABLE", /reset/);
    sink.recover();
    await trial.send();
    assert.equal(sink.batches.length, 1);
  });

  it("waits at its stop for what is on its way", async () => {
    await using sink = await startOtlpHttpSink();
    await using trial = new Trial({ endpoint: sink.endpoint });
    await trial.exporter.start();
    const sent = [1, 2, 3].map((value) => trial.exporter.consume(batchOf(value)));
    await trial.exporter.stop();
    assert.equal(sink.batches.length, 3);
    await Promise.all(sent);
    await assertFails(trial.exporter.consume(batchOf(1)), "INTERNAL", /not started/);
  });

  it("gives up at its stop what hangs for five seconds, wherever it hangs", async () => {
    await using sink = await startOtlpHttpSink();
    sink.fail("hang");
    await using silent = await startSilentServer();
    const hanging = [
      { endpoint: sink.endpoint },
      { endpoint: sink.endpoint, max_conns_per_host: 1 },
      { endpoint: `http://${silent.address}` },
      { endpoint: `https://${silent.address}` },
    ];
    await Promise.all(
      hanging.map(async (config) => {
        await using trial = new Trial({ ...config, timeout: "0s" });
        await trial.exporter.start();
        const sent = [batchOf(1), batchOf(2, 3)].map((batch) => trial.exporter.consume(batch));
        await assertGivesUp(trial.exporter, sent);
      }),
    );
    assert.equal(sink.requests.length, 3);
  });

  it("sends a large batch, and none that no server takes", async () => {
    await using sink = await startOtlpHttpSink();
    await using trial = new Trial({ endpoint: sink.endpoint, compression: "none" });
    const large = batchOf(...Array.from({ length: 50_000 }, (_, index) => index + 1));
    await trial.send(large);
    assert.deepEqual(taken(sink), sampleMultiset(large));
    const huge = batchOf(1);
    huge.dictionary.strings.intern("x".repeat(OTLP_REQUEST_BYTES_MAX));
    await assertFails(trial.send(huge), "LIMIT_EXCEEDED", /over the limit of 67108864$/);
    assert.equal(sink.requests.length, 1);
  });

  it("sends over TLS to whom it trusts", async () => {
    const [key, cert] = [certificates.pem("server.key"), certificates.pem("server.pem")];
    await using sink = await startOtlpHttpSink({ key, cert });
    const trusting = { endpoint: sink.endpoint, tls: { ca_file: certificates.file("ca.pem") } };
    await using trial = new Trial(trusting);
    await trial.send();
    assert.equal(sink.batches.length, 1);
    await using wary = new Trial({ endpoint: sink.endpoint });
    await assertFails(wary.send(), "UNAVAILABLE_RETRYABLE", /certificate/);
  });

  it("fails its start with the file that is not there", async () => {
    const tls = { ca_file: "/nowhere/ca.pem" };
    await using trial = new Trial({ endpoint: "https://127.0.0.1:1", tls });
    const says = /tls::ca_file \/nowhere\/ca.pem cannot be read: ENOENT/;
    await assertFails(trial.exporter.start(), "CONFIG_INVALID", says);
    await assert.rejects(trial.exporter.start());
  });
});
