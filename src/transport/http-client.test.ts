import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { after, describe, it } from "node:test";
import { startHttpSink } from "../../test/support/http-sink.ts";
import { checked } from "../config/check.ts";
import { object } from "../config/schema.ts";
import { systemClock } from "../support/clock.ts";
import { isCollectorError } from "../support/errors.ts";
import { createHttpClient, httpClientFields } from "./client-config.ts";
import { type HttpClient, RESPONSE_BYTES_MAX } from "./http-client.ts";
import { testCertificates } from "./testing/certificates.ts";

const schema = object(httpClientFields("30s"));
const CANARY = "canary-7f3a9c";
const BODY = Buffer.from("profiles ".repeat(1000));
const certificates = testCertificates();
after(() => certificates[Symbol.dispose]());

function client(options: object = {}, usesTls = false): Promise<HttpClient> {
  return createHttpClient(checked(schema, options), { clock: systemClock, usesTls });
}

function post(http: HttpClient, endpoint: string, signal?: AbortSignal) {
  const options = { contentType: "text/plain", ...(signal && { signal }) };
  return http.post(new URL("/push?token=secret-query", endpoint), BODY, options);
}

/** A server whose every connection is treated by `talk`. */
async function startRawServer(
  talk: (send: (text: string) => void, cut: () => void, end: (text: string) => void) => void,
) {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () =>
      talk(
        (text) => socket.write(text),
        () => socket.resetAndDestroy(),
        (text) => socket.end(text),
      ),
    );
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.dispose]: () => server.close(),
  };
}

async function assertFails(given: Promise<unknown>, pattern: RegExp): Promise<void> {
  await assert.rejects(given, (error) => {
    assert.ok(isCollectorError(error, "UNAVAILABLE_RETRYABLE"), String(error));
    assert.match(error.message, pattern);
    assert.ok(!error.message.includes("secret-query"), error.message);
    return true;
  });
}

