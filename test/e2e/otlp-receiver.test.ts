import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, describe, it } from "node:test";
import fc from "fast-check";
import { checked } from "../../src/config/check.ts";
import { otlpGrpcConfig } from "../../src/exporters/otlp_grpc/config.ts";
import { OtlpGrpcExporter } from "../../src/exporters/otlp_grpc/exporter.ts";
import { otlpHttpConfig } from "../../src/exporters/otlp_http/config.ts";
import { OtlpHttpExporter } from "../../src/exporters/otlp_http/exporter.ts";
import type { Exporter } from "../../src/pipeline/component.ts";
import { batchOfRows } from "../../src/pipeline/testing/batch.ts";
import { testContext } from "../../src/pipeline/testing/context.ts";
import { ProfileBatch } from "../../src/profiles/profile.ts";
import { sampleMultiset } from "../../src/profiles/resolved.ts";
import { arbitraryBatch } from "../../src/profiles/testing/arbitrary-batch.ts";
import { OtlpTrial } from "../../src/receivers/otlp/testing/otlp-trial.ts";
import { sleep } from "../../src/support/clock.ts";
import { CollectorError, type ErrorCode, isCollectorError } from "../../src/support/errors.ts";
import { testCertificates } from "../../src/transport/testing/certificates.ts";
import { CollectingSink } from "../support/receiver-run.ts";

const certificates = testCertificates();
after(() => certificates[Symbol.dispose]());

interface Sender {
  readonly name: string;
  readonly create: (trial: OtlpTrial, config?: object) => Exporter;
}

const senders: readonly Sender[] = [
  ...["gzip", "none"].map((compression) => ({
    name: `otlp_grpc, ${compression}`,
    create: (trial: OtlpTrial, config = {}) => {
      const options = { endpoint: trial.grpc, compression, tls: { insecure: true }, ...config };
      return new OtlpGrpcExporter(checked(otlpGrpcConfig, options), testContext());
    },
  })),
  ...["gzip", "zstd", "deflate", "zlib", "none"].flatMap((compression) =>
    ["proto", "json"].map((encoding) => ({
      name: `otlp_http, ${encoding}, ${compression}`,
      create: (trial: OtlpTrial, config = {}) => {
        const endpoint = `http://${trial.http}`;
        const options = { endpoint, compression, encoding, ...config };
        return new OtlpHttpExporter(checked(otlpHttpConfig, options), testContext());
      },
    })),
  ),
];
const [grpcSender, , httpSender] = senders as [Sender, Sender, Sender];

async function send(exporter: Exporter, ...batches: ProfileBatch[]): Promise<void> {
  await exporter.start();
  try {
    for (const batch of batches) await exporter.consume(batch);
  } finally {
    await exporter.stop();
  }
}

async function assertFails(sent: Promise<void>, code: ErrorCode, says: RegExp): Promise<void> {
  await assert.rejects(sent, (error) => {
    assert.ok(isCollectorError(error, code), String(error));
    assert.match(error.message, says);
    return true;
  });
}

