import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { CollectingSink } from "../../../test/support/receiver-run.ts";
import { checked } from "../../config/check.ts";
import { testContext } from "../../pipeline/testing/context.ts";
import { type ErrorCode, isCollectorError } from "../../support/errors.ts";
import { testCertificates } from "../../transport/testing/certificates.ts";
import { otlpConfig } from "./config.ts";
import { OtlpReceiver } from "./receiver.ts";
import { OtlpTrial } from "./testing/otlp-trial.ts";

const certificates = testCertificates();
after(() => certificates[Symbol.dispose]());

async function assertFails(sent: Promise<void>, code: ErrorCode, says: RegExp): Promise<void> {
  await assert.rejects(sent, (error) => {
    assert.ok(isCollectorError(error, code), String(error));
    assert.match(error.message, says);
    return true;
  });
}

describe("otlp receiver's configuration", () => {
  const create = (protocols: object): OtlpReceiver =>
    new OtlpReceiver(checked(otlpConfig, { protocols }), {
      ...testContext(),
      next: new CollectingSink(),
    });

  it("needs a protocol, for which null is enough", async () => {
    assert.throws(() => create({}), /protocols must have grpc, http or both/);
    const { protocols } = checked(otlpConfig, { protocols: { grpc: null, http: null } });
    assert.equal(protocols.grpc?.endpoint, "localhost:4317");
    assert.equal(protocols.http?.endpoint, "localhost:4318");
  });

  for (const [name, protocols, says] of [
    ["an endpoint without a port", { grpc: { endpoint: "localhost" } }, /must be host:port/],
    ["CORS", { http: { cors: { allowed_origins: ["*"] } } }, /cors cannot be honoured/],
    ["authentication", { grpc: { auth: { authenticator: "basic" } } }, /auth cannot be honoured/],
    ["other transports", { grpc: { transport: "unix" } }, /transport cannot be honoured/],
  ] as const) {
    it(`refuses ${name}`, () => assert.throws(() => create(protocols), says));
  }

  it("fails its start when the port is taken, and leaves nothing open", async () => {
    await using trial = await OtlpTrial.start();
    const second = create({ grpc: { endpoint: "127.0.0.1:0" }, http: { endpoint: trial.http } });
    const says = /protocols::http::endpoint .* cannot be listened on: EADDRINUSE/;
    await assertFails(second.start(), "CONFIG_INVALID", says);
    assert.equal(second.address("grpc"), undefined);
    await second.stop();
  });

  it("fails its start without a certificate that it can use", async () => {
    const tls = { cert_file: "/nowhere/cert.pem", key_file: certificates.file("server.key") };
    const http = { endpoint: "127.0.0.1:0", tls };
    await assertFails(create({ http }).start(), "CONFIG_INVALID", /\/nowhere\/cert.pem .*ENOENT/);
  });
});
