import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { FAILURES_MAX, OPEN_MS } from "./breaker.ts";
import { DebugFiles, type DebugFilesContext } from "./debug-files.ts";
import type { DebugFilesOptions } from "./options.ts";
import {
  answering,
  type FaultyServer,
  giving,
  type Handler,
  startFaultyServer,
} from "./testing/faulty-server.ts";
import { bytesFound, placeFound, reasonsOf } from "./testing/found.ts";
import { debugFileBytes, writeDebugFile } from "./testing/written-debug-file.ts";

const ID = "0123456789abcdef0123456789abcdef01234567";
const OTHER_ID = "ffffffffffffffffffffffffffffffffffffffff";
const ASKED = `GET /buildid/${ID}/debuginfo`;
const file = debugFileBytes({ buildId: ID, contents: Buffer.alloc(300_000, "debug ") });

const top = temporaryFolder();
after(() => top[Symbol.dispose]());
let tests = 0;
let cache = "";
beforeEach(() => {
  cache = join(top.path, `test-${tests++}`);
});

/** What asks only these servers, and never twice. */
function debugFilesOf(
  servers: FaultyServer | readonly FaultyServer[],
  options: DebugFilesOptions = {},
  context: DebugFilesContext = {},
): DebugFiles {
  const urls = [servers].flat().map(({ url }) => url);
  return new DebugFiles(
    {
      debug_dirs: [],
      debuginfod_urls: urls,
      debuginfod_retry_limit: 0,
      cache_dir: cache,
      ...options,
    },
    { env: {}, ...context },
  );
}

const entries = (): string[] => readdirSync(join(cache, "debug-files")).sort();

describe("a debuginfod server", () => {
  it("is asked once, and what it gives is kept for this user alone", async () => {
    await using server = await startFaultyServer(giving(file));
    await using files = debugFilesOf(server);
    assert.deepEqual(bytesFound(await files.find({ buildId: ID })), Buffer.from(file));
    assert.deepEqual(entries(), [`${ID}.debuginfo`]);
    assert.equal(statSync(join(cache, "debug-files")).mode & 0o777, 0o700);
    assert.equal(statSync(join(cache, "debug-files", `${ID}.debuginfo`)).mode & 0o777, 0o600);
    await using later = debugFilesOf(server);
    assert.match(placeFound(await later.find({ buildId: ID })), /^cache /);
    assert.deepEqual(server.asked, [ASKED]);
    assert.equal(files.counts.fetched, 1);
    assert.equal(files.counts.fetchedBytes, file.length);
  });

  it("is not needed any more for what it gave", async () => {
    await using server = await startFaultyServer(giving(file));
    await using files = debugFilesOf(server);
    placeFound(await files.find({ buildId: ID }));
    await using offline = debugFilesOf([]);
    assert.match(placeFound(await offline.find({ buildId: ID })), /^cache /);
  });

  it("is asked for programs and for dwz's files too", async () => {
    await using server = await startFaultyServer(giving(file));
    await using files = debugFilesOf(server);
    assert.match(placeFound(await files.find({ kind: "executable", buildId: ID })), /^debuginfod/);
    const altLink = { name: "/usr/lib/debug/.dwz/common", buildId: ID };
    assert.match(placeFound(await files.find({ buildId: OTHER_ID, altLink })), /^debuginfod/);
    assert.deepEqual(server.asked, [`GET /buildid/${ID}/executable`, ASKED]);
  });

  it("gets one request for all who ask at once", async () => {
    await using server = await startFaultyServer((request, response) => {
      setTimeout(() => giving(file)(request, response), 50);
    });
    await using files = debugFilesOf(server);
    const found = await Promise.all([
      ...Array.from({ length: 10 }, () => files.find({ buildId: ID })),
      ...Array.from({ length: 10 }, (_, i) => files.find({ buildId: ID, path: `/no/app${i}` })),
    ]);
    for (const each of found) assert.deepEqual(bytesFound(each), Buffer.from(file));
    assert.deepEqual(server.asked, [ASKED]);
  });

  it("gets the headers of the file, and says who asks", async () => {
    let headers: Readonly<Record<string, unknown>> = {};
    await using server = await startFaultyServer((request, response) => {
      headers = request.headers;
      giving(file)(request, response);
    });
    mkdirSync(cache);
    const path = join(cache, "headers");
    writeFileSync(path, "X-Token: a b \r\n# no header\nbroken\nAuthorization: Basic Zm9v\n");
    await using files = debugFilesOf(server, { debuginfod_headers_file: path });
    placeFound(await files.find({ buildId: ID }));
    assert.equal(headers["x-token"], "a b");
    assert.equal(headers["authorization"], "Basic Zm9v");
    assert.match(String(headers["user-agent"]), /^obsforge\/\d/);
  });

  it("is not asked without the headers that it should get", async () => {
    await using server = await startFaultyServer(giving(file));
    await using files = debugFilesOf(server, { debuginfod_headers_file: join(cache, "none") });
    const [reason = ""] = reasonsOf(await files.find({ buildId: ID }));
    assert.match(reason, /could not be had: ENOENT/);
    assert.deepEqual(server.asked, []);
  });

  it("with a path keeps it", async () => {
    await using server = await startFaultyServer(giving(file));
    const options = { debuginfod_urls: [`${server.url}/deb/?key=secret`] };
    await using files = debugFilesOf(server, options);
    placeFound(await files.find({ buildId: ID }));
    assert.deepEqual(server.asked, [`GET /deb/buildid/${ID}/debuginfo?key=secret`]);
    server.answer = answering(404);
    const [reason = ""] = reasonsOf(await files.find({ buildId: OTHER_ID }));
    assert.equal(reason, `${server.url}/deb/: does not have it`);
  });

  it("is asked after a configured store", async () => {
    await using store = await startFaultyServer(answering(404));
    await using server = await startFaultyServer(giving(file));
    const symbol_stores = [{ location: store.url, layout: "unified" }] as const;
    await using files = debugFilesOf(server, { symbol_stores });
    assert.match(placeFound(await files.find({ buildId: ID })), /^debuginfod/);
    assert.deepEqual(store.asked, [`GET /01/${ID.slice(2)}/debuginfo`]);
  });
});

