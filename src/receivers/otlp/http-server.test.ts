import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import { connect, type Socket } from "node:net";
import { describe, it } from "node:test";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { CollectingSink } from "../../../test/support/receiver-run.ts";
import { batchOfRows } from "../../pipeline/testing/batch.ts";
import { decodeOtlp } from "../../profiles/otlp/decode.ts";
import { encodeOtlp } from "../../profiles/otlp/encode.ts";
import { sampleMultiset } from "../../profiles/resolved.ts";
import { genuinePayloads } from "../../profiles/testing/genuine-payloads.ts";
import { sleep } from "../../support/clock.ts";
import { CollectorError } from "../../support/errors.ts";
import { FILE_LIMITS } from "../../support/limits.ts";
import { nodeHttp } from "../../transport/node-http.ts";
import { readRpcStatus } from "../../transport/otlp-response.ts";
import { testCertificates } from "../../transport/testing/certificates.ts";
import { OtlpTrial } from "./testing/otlp-trial.ts";

const MIB = 1024 * 1024;
const PATH = "/v1development/profiles";
const PROTOBUF = "application/x-protobuf";
const small = encodeOtlp(batchOfRows(3));

interface Sent {
  readonly path?: string;
  readonly method?: string;
  readonly type?: string;
  readonly encoding?: string;
  readonly body?: Uint8Array | string;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

async function post(trial: OtlpTrial, sent: Sent = {}): Promise<Answer> {
  const { path = PATH, method = "POST", type = PROTOBUF, encoding, body = small } = sent;
  const headers = { "content-type": type, ...(encoding && { "content-encoding": encoding }) };
  const request = nodeHttp().request(`http://${trial.http}${path}`, { method, headers });
  request.end(method === "GET" ? undefined : body);
  const [response] = await once(request, "response");
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}

async function assertStillServes(trial: OtlpTrial): Promise<void> {
  const before = trial.counted("accepted");
  assert.equal((await post(trial)).status, 200);
  assert.equal(trial.counted("accepted"), before + 3);
}

async function connected(trial: OtlpTrial, address = trial.http): Promise<Socket> {
  const [host, port] = address.split(":");
  const socket = connect(Number(port), host);
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

describe("otlp receiver, HTTP", () => {
  it("answers a success with an empty response of the same type", async () => {
    await using trial = await OtlpTrial.start();
    const proto = await post(trial);
    assert.deepEqual([proto.status, proto.body.length], [200, 0]);
    assert.equal(proto.headers["content-type"], PROTOBUF);
    const json = await post(trial, { type: "application/json; charset=utf-8", body: "{}" });
    assert.deepEqual([json.status, String(json.body)], [200, "{}"]);
    assert.equal(json.headers["content-type"], "application/json");
  });

  for (const { name, status, says, ...sent } of [
    { name: "another path", status: 404, says: /profiles are taken at/, path: "/v1/traces" },
    { name: "another method", status: 405, says: /only POST/, method: "GET" },
    { name: "another type", status: 415, says: /content-type must be/, type: "text/plain" },
    { name: "another encoding", status: 415, says: /content-encoding must/, encoding: "br" },
    { name: "two encodings", status: 415, says: /content-encoding must/, encoding: "gzip, gzip" },
    { name: "garbage", status: 400, says: /OTLP profiles.*offset/, body: Buffer.alloc(99, 0xff) },
    { name: "no gzip", status: 400, says: /it is no gzip that can be read/, encoding: "gzip" },
    { name: "no zstd", status: 400, says: /it is no zstd that can be read/, encoding: "zstd" },
  ]) {
    it(`refuses ${name} with ${status}`, async () => {
      await using trial = await OtlpTrial.start();
      const answer = await post(trial, sent);
      assert.equal(answer.status, status);
      assert.match(String(answer.body), says);
      assert.equal(trial.sink.batches.length, 0);
      await assertStillServes(trial);
    });
  }

  for (const { name, bytes } of genuinePayloads) {
    it(`takes ${name}, with all that it holds`, async () => {
      await using trial = await OtlpTrial.start();
      assert.equal((await post(trial, { body: bytes })).status, 200);
      const expected = sampleMultiset(decodeOtlp(bytes, FILE_LIMITS));
      assert.deepEqual(
        trial.sink.batches.map((batch) => sampleMultiset(batch)),
        [expected],
      );
    });
  }

  it("says which layout a message of an old sender has", async () => {
    await using trial = await OtlpTrial.start();
    const nested = (field: number, contents: Uint8Array): Uint8Array =>
      Buffer.concat([Buffer.from([(field << 3) | 2, contents.length]), contents]);
    // stack_index 0, values [5], attribute_indices [1], link_index 1: as 1.8 and 1.9 have them.
    const sample = Buffer.from([8, 0, 18, 1, 5, 26, 1, 1, 32, 1]);
    const profiles = nested(2, nested(2, sample));
    const body = Buffer.concat([nested(1, nested(2, profiles)), nested(2, Buffer.alloc(0))]);
    const answer = await post(trial, { body });
    assert.equal(answer.status, 400);
    assert.match(readRpcStatus(answer.body).message, /the layout of opentelemetry-proto 1\.[89]/);
    const { code, details } = await trial.call(body);
    assert.equal(code, 3);
    assert.match(details, /the layout of opentelemetry-proto 1\.[89]/);
  });

  it("says in JSON what is wrong with JSON", async () => {
    await using trial = await OtlpTrial.start();
    const answer = await post(trial, { type: "application/json", body: '{"resourceProfiles":3}' });
    assert.equal(answer.status, 400);
    const { code, message } = JSON.parse(String(answer.body));
    assert.equal(code, 3);
    assert.match(message, /resourceProfiles/);
  });

  it("takes another path when it is told to", async () => {
    await using trial = await OtlpTrial.start({ http: { profiles_url_path: "/own" } });
    assert.equal((await post(trial, { path: "/own?tenant=1" })).status, 200);
    assert.equal((await post(trial)).status, 404);
  });

  it("takes a body of the largest size, and none of a byte more [S2]", async () => {
    const largest = small.length;
    const most = Math.max(largest, 1024);
    const padded = (length: number): Uint8Array => {
      // An unknown field of bytes fills what is left.
      const fill = length - small.length - 4;
      const tag = [0xfa, 0x07, (fill & 0x7f) | 0x80, fill >> 7];
      return Buffer.concat([small, Buffer.from(tag), Buffer.alloc(fill)]);
    };
    await using trial = await OtlpTrial.start({ http: { max_request_body_size: most } });
    for (const encoding of [undefined, "gzip"] as const) {
      const body = (length: number): Uint8Array =>
        encoding === undefined ? padded(length) : gzipSync(padded(length));
      const given = encoding === undefined ? {} : { encoding };
      assert.equal((await post(trial, { ...given, body: body(most) })).status, 200);
      const answer = await post(trial, { ...given, body: body(most + 1) });
      assert.equal(answer.status, 413);
      assert.equal(readRpcStatus(answer.body).hasRetryInfo, false);
    }
    assert.equal(trial.refusedRequests("http", "too_large"), 2);
  });

  it("refuses bombs at the limit, in little time and memory [S1]", async () => {
    await using trial = await OtlpTrial.start();
    const zeros = Buffer.alloc(512 * MIB);
    const bombs = {
      gzip: gzipSync(zeros, { level: 1 }),
      deflate: deflateSync(zeros, { level: 1 }),
      zstd: zstdCompressSync(zeros),
    };
    for (const [encoding, body] of Object.entries(bombs)) {
      const start = performance.now();
      const before = process.memoryUsage().rss;
      const answer = await post(trial, { encoding, body });
      const rise = process.memoryUsage().rss - before;
      assert.equal(answer.status, 413, encoding);
      assert.ok(performance.now() - start < 1000, encoding);
      assert.ok(rise < 2 * 20 * MIB + 16 * MIB, `${encoding}: ${rise} bytes`);
    }
    await assertStillServes(trial);
  });

  it("says when to come again", async () => {
    const sink = new CollectingSink(async () => {
      throw new CollectorError("UNAVAILABLE_RETRYABLE", "away");
    });
    await using trial = await OtlpTrial.start({ sink });
    const answer = await post(trial);
    assert.equal(answer.status, 503);
    assert.equal(answer.headers["retry-after"], "1");
    assert.equal(readRpcStatus(answer.body).hasRetryInfo, true);
  });

  it("takes no more than it has room for, and is well again after", async () => {
    const gate = Promise.withResolvers<void>();
    await using trial = await OtlpTrial.start({ sink: new CollectingSink(() => gate.promise) });
    const sent = Array.from({ length: 1030 }, () => post(trial));
    const early = await Promise.race(sent);
    assert.equal(early.status, 503);
    await sleep(500);
    gate.resolve();
    const statuses = (await Promise.all(sent)).map(({ status }) => status);
    assert.equal(statuses.filter((status) => status === 200).length, 1024);
    assert.equal(trial.counted("accepted"), 3 * 1024);
    await assertStillServes(trial);
  });

  it("ends slow clients of both protocols, and serves others meanwhile [R20]", async () => {
    await using trial = await OtlpTrial.start({
      http: { read_header_timeout: "1s", read_timeout: "2s" },
    });
    const head = `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: ${PROTOBUF}\r\n`;
    const beginnings = ["", "POST ", head, `${head}content-length: 1000\r\n\r\nabc`];
    const slow = await Promise.all(beginnings.map(() => connected(trial)));
    using certificates = testCertificates();
    const tls = {
      cert_file: certificates.file("server.pem"),
      key_file: certificates.file("server.key"),
    };
    await using secure = await OtlpTrial.start({ grpc: { tls }, http: { tls } });
    // Neither a word of HTTP/2 nor of TLS.
    const silent = await Promise.all(
      [trial.grpc, secure.grpc, secure.http].map((address) => connected(trial, address)),
    );
    for (const [index, socket] of slow.entries()) socket.resume().write(beginnings[index] ?? "");
    await assertStillServes(trial);
    const start = performance.now();
    await Promise.all(
      [...slow, ...silent.map((socket) => socket.resume())].map((socket) => once(socket, "close")),
    );
    assert.ok(performance.now() - start < 12_000);
    await assertStillServes(trial);
    assert.equal(trial.registry.value("obsforge_receiver_open_requests"), 0);
    assert.equal(trial.registry.value("obsforge_receiver_open_request_bytes"), 0);
  });

  it("refuses headers that are too large", async () => {
    await using trial = await OtlpTrial.start();
    assert.equal((await post(trial, { path: `/${"x".repeat(20_000)}` })).status, 431);
    await assertStillServes(trial);
  });

  it("holds nothing of clients that go away in the middle", async () => {
    await using trial = await OtlpTrial.start();
    for (let turn = 0; turn < 20; turn++) {
      const socket = await connected(trial);
      socket.write(`POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: ${PROTOBUF}\r\n`);
      socket.write("content-length: 100000\r\n\r\nabcdef");
      await sleep(5);
      socket.destroy();
    }
    await sleep(100);
    assert.equal(trial.registry.value("obsforge_receiver_open_requests"), 0);
    assert.equal(trial.registry.value("obsforge_receiver_open_request_bytes"), 0);
    assert.equal(trial.refusedRequests("http", "malformed"), 20);
    await assertStillServes(trial);
  });
});