describe("the otlp receiver and its senders", () => {
  for (const { name, create } of senders) {
    it(`takes every sample from ${name} [R18]`, async () => {
      await using trial = await OtlpTrial.start();
      const given = fc.sample(arbitraryBatch(), { numRuns: 10, seed: 7 });
      await send(create(trial), ...given);
      const filled = given.filter(({ resourceProfiles }) => resourceProfiles.length > 0);
      assert.deepEqual(
        trial.sink.batches.map((batch) => sampleMultiset(batch)),
        filled.map((batch) => sampleMultiset(batch)),
      );
      const samples = given.reduce((sum, { sampleCount }) => sum + sampleCount, 0);
      assert.equal(trial.counted("accepted"), samples);
      assert.equal(trial.counted("refused"), 0);
    });
  }

  it("passes nothing on for a request without profiles", async () => {
    await using trial = await OtlpTrial.start();
    await send(httpSender.create(trial), new ProfileBatch());
    await send(grpcSender.create(trial), new ProfileBatch());
    assert.equal(trial.sink.batches.length, 0);
  });

  for (const { name, create } of [grpcSender, httpSender]) {
    it(`asks ${name} to come again for what may be sent again, and counts it`, async () => {
      const sink = new CollectingSink(async () => {
        throw new CollectorError("REFUSED_BACKPRESSURE", "the queue is full");
      });
      await using trial = await OtlpTrial.start({ sink });
      await assertFails(send(create(trial), batchOfRows(3)), "UNAVAILABLE_RETRYABLE", /is full/);
      assert.equal(trial.counted("refused"), 3);
      assert.equal(trial.counted("accepted"), 0);
    });

    it(`tells ${name} what is refused for good`, async () => {
      const sink = new CollectingSink(async () => {
        throw new CollectorError("UNSUPPORTED", "no such profiles here");
      });
      await using trial = await OtlpTrial.start({ sink });
      await assertFails(send(create(trial), batchOfRows(3)), "INPUT_MALFORMED", /no such profiles/);
      assert.equal(trial.counted("refused"), 3);
    });

    it(`tells ${name} nothing of a fault of its own`, async () => {
      const sink = new CollectingSink(async () => {
        throw new TypeError("x is not a function");
      });
      await using trial = await OtlpTrial.start({ sink });
      await assertFails(send(create(trial), batchOfRows(3)), "UNSUPPORTED", /the receiver failed$/);
      assert.equal(trial.counted("failed"), 3);
      assert.match(trial.lines.join(""), /x is not a function/);
    });

    it(`delivers what ${name} has sent when it stops, and answers it`, async () => {
      const sink = new CollectingSink(() => sleep(300));
      await using trial = await OtlpTrial.start({ sink });
      const exporter = create(trial);
      await exporter.start();
      const sent = [1, 2, 3].map((rows) => exporter.consume(batchOfRows(rows)));
      await sleep(150);
      await trial.receiver.stop();
      await Promise.all(sent);
      assert.equal(trial.counted("accepted"), 6);
      await assertFails(
        exporter.consume(batchOfRows(1)) as Promise<void>,
        "UNAVAILABLE_RETRYABLE",
        /refused|reset|ending/,
      );
      await exporter.stop();
    });

    it(`takes ${name} by TLS, and no one without a certificate when it wants one`, async () => {
      const tls = {
        cert_file: certificates.file("server.pem"),
        key_file: certificates.file("server.key"),
        client_ca_file: certificates.file("ca.pem"),
      };
      await using trial = await OtlpTrial.start({ grpc: { tls }, http: { tls } });
      const ca_file = certificates.file("ca.pem");
      const own = {
        ca_file,
        cert_file: certificates.file("client.pem"),
        key_file: certificates.file("client.key"),
      };
      const https = { profiles_endpoint: `https://${trial.http}/v1development/profiles` };
      const where = name.startsWith("otlp_http") ? https : {};
      await send(create(trial, { ...where, tls: own }), batchOfRows(2));
      assert.equal(trial.counted("accepted"), 2);
      const stranger = send(create(trial, { ...where, tls: { ca_file } }), batchOfRows(2));
      await assert.rejects(stranger);
      assert.equal(trial.counted("accepted"), 2);
    });
  }

  it("refuses a gRPC message that is too large, also when gzip makes it so [S1]", async () => {
    await using trial = await OtlpTrial.start({ grpc: { max_recv_msg_size_mib: 1 } });
    const large = batchOfRows(1);
    large.dictionary.strings.intern("a".repeat(2 * 1024 * 1024));
    for (const compression of ["gzip", "none"]) {
      const sent = send(grpcSender.create(trial, { compression }), large);
      await assertFails(sent, "LIMIT_EXCEEDED", /larger than (max|1048576)/i);
    }
    assert.equal(trial.sink.batches.length, 0);
    await send(grpcSender.create(trial), batchOfRows(1));
    assert.equal(trial.counted("accepted"), 1);
  });

  it("refuses a gRPC message that is garbage, with the codec's sentence", async () => {
    await using trial = await OtlpTrial.start();
    const { code, details } = await trial.call(randomBytes(500).fill(0xff, 0, 10));
    assert.equal(code, 3);
    assert.match(details, /^OTLP profiles/);
    assert.equal(trial.refusedRequests("grpc", "malformed"), 1);
  });
});