describe("a file", () => {
  const bodies: readonly { name: string; body: Uint8Array; encoding?: string }[] = [
    { name: "as gzip", body: gzipSync(file) },
    { name: "as zlib", body: deflateSync(file) },
    { name: "as zstd", body: zstdCompressSync(file) },
    { name: "that is sent as gzip", body: gzipSync(file), encoding: "gzip" },
    { name: "that is sent as zstd", body: zstdCompressSync(file), encoding: "zstd" },
    { name: "that is sent as deflate", body: deflateSync(file), encoding: "deflate" },
    {
      name: "as zstd that is sent as gzip",
      body: gzipSync(zstdCompressSync(file)),
      encoding: "gzip",
    },
    {
      name: "in two gzip members",
      body: Buffer.concat([gzipSync(file.subarray(0, 9)), gzipSync(file.subarray(9))]),
    },
  ];
  for (const { name, body, encoding } of bodies) {
    it(`${name} is kept as it is`, async () => {
      const headers = encoding === undefined ? {} : { "content-encoding": encoding };
      await using server = await startFaultyServer(
        giving(body, { "x-debuginfod-size": file.length, ...headers }),
      );
      await using files = debugFilesOf(server);
      assert.deepEqual(bytesFound(await files.find({ buildId: ID })), Buffer.from(file));
    });
  }
});

/** Sends the begin of a body, then does something else. */
function beginning(headers: Record<string, string | number>, then: Handler): Handler {
  return (request, response) => {
    response.writeHead(200, headers);
    response.write(file.subarray(0, 1000), () => then(request, response));
  };
}

const cut: Handler = (_, response) => response.destroy();
const end: Handler = (_, response) => void response.end();
const hang: Handler = () => {};
const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));