describe("HttpClient", () => {
  for (const compression of ["gzip", "zlib", "deflate", "zstd", "none", ""]) {
    it(`sends by compression "${compression}" what can be read again`, async () => {
      await using sink = await startHttpSink(() => ({ status: 200 }));
      const http = await client({ compression });
      await post(http, sink.endpoint);
      http.close();
      const [request] = sink.requests;
      const encoding = request?.headers["content-encoding"];
      assert.equal(encoding ?? "none", compression === "" ? "none" : compression);
      if (compression !== "zlib") assert.deepEqual(Buffer.from(request?.body ?? []), BODY);
      if (encoding !== undefined) assert.ok((request?.wireBytes ?? 0) < BODY.length / 10);
    });
  }

  it("refuses what it cannot compress, or not by that level", async () => {
    assert.throws(() => checked(schema, { compression: "snappy" }), /compression must be one of/);
    const level = client({ compression: "gzip", compression_params: { level: 12 } });
    await assert.rejects(level, /compression_params::level is 12, but gzip has 1 to 9/);
  });

  it("keeps its connection, and gives it back when it is closed", async () => {
    await using sink = await startHttpSink(() => ({ status: 200 }));
    const http = await client();
    await post(http, sink.endpoint);
    await post(http, sink.endpoint);
    http.close();
    assert.equal(sink.connectionCount, 1);
  });

  it("asks by another connection when the server has closed the kept one", async () => {
    let requestCount = 0;
    using server = await startRawServer((_send, _cut, end) => {
      requestCount++;
      end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    });
    const http = await client({ compression: "none" });
    for (let sent = 0; sent < 100; sent++) {
      assert.equal((await post(http, server.endpoint)).status, 200);
    }
    assert.equal(requestCount, 100);
    http.close();
  });

  it("does not ask again what the server may have taken before it cut the connection", async () => {
    await using sink = await startHttpSink(() => ({ status: 200 }));
    const http = await client();
    await post(http, sink.endpoint);
    sink.fail("reset", 1);
    await assertFails(post(http, sink.endpoint), /cannot be reached: connection reset/);
    assert.equal(sink.requests.length, 2);
    assert.equal(sink.connectionCount, 1);
    assert.equal((await post(http, sink.endpoint)).status, 200);
    http.close();
  });

  it("sends the user's headers in UTF-8, and its own name", async () => {
    await using sink = await startHttpSink(() => ({ status: 200 }));
    const http = await client({ headers: { "X-Team": "größe ✓" } });
    await post(http, sink.endpoint);
    http.close();
    const { headers } = sink.requests[0] ?? assert.fail();
    assert.equal(Buffer.from(String(headers["x-team"]), "latin1").toString(), "größe ✓");
    assert.match(headers["user-agent"] ?? "", /^obsforge\//);
  });

  for (const headers of [{ "X-A": `${CANARY}\r\nX-B: 1` }, { "X A": CANARY }]) {
    it(`refuses the header ${Object.keys(headers)[0]} and keeps its value [S14]`, async () => {
      await assert.rejects(client({ headers }), (error) => {
        assert.ok(isCollectorError(error, "CONFIG_INVALID"));
        assert.ok(!error.message.includes(CANARY), error.message);
        return true;
      });
    });
  }

  it("gives the answer whatever its status, and follows no redirect", async () => {
    const location = "http://127.0.0.1:1/elsewhere";
    await using sink = await startHttpSink(() => ({ status: 307, headers: { location } }));
    const http = await client();
    assert.equal((await post(http, sink.endpoint)).status, 307);
    http.close();
  });

  it("reads the wait that a server asks for, in seconds or as a date", async () => {
    const date = new Date(Date.now() + 60_000).toUTCString();
    for (const [header, least, most] of [
      ["3", 3000, 3000],
      [date, 55_000, 61_000],
    ] as const) {
      await using sink = await startHttpSink(() => {
        return { status: 429, headers: { "retry-after": header } };
      });
      const http = await client();
      const { retryAfterMs = -1 } = await post(http, sink.endpoint);
      assert.ok(retryAfterMs >= least && retryAfterMs <= most, `${retryAfterMs}`);
      http.close();
    }
  });

  it("reads no more of an answer than it has room for", async () => {
    const body = new Uint8Array(RESPONSE_BYTES_MAX + 1);
    await using sink = await startHttpSink(() => ({ status: 200, body }));
    const http = await client();
    assert.equal((await post(http, sink.endpoint)).body.length, RESPONSE_BYTES_MAX);
    http.close();
  });

  it("fails in time when there is no answer", async () => {
    await using sink = await startHttpSink(() => ({ status: 200 }));
    sink.fail("hang");
    const http = await client({ timeout: "100ms" });
    await assertFails(post(http, sink.endpoint), /\/push gave no answer within 100ms$/);
    http.close();
  });

  it("ends when it is told to", async () => {
    await using sink = await startHttpSink(() => ({ status: 200 }));
    sink.fail("hang");
    const http = await client();
    const controller = new AbortController();
    const sent = assertFails(post(http, sink.endpoint, controller.signal), /before the stop/);
    await sink.waitForRequests(1);
    controller.abort();
    await sent;
    http.close();
  });

  it("says that a connection was refused, reset, or its host is unknown", async () => {
    const http = await client();
    await assertFails(post(http, "http://127.0.0.1:1"), /127.0.0.1:1\/push .*connection refused$/);
    await assertFails(post(http, "http://nowhere.invalid"), /nowhere.invalid\/push .*host/);
    await using sink = await startHttpSink(() => ({ status: 200 }));
    sink.fail("reset");
    await assertFails(post(http, sink.endpoint), /cannot be reached: connection reset/);
    http.close();
  });

  it("says that an answer was cut short", async () => {
    using server = await startRawServer((send, cut) => {
      send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
      setTimeout(cut, 50);
    });
    const http = await client();
    await assertFails(post(http, server.endpoint), /cut its answer short/);
    http.close();
  });

  it("says that the connection was cut while the body was sent", async () => {
    using server = await startRawServer((_send, cut) => cut());
    const http = await client({ compression: "none" });
    const url = new URL(server.endpoint);
    const sent = http.post(url, new Uint8Array(32 * 1024 * 1024), { contentType: "text/plain" });
    await assertFails(sent, /cannot be reached: connection (reset|closed) by the server/);
    http.close();
  });

  it("reads an answer that comes before the body was sent", async () => {
    using server = await startRawServer((send) =>
      send("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
    );
    const http = await client({ compression: "none" });
    const url = new URL(server.endpoint);
    const body = new Uint8Array(32 * 1024 * 1024);
    assert.equal((await http.post(url, body, { contentType: "text/plain" })).status, 413);
    http.close();
  });

  it("says that an answer is no HTTP", async () => {
    using server = await startRawServer((send) => send("SSH-2.0-OpenSSH_9.9\r\n"));
    const http = await client();
    await assertFails(post(http, server.endpoint), /cannot be reached/);
    http.close();
  });
});

describe("HttpClient with TLS", () => {
  const server = { key: certificates.pem("server.key"), cert: certificates.pem("server.pem") };
  const mutual = { ...server, ca: certificates.pem("ca.pem"), requestCert: true };
  const answer = (): { status: number } => ({ status: 200 });
  const own = {
    cert_file: certificates.file("client.pem"),
    key_file: certificates.file("client.key"),
  };
  const ca_file = certificates.file("ca.pem");

  for (const { name, tls } of [
    { name: "an authority from a file", tls: { ca_file } },
    { name: "an authority from text", tls: { ca_pem: certificates.pem("ca.pem") } },
    { name: "any certificate", tls: { insecure_skip_verify: true } },
    { name: "another name", tls: { ca_file, server_name_override: "collector.test" } },
    { name: "TLS 1.3 only", tls: { ca_file, min_version: "1.3", curve_preferences: ["P256"] } },
    { name: "its own certificate", tls: { ca_file, ...own } },
  ]) {
    it(`trusts ${name}`, async () => {
      await using sink = await startHttpSink(answer, "cert_file" in tls ? mutual : server);
      const http = await client({ tls }, true);
      assert.equal((await post(http, sink.endpoint)).status, 200);
      http.close();
    });
  }

  for (const { name, tls, says } of [
    { name: "the wrong authority", tls: { ca_file: certificates.file("stranger.pem") }, says: /./ },
    { name: "the system's authorities", tls: {}, says: /certificate/ },
    {
      name: "another host's certificate",
      tls: { ca_file, server_name_override: "other.test" },
      says: /other\.test/,
    },
  ]) {
    it(`does not trust ${name}`, async () => {
      await using sink = await startHttpSink(answer, server);
      const http = await client({ tls }, true);
      await assertFails(post(http, sink.endpoint), says);
      assert.equal(sink.requests.length, 0);
      http.close();
    });
  }

  it("is refused by a server that wants a certificate", async () => {
    await using sink = await startHttpSink(answer, { ...mutual, rejectUnauthorized: true });
    const http = await client({ tls: { ca_file } }, true);
    await assertFails(post(http, sink.endpoint), /certificate/);
    http.close();
  });

  it("says that a server does not speak TLS", async () => {
    await using sink = await startHttpSink(answer);
    const http = await client({}, true);
    const https = sink.endpoint.replace("http:", "https:");
    await assertFails(post(http, https), /does not speak TLS/);
    http.close();
  });

  for (const { name, tls, says } of [
    { name: "a missing file", tls: { ca_file: "/no/ca.pem" }, says: /tls::ca_file \/no\/ca.pem/ },
    { name: "text without a certificate", tls: { ca_pem: CANARY }, says: /tls::ca_pem/ },
    { name: "a certificate alone", tls: { cert_file: own.cert_file }, says: /tls::key_file/ },
    {
      name: "another's key",
      tls: { ...own, key_file: certificates.file("server.key") },
      says: /tls::key_file .*server\.key cannot be used/,
    },
    {
      name: "a broken key",
      tls: { ...own, key_file: undefined, key_pem: CANARY },
      says: /key_pem/,
    },
    {
      name: "a certificate twice",
      tls: { ca_file, ca_pem: certificates.pem("ca.pem") },
      says: /exclude each other/,
    },
  ]) {
    it(`names the key of ${name}`, async () => {
      await assert.rejects(client({ tls }, true), (error) => {
        assert.ok(isCollectorError(error, "CONFIG_INVALID"), String(error));
        assert.match(error.message, says);
        assert.ok(!error.message.includes(CANARY), error.message);
        return true;
      });
    });
  }
});
