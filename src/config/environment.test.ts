import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { type ConfigEnvironment, systemEnvironment } from "./environment.ts";
import { CONFIG_BYTES_MAX } from "./limits.ts";
import { resolveConfig } from "./resolve.ts";

const environment: ConfigEnvironment = systemEnvironment(() => undefined);

async function fileWith(test: TestContext, bytes: Uint8Array | string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "config-"));
  test.after(() => rm(directory, { recursive: true }));
  const path = join(directory, "c.yaml");
  await writeFile(path, bytes);
  return path;
}

async function served(test: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await once(server.listen(0, "127.0.0.1"), "listening");
  test.after(() => server.closeAllConnections());
  test.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/c.yaml`;
}

const resolve = (uri: string): Promise<unknown> =>
  resolveConfig({ configs: [uri], sets: [] }, environment);

describe("the system's environment", () => {
  it("has the process's variables", () => {
    assert.equal(environment.variables["PATH"], process.env["PATH"]);
  });

  it("reads files, with or without a byte order mark", async (test) => {
    const path = await fileWith(test, "\ufeffa: ö");
    const { value } = await resolveConfig({ configs: [path], sets: [] }, environment);
    assert.equal(value["a"], "ö");
  });

  it("reads at most the limit", async (test) => {
    const fits = await fileWith(test, "#".repeat(CONFIG_BYTES_MAX));
    assert.equal((await environment.readFile(fits)).length, CONFIG_BYTES_MAX);
    const over = await fileWith(test, "#".repeat(CONFIG_BYTES_MAX + 1));
    await assert.rejects(resolve(over), /c\.yaml: it is over 1048576 bytes$/);
    await assert.rejects(resolve("/dev/zero"), /^CollectorError: \/dev\/zero: it is over/);
  });

  it("says why a file is not read", async (test) => {
    await assert.rejects(resolve("/nonexistent/c"), /: \/nonexistent\/c: there is no such file$/);
    await assert.rejects(resolve(tmpdir()), /: this is a directory, not a file$/);
    await assert.rejects(resolve("a\0b"), /: the path has a zero byte$/);
    const binary = await fileWith(test, Uint8Array.of(0x61, 0xff, 0xfe));
    await assert.rejects(resolve(binary), /: the text is not UTF-8$/);
  });

  it("fetches an URL", async (test) => {
    const url = await served(test, (_, response) => response.end("a: 1"));
    const config = await resolveConfig({ configs: [url], sets: [] }, environment);
    assert.equal(config.value["a"], 1);
    assert.equal(config.where(["a"]), `${url}:1`);
  });

  it("follows no redirect", async (test) => {
    const url = await served(test, (_, response) => {
      response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
    });
    await assert.rejects(resolve(url), /the server answered 302; it must be 200/);
  });

  it("fetches at most the limit", async (test) => {
    const url = await served(test, (_, response) => {
      response.end("#".repeat(CONFIG_BYTES_MAX + 1));
    });
    await assert.rejects(resolve(url), /: it is over 1048576 bytes$/);
  });

  it("says why an URL is not fetched", async () => {
    await assert.rejects(resolve("http:"), /: this is no URL$/);
    const server = createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await assert.rejects(resolve(`http://127.0.0.1:${port}`), /: nothing listens there$/);
  });
});