const faults: readonly {
  name: string;
  answer: Handler;
  says: RegExp;
  options?: DebugFilesOptions;
}[] = [
  {
    name: "cuts its answer",
    answer: beginning({ "content-length": file.length }, cut),
    says: /cut its answer short/,
  },
  {
    name: "cuts an answer of unknown length",
    answer: beginning({}, cut),
    says: /cut its answer short/,
  },
  {
    name: "ends too early",
    answer: beginning({ "x-debuginfod-size": file.length }, end),
    says: new RegExp(`cut its answer short, at 1000 of ${file.length} bytes`),
  },
  {
    name: "ends too early and does not know",
    answer: beginning({}, end),
    says: /sends another file: not a whole ELF file: sections: beyond the end/,
  },
  {
    name: "sends half a gzip",
    answer: giving(gzipSync(file).subarray(0, -100)),
    says: /cut its compressed answer short/,
  },
  {
    name: "sends a broken gzip",
    answer: giving(gzipSync(file).fill(0xff, 20, 60)),
    says: /sent broken compressed data/,
  },
  {
    name: "uses an unknown encoding",
    answer: giving(file, { "content-encoding": "lzma" }),
    says: /content encoding lzma, which is not known/,
  },
  {
    name: "sends another build",
    answer: giving(debugFileBytes({ buildId: OTHER_ID })),
    says: /sends another file: has the build id ffff/,
  },
  {
    name: "sends no build id",
    answer: giving(debugFileBytes()),
    says: /sends another file: has no build id/,
  },
  {
    name: "sends a page",
    answer: giving(Buffer.from("<html>".repeat(50))),
    says: /sends another file: not a whole ELF/,
  },
  { name: "sends nothing", answer: giving(new Uint8Array(0)), says: /sends another file: empty/ },
  { name: "fails", answer: answering(500), says: /answers 500/ },
  { name: "forbids it", answer: answering(403), says: /answers 403/ },
  {
    name: "never answers",
    answer: hang,
    says: /gives no answer/,
    options: { debuginfod_timeout: 200 },
  },
  {
    name: "stops in the middle",
    answer: beginning({}, hang),
    says: /sends less than 102400 bytes in 200 ms/,
    options: { debuginfod_timeout: 200 },
  },
  {
    name: "sends a byte at a time",
    answer: (_, response) => {
      const timer = setInterval(() => response.write("x"), 20);
      response.on("close", () => clearInterval(timer));
    },
    says: /sends less than 102400 bytes in 200 ms/,
    options: { debuginfod_timeout: 200 },
  },
  {
    name: "takes longer than the whole may",
    answer: beginning({}, hang),
    says: /was given up|cut its answer short/,
    options: { debuginfod_maxtime: 200 },
  },
  {
    name: "says that the file is too large",
    answer: giving(file, { "x-debuginfod-size": 2_000_000 }),
    says: /has a file of 2000000 bytes, over 1000000/,
    options: { debuginfod_maxsize: 1_000_000 },
  },
  {
    name: "sends too much",
    answer: (_, response) => response.write(Buffer.alloc(2_000_000, 1), () => response.end()),
    says: /has a file of more than 1000000 bytes/,
    options: { debuginfod_maxsize: 1_000_000 },
  },
  {
    name: "sends what inflates without end",
    answer: giving(bomb),
    says: /has a file of more than 1000000 bytes/,
    options: { debuginfod_maxsize: 1_000_000 },
  },
  {
    name: "redirects in a circle",
    answer: answering(302, { location: "/again" }),
    says: /redirects more than 3 times/,
  },
  {
    name: "redirects to nowhere",
    answer: answering(302, { location: "http://[" }),
    says: /redirects to what is no URL/,
  },
  ...[
    "http://127.0.0.1:1/",
    "http://localhost/",
    "http://2130706433/",
    "http://[::ffff:7f00:1]/",
    "http://169.254.169.254/latest/meta-data",
    "https://example.org/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
  ].map((location) => ({
    name: `redirects to ${location}`,
    answer: answering(307, { location }),
    says: /redirects to another server/,
  })),
];

