import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { checked } from "../../config/check.ts";
import { debugFilesConfig } from "./config.ts";
import { DebugFiles } from "./debug-files.ts";
import {
  type DebugFilesOptions,
  debuginfodOptionsOfEnv,
  readHeadersFile,
  storesOf,
  systemDebuginfodUrls,
  withDefaults,
} from "./options.ts";

/** Without what is not set. */
function optionsOf(env: Record<string, string>, home = ""): DebugFilesOptions {
  return JSON.parse(JSON.stringify(debuginfodOptionsOfEnv(env, home))) as DebugFilesOptions;
}

describe("the options of debug files", () => {
  it("have the same defaults in a configuration and in code", () => {
    const fromYaml = JSON.parse(JSON.stringify(checked(debugFilesConfig))) as object;
    assert.deepEqual(withDefaults({}), fromYaml);
  });

  it("are taken as a configuration has them", () => {
    const config = checked(debugFilesConfig, {
      debug_dirs: ["/opt/debug"],
      symbol_stores: [{ location: "/srv/symbols", layout: "unified" }],
      debuginfod_urls: ["https://debuginfod.example.org"],
      debuginfod_timeout: "5s",
    });
    assert.equal(withDefaults(config).debuginfod_timeout, 5000);
    assert.ok(new DebugFiles(config));
  });

  for (const url of ["", "example.org", "ftp://example.org", "https://", "file://host/path"]) {
    it(`refuse the server "${url}"`, () => {
      assert.throws(() => new DebugFiles({ debuginfod_urls: [url] }), { code: "CONFIG_INVALID" });
    });
  }

  it("take a server that is a folder", () => {
    const { folders, remote } = storesOf(withDefaults({ debuginfod_urls: ["file:///srv/debug"] }));
    assert.deepEqual([folders.length, remote.length], [1, 0]);
  });
});

describe("the environment of elfutils' client", () => {
  const cases: readonly {
    name: string;
    env: Record<string, string>;
    options: DebugFilesOptions;
  }[] = [
    { name: "nothing", env: {}, options: { debuginfod_urls: [] } },
    {
      name: "servers",
      env: { DEBUGINFOD_URLS: " https://a.example/x\thttp://b.example:8002  file:///srv " },
      options: {
        debuginfod_urls: ["https://a.example/x", "http://b.example:8002", "file:///srv"],
      },
    },
    {
      name: "servers whose signatures are to be checked, which are left out",
      env: {
        DEBUGINFOD_URLS:
          "https://a.example ima:enforcing https://b.example ima:ignore https://c.example",
      },
      options: { debuginfod_urls: ["https://a.example", "https://c.example"] },
    },
    {
      name: "what is no server",
      env: { DEBUGINFOD_URLS: "a.example ftp://b.example http://[ javascript:1" },
      options: { debuginfod_urls: [] },
    },
    {
      name: "numbers",
      env: {
        DEBUGINFOD_TIMEOUT: "5",
        DEBUGINFOD_MAXTIME: "60",
        DEBUGINFOD_MAXSIZE: "1000",
        DEBUGINFOD_RETRY_LIMIT: "0",
      },
      options: {
        debuginfod_urls: [],
        debuginfod_timeout: 5000,
        debuginfod_maxtime: 60_000,
        debuginfod_maxsize: 1000,
        debuginfod_retry_limit: 0,
      },
    },
    {
      name: "numbers that are none",
      env: { DEBUGINFOD_TIMEOUT: "soon", DEBUGINFOD_MAXTIME: "-1", DEBUGINFOD_RETRY_LIMIT: "" },
      options: { debuginfod_urls: [] },
    },
    {
      name: "no limit of size",
      env: { DEBUGINFOD_MAXSIZE: "0" },
      options: { debuginfod_urls: [], debuginfod_maxsize: Number.MAX_SAFE_INTEGER },
    },
    {
      name: "a file of headers and a cache",
      env: { DEBUGINFOD_HEADERS_FILE: "/h", DEBUGINFOD_CACHE_PATH: "/c", XDG_CACHE_HOME: "/x" },
      options: {
        debuginfod_urls: [],
        debuginfod_headers_file: "/h",
        debuginfod_cache_path: "/c",
      },
    },
    {
      name: "a cache by the XDG base directories",
      env: { XDG_CACHE_HOME: "/x" },
      options: { debuginfod_urls: [], debuginfod_cache_path: "/x/debuginfod_client" },
    },
  ];
  for (const { name, env, options } of cases) {
    it(`says ${name}`, () => assert.deepEqual(optionsOf(env), options));
  }

  it("has a cache in the home of the user, under an older name where that is there", () => {
    using home = temporaryFolder();
    const cache = (): string | undefined => optionsOf({}, home.path).debuginfod_cache_path;
    assert.equal(cache(), home.file(".cache/debuginfod_client"));
    mkdirSync(home.file(".debuginfod_client_cache"));
    assert.equal(cache(), home.file(".debuginfod_client_cache"));
  });
});

describe("the servers of the distribution", () => {
  it("stand in all files of urls", async () => {
    using folder = temporaryFolder();
    writeFileSync(folder.file("b.urls"), "https://b.example\nhttps://a.example\n");
    writeFileSync(folder.file("a.urls"), "https://a.example https://c.example\n");
    writeFileSync(folder.file("c.sh"), "https://d.example\n");
    const urls = ["https://a.example", "https://c.example", "https://b.example"];
    assert.deepEqual(await systemDebuginfodUrls(folder.path), urls);
    assert.deepEqual(await systemDebuginfodUrls(folder.file("none")), []);
  });
});

describe("a file of headers", () => {
  it("has one in each line that is one", async () => {
    using folder = temporaryFolder();
    const lines = ["A: 1", "b:2 ", "", "no header", ": 3", "C D: 4", "e: \x00", "f:"];
    writeFileSync(folder.file("headers"), lines.join("\n"));
    assert.deepEqual(await readHeadersFile(folder.file("headers")), { a: "1", b: "2", f: "" });
  });

  it("is no large file", async () => {
    using folder = temporaryFolder();
    writeFileSync(folder.file("headers"), "x".repeat(65_537));
    await assert.rejects(readHeadersFile(folder.file("headers")), { code: "LIMIT_EXCEEDED" });
  });
});
