import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { type TestCertificates, testCertificates } from "../../transport/testing/certificates.ts";
import { DebugFiles } from "./debug-files.ts";
import { startFaultyServer } from "./testing/faulty-server.ts";
import { placeFound, reasonsOf } from "./testing/found.ts";
import { debugFileBytes } from "./testing/written-debug-file.ts";

const ID = "0123456789abcdef0123456789abcdef01234567";

describe("a debuginfod server with TLS", () => {
  const folder = temporaryFolder();
  let certificates: TestCertificates;

  before(() => {
    certificates = testCertificates();
    // The system's authorities are read when they are needed first.
    process.env["SSL_CERT_FILE"] = certificates.file("ca.pem");
  });
  after(() => {
    certificates[Symbol.dispose]();
    folder[Symbol.dispose]();
  });

  async function start(name: string): Promise<AsyncDisposable & { port: number }> {
    const [cert, key] = [certificates.pem(`${name}.pem`), certificates.pem(`${name}.key`)];
    const server = createServer({ cert, key }, (_, response) => {
      response.end(debugFileBytes({ buildId: ID }));
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    return {
      port: (server.address() as AddressInfo).port,
      async [Symbol.asyncDispose]() {
        server.close();
        server.closeAllConnections();
      },
    };
  }

  function debugFilesOf(url: string, cache: string): DebugFiles {
    const cache_dir = folder.file(cache);
    const options = { debug_dirs: [], cache_dir, debuginfod_retry_limit: 0 };
    return new DebugFiles({ ...options, debuginfod_urls: [url] }, { env: {} });
  }

  it("is believed when an authority of the system signed it", async () => {
    await using server = await start("server");
    await using files = debugFilesOf(`https://127.0.0.1:${server.port}`, "signed");
    assert.match(placeFound(await files.find({ buildId: ID })), /^debuginfod_urls /);
  });

  it("is not believed when a stranger did", async () => {
    await using server = await start("stranger");
    await using files = debugFilesOf(`https://127.0.0.1:${server.port}`, "stranger");
    const [reason = ""] = reasonsOf(await files.find({ buildId: ID }));
    assert.match(reason, /self-signed certificate/);
  });

  it("is not followed to where there is none [S9]", async () => {
    await using plain = await startFaultyServer((_, response) => {
      response.writeHead(301, { location: plain.url.replace("http:", "https:") }).end();
    });
    await using files = debugFilesOf(plain.url, "upgrade");
    const [reason = ""] = reasonsOf(await files.find({ buildId: ID }));
    assert.match(reason, /redirects to another server/);
  });
});