describe("a server that [R17, S9]", () => {
  for (const { name, answer, says, options } of faults) {
    it(`${name} gives nothing and leaves nothing`, async () => {
      await using server = await startFaultyServer(answer);
      await using files = debugFilesOf(server, options);
      const [reason = ""] = reasonsOf(await files.find({ buildId: ID }));
      assert.match(reason, says);
      assert.deepEqual(
        entries().filter((entry) => !entry.endsWith(".missing")),
        [],
      );
    });
  }

  it("is not there gives nothing", async () => {
    const server = await startFaultyServer(hang);
    await server[Symbol.asyncDispose]();
    await using files = debugFilesOf(server);
    const [reason = ""] = reasonsOf(await files.find({ buildId: ID }));
    assert.equal(reason, `${server.url}: connection refused`);
  });

  it("redirects to itself is followed", async () => {
    await using server = await startFaultyServer((request, response) => {
      const isFirst = request.url === `/buildid/${ID}/debuginfo`;
      const answer = isFirst ? answering(301, { location: "/files/1" }) : giving(file);
      answer(request, response);
    });
    await using files = debugFilesOf(server);
    assert.deepEqual(bytesFound(await files.find({ buildId: ID })), Buffer.from(file));
    assert.deepEqual(server.asked, [ASKED, "GET /files/1"]);
  });
});

describe("requests", () => {
  it("are sent again to a server that failed, and to the next one", async () => {
    await using first = await startFaultyServer(answering(503));
    await using second = await startFaultyServer(giving(file));
    await using files = debugFilesOf([first, second], { debuginfod_retry_limit: 1 });
    assert.match(placeFound(await files.find({ buildId: ID })), /^debuginfod/);
    assert.deepEqual(first.asked, [ASKED, ASKED]);
    assert.equal(files.counts.requests, 3);
  });

  it("succeed when they are sent again", async () => {
    await using server = await startFaultyServer(beginning({}, cut));
    await using files = debugFilesOf(server, { debuginfod_retry_limit: 2 });
    const found = files.find({ buildId: ID });
    while (server.asked.length < 2) await sleep(10);
    server.answer = giving(file);
    assert.match(placeFound(await found), /^debuginfod/);
    assert.equal(server.asked.length, 3);
  });

  it("for what no server has are not sent again before their time", async () => {
    let nowMs = 0;
    const clock = {
      unixNanos: () => BigInt(1_700_000_000_000 + nowMs) * 1_000_000n,
      monotonicNanos: () => BigInt(nowMs) * 1_000_000n,
    };
    await using server = await startFaultyServer(answering(404));
    for (const [atMs, requests] of [
      [0, 1],
      [599_000, 1],
      [601_000, 2],
    ] as const) {
      nowMs = atMs;
      // Another process, which shares only the folder.
      await using files = debugFilesOf(server, {}, { clock });
      assert.equal(placeFound(await files.find({ buildId: ID })), "missing");
      assert.equal(server.asked.length, requests);
    }
    await using other = await startFaultyServer(giving(file));
    await using files = debugFilesOf([server, other], {}, { clock });
    assert.match(placeFound(await files.find({ buildId: ID })), /^debuginfod/);
    assert.deepEqual(entries(), [`${ID}.debuginfo`]);
  });

  it("are kept from a dead server for a minute [R17]", async () => {
    let nowMs = 0;
    const clock = {
      unixNanos: () => BigInt(nowMs) * 1_000_000n,
      monotonicNanos: () => BigInt(nowMs) * 1_000_000n,
    };
    await using server = await startFaultyServer(answering(500));
    await using files = debugFilesOf(server, {}, { clock });
    const idOf = (index: number): string => ID.slice(0, -2) + (16 + index).toString(16);
    for (let index = 0; index < FAILURES_MAX + 3; index++) {
      assert.equal(placeFound(await files.find({ buildId: idOf(index) })), "missing");
    }
    assert.equal(server.asked.length, FAILURES_MAX);
    const [reason = ""] = reasonsOf(await files.find({ buildId: ID }));
    assert.equal(reason, `${server.url}: not asked for 60 s, after 5 failures`);
    nowMs = OPEN_MS;
    placeFound(await files.find({ buildId: ID }));
    placeFound(await files.find({ buildId: ID }));
    assert.equal(server.asked.length, FAILURES_MAX + 1);
    nowMs = 2 * OPEN_MS;
    server.answer = giving(file);
    assert.match(placeFound(await files.find({ buildId: ID })), /^debuginfod/);
  });

  it("for what could not be fetched are not sent again at once", async () => {
    let nowMs = 0;
    const clock = { unixNanos: () => 0n, monotonicNanos: () => BigInt(nowMs) * 1_000_000n };
    await using server = await startFaultyServer(answering(500));
    await using files = debugFilesOf(server, {}, { clock });
    for (const [atMs, requests] of [
      [0, 1],
      [59_000, 1],
      [60_000, 2],
    ] as const) {
      nowMs = atMs;
      const missing = await files.find({ buildId: ID });
      assert.deepEqual(reasonsOf(missing), [`${server.url}: answers 500`]);
      assert.equal(server.asked.length, requests);
    }
  });

  it("go on when nobody waits any more", async () => {
    await using server = await startFaultyServer((request, response) => {
      setTimeout(() => giving(file)(request, response), 100);
    });
    await using files = debugFilesOf(server);
    const missing = await files.find({ buildId: ID }, { signal: AbortSignal.timeout(10) });
    assert.ok("missing" in missing && missing.isPassing);
    assert.deepEqual(reasonsOf(missing), [`${server.url}: still being asked`]);
    assert.match(placeFound(await files.find({ buildId: ID })), /^debuginfod/);
    assert.deepEqual(server.asked, [ASKED]);
  });

  it("end with the program, and leave nothing half", async () => {
    await using server = await startFaultyServer(beginning({}, hang));
    const files = debugFilesOf(server);
    const found = files.find({ buildId: ID });
    while (server.asked.length === 0 || entries().length === 0) await sleep(10);
    await files[Symbol.asyncDispose]();
    assert.equal(placeFound(await found), "missing");
    assert.deepEqual(entries(), []);
  });
});

