import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { rootCertificates } from "node:tls";
import type { HttpFault } from "../../../test/support/http-sink.ts";
import { connectError, type PushSink, startPushSink } from "../../../test/support/push-sink.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { checked } from "../../config/check.ts";
import { testContext } from "../../pipeline/testing/context.ts";
import { ProfileBatch } from "../../profiles/profile.ts";
import { CollectorError, type ErrorCode, isCollectorError } from "../../support/errors.ts";
import { createLogger } from "../../support/logger.ts";
import { assertGivesUp, startSilentServer } from "../../transport/testing/hanging.ts";
import { pyroscopeConfig } from "./config.ts";
import { PyroscopeExporter } from "./exporter.ts";
import { addResource } from "./testing/batches.ts";

const CANARY = "canary-7f3a-secret";

/** Some services, each with a stack whose name has that many bytes. */
function batchOf({ services = 1, nameBytes = 4 } = {}): ProfileBatch {
  const batch = new ProfileBatch();
  for (let service = 0; service < services; service++) {
    const stack = Array.from({ length: Math.ceil(nameBytes / 50_000) }, (_, frame) =>
      `${frame}`.padEnd(Math.min(nameBytes, 50_000), "x"),
    );
    const samples = [{ stack, value: 1 }];
    const profile = { type: "samples/count", period: "cpu/nanoseconds 10", samples };
    addResource(batch, { "service.name": `service-${service}` }, [profile]);
  }
  return batch;
}

/** What came of exporting one batch. */
async function exported(
  sink: PushSink,
  options: Record<string, unknown> = {},
  batch: ProfileBatch = batchOf(),
): Promise<CollectorError | undefined> {
  const lines: string[] = [];
  const exporter = new PyroscopeExporter(
    checked(pyroscopeConfig, { endpoint: sink.endpoint, ...options }),
    testContext({ logger: createLogger("debug", (line) => lines.push(line)) }),
  );
  await exporter.start();
  try {
    await exporter.consume(batch);
    return undefined;
  } catch (error) {
    assert.ok(isCollectorError(error), String(error));
    return error;
  } finally {
    await exporter.stop();
    assert.doesNotMatch(lines.join(""), new RegExp(CANARY));
  }
}

interface Failure {
  readonly name: string;
  readonly fault: HttpFault;
  readonly code: ErrorCode;
  readonly says: RegExp;
}

