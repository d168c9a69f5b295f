import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { buildProgram } from "../../../test/support/build-program.ts";
import { requirement } from "../../../test/support/requirements.ts";
import { runCommand } from "../../../test/support/run-command.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { readElf } from "../elf/elf-file.ts";
import { bytesAccess } from "../elf/random-access.ts";
import type { FoundDebugFile, MissingDebugFile, WantedDebugFile } from "./debug-file.ts";
import { DebugFiles } from "./debug-files.ts";
import type { DebugFilesOptions } from "./options.ts";
import { type DebuginfodServer, startDebuginfod } from "./testing/debuginfod.ts";
import { bytesFound, placeFound, reasonsOf } from "./testing/found.ts";

const objcopy = (...args: string[]): Buffer =>
  execFileSync("objcopy", args, { stdio: ["ignore", "pipe", "ignore"] });

describe("Debian's debuginfod", { skip: requirement("debuginfod", "binutils") }, () => {
  const folder = temporaryFolder();
  const path = (name: string): string => folder.file(name);
  let server: DebuginfodServer;
  let buildId = "";

  /** A new client, so that only the server knows anything. */
  async function find(
    wanted: Partial<WantedDebugFile>,
    options: DebugFilesOptions = {},
  ): Promise<FoundDebugFile | MissingDebugFile> {
    const debuginfod_urls = [server.url];
    await using files = new DebugFiles(
      { debug_dirs: [], debuginfod_urls, cache_dir: path("cache"), missing_for: 0, ...options },
      { env: {} },
    );
    return await files.find({ buildId, ...wanted });
  }

  before(async () => {
    for (const name of ["served", "scratch"]) mkdirSync(path(name));
    const program = buildProgram("recursion.c", ["-Wl,--build-id=sha1"]);
    objcopy("--only-keep-debug", "--compress-debug-sections", program, path("served/app.debug"));
    objcopy("--strip-all", program, path("served/app"));
    buildId = readElf(bytesAccess(readFileSync(program), "program")).buildId;
    server = await startDebuginfod(path("served"), path("scratch"));
    for (let tries = 0; tries < 200; tries++) {
      if (placeFound(await find({})) !== "missing") return;
      await sleep(50);
    }
    assert.fail(`nothing was served: ${server.command.stderr()}`);
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  it("gives a debug file, byte by byte", async () => {
    const bytes = bytesFound(await find({}, { cache_dir: path("other-cache") }));
    assert.deepEqual(bytes, readFileSync(path("served/app.debug")));
  });

  it("gives a program", async () => {
    const bytes = bytesFound(await find({ kind: "executable" }));
    assert.deepEqual(bytes, readFileSync(path("served/app")));
  });

  it("says that it has no such file", async () => {
    const missing = await find({ buildId: "00".repeat(20) });
    assert.deepEqual(reasonsOf(missing), [`${server.url}: does not have it`]);
  });

  it("filled the cache of elfutils' client, which is read", async () => {
    const cache = path("client-cache");
    const env = { ...process.env, DEBUGINFOD_URLS: server.url, DEBUGINFOD_CACHE_PATH: cache };
    const found = await runCommand("debuginfod-find", ["debuginfo", buildId], { env });
    assert.equal(found.code, 0, found.stderr);
    await runCommand("debuginfod-find", ["debuginfo", "00".repeat(20)], { env });
    const options = {
      debuginfod_urls: [],
      debuginfod_cache_path: cache,
      cache_dir: path("empty-cache"),
    };
    const place = `debuginfod_cache_path ${join(cache, buildId, "debuginfo")}`;
    assert.equal(placeFound(await find({}, options)), place);
    assert.equal(placeFound(await find({ buildId: "00".repeat(20) }, options)), "missing");
  });

  it("says how large a file is before it sends it", async () => {
    const options = { debuginfod_maxsize: 100, cache_dir: path("small-cache") };
    assert.match(reasonsOf(await find({}, options)).join(), /has a file of \d+ bytes, over 100$/);
  });
});

describe("what dwz makes", { skip: requirement("dwz", "binutils") }, () => {
  const folder = temporaryFolder();
  after(() => folder[Symbol.dispose]());
  const path = (name: string): string => folder.file(name);

  it("is found by the link that dwz wrote", async () => {
    mkdirSync(path("usr/bin"), { recursive: true });
    mkdirSync(path(".dwz"));
    const program = buildProgram("recursion.c", ["-Wl,--build-id=sha1"]);
    for (const name of ["a", "b"]) copyFileSync(program, path(`usr/bin/${name}`));
    execFileSync("dwz", ["-r", "-m", path(".dwz/common"), path("usr/bin/a"), path("usr/bin/b")]);
    const altLink = readAltLink(path("usr/bin/a"));
    assert.equal(altLink.name, "../../.dwz/common");
    const wanted = { buildId: altLink.buildId, path: path("usr/bin/a"), altLink };
    await using files = new DebugFiles({ debug_dirs: [] }, { env: {} });
    assert.equal(placeFound(await files.find(wanted)), `alt_link ${path(".dwz/common")}`);
    await using others = new DebugFiles({ debug_dirs: [folder.path] }, { env: {} });
    const elsewhere = await others.find({ ...wanted, path: undefined });
    assert.equal(placeFound(elsewhere), `alt_link ${join(folder.path, ".dwz/common")}`);
  });
});

/** A path, a NUL, and the build id of the common file. */
function readAltLink(path: string): { name: string; buildId: string } {
  const section = `.gnu_debugaltlink=${path}.altlink`;
  objcopy("--dump-section", section, path, `${path}.copy`);
  const bytes = readFileSync(`${path}.altlink`);
  const end = bytes.indexOf(0);
  return {
    name: bytes.subarray(0, end).toString(),
    buildId: bytes.subarray(end + 1).toString("hex"),
  };
}
