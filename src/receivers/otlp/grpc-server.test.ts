import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { describe, it } from "node:test";
import { CollectingSink } from "../../../test/support/receiver-run.ts";
import { batchOfRows } from "../../pipeline/testing/batch.ts";
import { encodeOtlp } from "../../profiles/otlp/encode.ts";
import { sleep } from "../../support/clock.ts";
import { readRpcStatus } from "../../transport/otlp-response.ts";
import { OtlpTrial } from "./testing/otlp-trial.ts";

const EXPORT = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";
const small = encodeOtlp(batchOfRows(3));
const UNIMPLEMENTED = 12;
const UNAVAILABLE = 14;

async function session(trial: OtlpTrial): Promise<ClientHttp2Session> {
  const client = connectHttp2(`http://${trial.grpc}`);
  client.on("error", () => {});
  await once(client, "connect");
  return client;
}

/** Begins a call, ends it if its message is whole, and waits; resolves with its status. */
async function statusOfCall(client: ClientHttp2Session, sent: Buffer, path = EXPORT) {
  const headers = { ":method": "POST", ":path": path, te: "trailers" };
  const stream = client.request({ ...headers, "content-type": "application/grpc" });
  stream.on("error", () => {});
  let status: string | undefined;
  const take = (answer: Record<string, unknown>): void => {
    status ??= answer["grpc-status"] as string | undefined;
  };
  stream.on("response", take).on("trailers", take).resume();
  if (sent.length < 5 + sent.readUInt32BE(1)) stream.write(sent);
  else stream.end(sent);
  await once(stream, "close");
  return Number(status);
}

function framed(message: Uint8Array, declared = message.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(declared, 1);
  return Buffer.concat([head, message]);
}

function openRequests(trial: OtlpTrial): number | undefined {
  return trial.registry.value("obsforge_receiver_open_requests");
}

describe("otlp receiver, gRPC", () => {
  it("ends calls that do not send their message, and takes others meanwhile [R20]", async () => {
    await using trial = await OtlpTrial.start();
    const client = await session(trial);
    // As many as have a turn: the next call waits until one of them is ended.
    const slow = Array.from({ length: 32 }, () => statusOfCall(client, framed(small, 1000)));
    await sleep(200);
    assert.equal(openRequests(trial), 32);
    const start = performance.now();
    const other = trial.call(small);
    assert.deepEqual(new Set(await Promise.all(slow)), new Set([UNAVAILABLE]));
    assert.equal((await other).code, 0);
    assert.ok(performance.now() - start < 11_000);
    client.destroy();
    assert.equal(openRequests(trial), 0);
    assert.equal(trial.refusedRequests("grpc", "busy"), 32);
  });

  it("holds nothing of calls and connections that go away in the middle [S15]", async () => {
    await using trial = await OtlpTrial.start();
    for (let turn = 0; turn < 20; turn++) {
      const client = await session(trial);
      const calls = Array.from({ length: 50 }, () => statusOfCall(client, framed(small, 1000)));
      await sleep(10);
      client.destroy();
      await Promise.all(calls);
    }
    await sleep(100);
    assert.equal(openRequests(trial), 0);
    assert.equal(trial.registry.value("obsforge_receiver_open_request_bytes"), 0);
    assert.equal((await trial.call(small)).code, 0);
  });

  it("takes a crowd of calls, each of which waits for its turn", async () => {
    await using trial = await OtlpTrial.start({ sink: new CollectingSink(() => sleep(20)) });
    const answers = await Promise.all(Array.from({ length: 300 }, () => trial.call(small)));
    assert.ok(answers.every(({ code }) => code === 0));
    assert.equal(trial.counted("accepted"), 900);
  });

  it("asks to come again when it has no room, and says when", async () => {
    const gate = Promise.withResolvers<void>();
    await using trial = await OtlpTrial.start({ sink: new CollectingSink(() => gate.promise) });
    const clients = await Promise.all(Array.from({ length: 11 }, () => session(trial)));
    const calls = clients.flatMap((client) =>
      Array.from({ length: 95 }, () => statusOfCall(client, framed(small))),
    );
    assert.equal(await Promise.race(calls), UNAVAILABLE);
    const { code, metadata } = await trial.call(small);
    assert.equal(code, UNAVAILABLE);
    const [details] = metadata.get("grpc-status-details-bin");
    assert.ok(Buffer.isBuffer(details) && readRpcStatus(details).hasRetryInfo);
    gate.resolve();
    const codes = await Promise.all(calls);
    const taken = codes.filter((code) => code === 0).length;
    assert.equal(trial.counted("accepted"), 3 * taken);
    assert.equal(taken, 1024);
    for (const client of clients) client.destroy();
  });

  it("does not know other methods", async () => {
    await using trial = await OtlpTrial.start();
    const client = await session(trial);
    const other = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    assert.equal(await statusOfCall(client, framed(small), other), UNIMPLEMENTED);
    client.destroy();
  });
});