describe("the cache", () => {
  it("takes a folder only that is nobody else's to write to", async () => {
    await using server = await startFaultyServer(giving(file));
    mkdirSync(join(cache, "debug-files"), { recursive: true });
    chmodSync(join(cache, "debug-files"), 0o777);
    await using files = debugFilesOf(server);
    const [reason = ""] = reasonsOf(await files.find({ buildId: ID }));
    assert.match(reason, /not asked: others may write into the folder/);
    assert.deepEqual(server.asked, []);
  });

  it("fetches again what was broken there", async () => {
    await using server = await startFaultyServer(giving(file));
    await using files = debugFilesOf(server);
    placeFound(await files.find({ buildId: ID }));
    writeFileSync(join(cache, "debug-files", `${ID}.debuginfo`), file.subarray(0, 500));
    assert.deepEqual(bytesFound(await files.find({ buildId: ID })), Buffer.from(file));
    assert.equal(server.asked.length, 2);
  });

  it("is read where elfutils' client has one, unless it says that there is nothing", async () => {
    const client = join(cache, "client");
    writeDebugFile(join(client, ID, "debuginfo"), { buildId: ID });
    mkdirSync(join(client, OTHER_ID));
    writeFileSync(join(client, OTHER_ID, "debuginfo"), "");
    await using files = debugFilesOf([], { debuginfod_cache_path: client });
    assert.match(placeFound(await files.find({ buildId: ID })), /^debuginfod_cache_path /);
    const reasons = reasonsOf(await files.find({ buildId: OTHER_ID }));
    assert.deepEqual(reasons, [`${join(client, OTHER_ID, "debuginfo")}: empty`]);
  });
});