const failures: readonly Failure[] = [
  {
    name: "a refusal",
    fault: connectError("invalid_argument", "broken"),
    code: "INPUT_MALFORMED",
    says: /^http:\S+\/push\.v1\.PusherService\/Push answered 400: invalid_argument: broken$/,
  },
  {
    name: "no right",
    fault: connectError("unauthenticated", "no org id"),
    code: "PERMISSION",
    says: /answered 401: unauthenticated: no org id/,
  },
  {
    name: "too much, with a wait",
    fault: connectError("resource_exhausted", "rate limit", { "retry-after": "30" }),
    code: "UNAVAILABLE_RETRYABLE",
    says: /answered 429: resource_exhausted: rate limit; it asks for 30s/,
  },
  {
    name: "a restart",
    fault: connectError("unavailable", "starting"),
    code: "UNAVAILABLE_RETRYABLE",
    says: /answered 503: unavailable: starting/,
  },
  {
    name: "an error of the server",
    fault: connectError("internal", "disk"),
    code: "UNAVAILABLE_RETRYABLE",
    says: /answered 500/,
  },
  {
    name: "a server without the method",
    fault: connectError("unimplemented", "no"),
    code: "UNSUPPORTED",
    says: /answered 501/,
  },
  { name: "another server", fault: { status: 404 }, code: "NOT_FOUND", says: /answered 404$/ },
  {
    name: "a proxy's page with control characters",
    fault: { status: 408, body: `<html>\u001b[2J\n${"x".repeat(100_000)}` },
    code: "UNAVAILABLE_RETRYABLE",
    says: /answered 408: <html>\\x1b\[2J\\x0ax{400,500}…$/,
  },
  {
    name: "JSON that is nested too deep",
    fault: { status: 413, body: "[".repeat(200_000) },
    code: "LIMIT_EXCEEDED",
    says: /answered 413: \[+…$/,
  },
  {
    name: "a redirect",
    fault: { status: 302, headers: { location: "http://127.0.0.1:1/" } },
    code: "UNSUPPORTED",
    says: /answered 302/,
  },
  { name: "a reset", fault: "reset", code: "UNAVAILABLE_RETRYABLE", says: /reset/ },
  { name: "no answer", fault: "hang", code: "UNAVAILABLE_RETRYABLE", says: /within 200ms/ },
];

describe("pyroscope exporter, when a push fails", () => {
  for (const { name, fault, code, says } of failures) {
    it(`tells ${name}, and goes on when it is over`, async () => {
      await using sink = await startPushSink();
      sink.fail(fault);
      const error = await exported(sink, { timeout: "200ms" });
      assert.equal(error?.code, code);
      assert.match(error.message, says);
      sink.recover();
      assert.equal(await exported(sink), undefined);
      assert.equal(sink.accepted.length, 1);
    });
  }

  it("sends who it is, and says it in no error [S14]", async () => {
    const basic = { username: "12345", password: CANARY };
    const given = [
      { options: { basic_auth: basic }, header: `Basic ${btoa(`12345:${CANARY}`)}` },
      { options: { bearer_token: CANARY }, header: `Bearer ${CANARY}` },
      { options: { headers: { Authorization: CANARY } }, header: CANARY },
    ];
    for (const { options, header } of given) {
      await using sink = await startPushSink({ tenantRequired: true });
      assert.equal(await exported(sink, { tenant_id: "shop", ...options }), undefined);
      const { headers } = sink.requests[0] ?? assert.fail();
      assert.equal(headers.authorization, header);
      assert.equal(headers["x-scope-orgid"], "shop");
      sink.fail(connectError("unauthenticated", `${CANARY} and ${header} are wrong`));
      const error = await exported(sink, options);
      assert.equal(error?.code, "PERMISSION");
      const shown = `${error.message} ${error.stack} ${JSON.stringify(error.cause)}`;
      assert.doesNotMatch(shown, new RegExp(CANARY));
      assert.doesNotMatch(shown, new RegExp(btoa(`12345:${CANARY}`)));
    }
  });

  it("sends the other requests when one is refused", async () => {
    await using sink = await startPushSink();
    sink.fail(connectError("invalid_argument", "broken"), 1);
    const error = await exported(sink, {}, batchOf({ services: 3, nameBytes: 1_000_000 }));
    assert.equal(error?.code, "INPUT_MALFORMED");
    assert.match(error.message, /1 of 3 requests were not delivered; .*broken/);
    assert.equal(sink.accepted.length, 2);
  });

  it("does not ask a server again that is down", async () => {
    await using sink = await startPushSink();
    sink.fail(connectError("unavailable", "down"));
    const error = await exported(sink, {}, batchOf({ services: 3, nameBytes: 1_000_000 }));
    assert.equal(error?.code, "UNAVAILABLE_RETRYABLE");
    assert.equal(sink.requests.length, 1);
  });

  it("is not to be tried again when a part was taken: that would count twice", async () => {
    await using sink = await startPushSink();
    const consumed = exported(sink, {}, batchOf({ services: 3, nameBytes: 1_000_000 }));
    await sink.waitForRequests(1);
    sink.fail(connectError("unavailable", "down"));
    const error = await consumed;
    assert.equal(error?.code, "UNSUPPORTED");
    assert.match(error.message, /[12] of 3 requests were not delivered/);
  });

  it("gives up at its stop what hangs for five seconds, wherever it hangs", async () => {
    await using sink = await startPushSink();
    sink.fail("hang");
    await using silent = await startSilentServer();
    await Promise.all(
      [sink.endpoint, `http://${silent.address}`, `https://${silent.address}`].map(
        async (endpoint) => {
          const config = checked(pyroscopeConfig, { endpoint, timeout: "0s" });
          const exporter = new PyroscopeExporter(config, testContext());
          await exporter.start();
          const many = batchOf({ services: 3, nameBytes: 1_000_000 });
          await assertGivesUp(exporter, [exporter.consume(many), exporter.consume(batchOf())]);
        },
      ),
    );
    assert.equal(sink.requests.length, 2);
  });

  it("can be stopped and started again after a start that failed", async () => {
    using folder = temporaryFolder();
    const ca_file = folder.file("ca.pem");
    const options = { endpoint: "https://127.0.0.1:1", tls: { ca_file } };
    const exporter = new PyroscopeExporter(checked(pyroscopeConfig, options), testContext());
    await assert.rejects(exporter.start(), /ca\.pem cannot be read: ENOENT/);
    await exporter.stop();
    writeFileSync(ca_file, rootCertificates[0] ?? "");
    await exporter.start();
    await exporter.stop();
  });

  const refused: readonly [options: Record<string, unknown>, says: RegExp][] = [
    [{ endpoint: "localhost:4040" }, /endpoint must be a URL that begins with http/],
    [
      { basic_auth: { username: "u" }, bearer_token: "t" },
      /basic_auth and bearer_token cannot both/,
    ],
    [{ external_labels: { "a-b": "x" } }, /external_labels::a-b must begin with a letter/],
    [{ external_labels: { __name__: "x" } }, /external_labels::__name__ must/],
    [{ external_labels: { a: "x".repeat(2049) } }, /external_labels::a is longer than 2048 bytes/],
  ];
  for (const [options, says] of refused) {
    it(`does not begin with ${JSON.stringify(options).slice(0, 50)}`, () => {
      const config = checked(pyroscopeConfig, { endpoint: "http://x", ...options });
      assert.throws(
        () => new PyroscopeExporter(config, testContext()),
        (error) => error instanceof CollectorError && says.test(error.message),
      );
    });
  }
});
