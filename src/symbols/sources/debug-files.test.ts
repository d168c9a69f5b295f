import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  fstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { buildProgram } from "../../../test/support/build-program.ts";
import { requirement } from "../../../test/support/requirements.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { readElf } from "../elf/elf-file.ts";
import { fileAccess } from "../elf/random-access.ts";
import type { FoundDebugFile, MissingDebugFile, WantedDebugFile } from "./debug-file.ts";
import { DebugFiles } from "./debug-files.ts";
import type { DebugFilesOptions } from "./options.ts";
import { bytesFound, placeFound, reasonsOf } from "./testing/found.ts";
import { debugFileBytes, writeDebugFile } from "./testing/written-debug-file.ts";

const ID = "0123456789abcdef0123456789abcdef01234567";
const OTHER_ID = "ffffffffffffffffffffffffffffffffffffffff";
const BY_ID = `.build-id/01/${ID.slice(2)}.debug`;

/** Looks once, and only in the places of a test. */
async function find(
  wanted: WantedDebugFile,
  options: DebugFilesOptions = {},
): Promise<FoundDebugFile | MissingDebugFile> {
  await using files = new DebugFiles({ debug_dirs: [], ...options }, { env: {} });
  return await files.find(wanted);
}

const top = temporaryFolder();
after(() => top[Symbol.dispose]());
let tests = 0;
/** Of the test that runs. */
let folder = "";
const path = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = join(top.path, `test-${tests++}`);
  mkdirSync(folder);
});

describe("what objcopy makes", { skip: requirement("binutils") }, () => {
  /** app with a link to app.debug, whose build id and CRC are given. */
  function makeLinked(...flags: string[]): { buildId: string; crc: number } {
    const program = path("program");
    const compiled = buildProgram("recursion.c", ["-Wl,--build-id=sha1"]);
    // It warns of what it leaves out.
    const objcopy = (...args: string[]): Buffer => execFileSync("objcopy", args, { stdio: "pipe" });
    objcopy(...flags, compiled, program);
    objcopy("--only-keep-debug", program, path("app.debug"));
    objcopy("--strip-all", `--add-gnu-debuglink=${path("app.debug")}`, program, path("app"));
    const notes = execFileSync("readelf", ["-n", path("app")], { encoding: "latin1" });
    const buildId = /Build ID: ([0-9a-f]+)/.exec(notes)?.[1] ?? "";
    return { buildId, crc: crc32(readFileSync(path("app.debug"))) };
  }

  it("is found by its link, and shows the build id", async () => {
    const { buildId } = makeLinked();
    const debugLink = { name: "app.debug", crc: 0 };
    const found = await find({ buildId, path: path("app"), debugLink });
    assert.ok(!("missing" in found), JSON.stringify(found));
    using file = found;
    assert.equal(file.source, "debug_link");
    assert.equal(file.size, fstatSync(file.fd).size);
    assert.equal(readElf(fileAccess(file.fd, "found")).buildId, buildId);
  });

  it("is found by its CRC when it has no build id", async () => {
    const { buildId, crc } = makeLinked("--remove-section=.note.gnu.build-id");
    assert.equal(buildId, "");
    const wanted = { buildId, path: path("app") };
    const found = await find({ ...wanted, debugLink: { name: "app.debug", crc } });
    assert.equal(placeFound(found), `debug_link ${path("app.debug")}`);
    const refused = await find({ ...wanted, debugLink: { name: "app.debug", crc: crc ^ 1 } });
    assert.match(reasonsOf(refused).join("\n"), /app\.debug: has the CRC [0-9a-f]{8}, not /);
    assert.equal("kind" in refused && refused.kind, "other_build");
  });
});

describe("debug directories", () => {
  it("have files by build id", async () => {
    const bytes = writeDebugFile(path(`debug/${BY_ID}`), { buildId: ID });
    const found = await find({ buildId: ID }, { debug_dirs: [path("none"), path("debug")] });
    assert.deepEqual(bytesFound(found), Buffer.from(bytes));
  });

  it("give the path that a link there leads to", async () => {
    writeDebugFile(path("debug/usr/bin/app.debug"), { buildId: ID });
    mkdirSync(path("debug/.build-id/01"), { recursive: true });
    symlinkSync("../../usr/bin/app.debug", path(`debug/${BY_ID}`));
    const found = await find({ buildId: ID }, { debug_dirs: [path("debug")] });
    assert.equal(placeFound(found), `debug_dirs ${path("debug/usr/bin/app.debug")}`);
  });

  it("have programs too", async () => {
    writeDebugFile(path(`debug/${BY_ID.replace(".debug", "")}`), { buildId: ID });
    const wanted: WantedDebugFile = { kind: "executable", buildId: ID };
    assert.match(placeFound(await find(wanted, { debug_dirs: [path("debug")] })), /^debug_dirs /);
  });

  for (const { name, is64, littleEndian } of [
    { name: "32 bits", is64: false, littleEndian: true },
    { name: "32 bits, big endian", is64: false, littleEndian: false },
    { name: "64 bits, big endian", is64: true, littleEndian: false },
  ]) {
    it(`have files of ${name}`, async () => {
      writeDebugFile(path(`debug/${BY_ID}`), { buildId: ID, is64, littleEndian });
      const found = await find({ buildId: ID }, { debug_dirs: [path("debug")] });
      assert.match(placeFound(found), /^debug_dirs /);
    });
  }

  for (const { name, bytes, says } of [
    {
      name: "of another build",
      bytes: debugFileBytes({ buildId: OTHER_ID }),
      says: `has the build id ${OTHER_ID}`,
    },
    { name: "without a build id", bytes: debugFileBytes(), says: "has no build id" },
    { name: "that is empty", bytes: Buffer.alloc(0), says: "empty" },
    {
      name: "that is text",
      bytes: Buffer.from("text\n".repeat(20)),
      says: "not a whole ELF file: header: no magic number",
    },
    {
      name: "that was cut",
      bytes: debugFileBytes({ buildId: ID }).subarray(0, -1),
      says: "not a whole ELF file: sections: beyond the end",
    },
  ]) {
    it(`refuse a file ${name}`, async () => {
      mkdirSync(path("debug/.build-id/01"), { recursive: true });
      writeFileSync(path(`debug/${BY_ID}`), bytes);
      const refused = await find({ buildId: ID }, { debug_dirs: [path("debug")] });
      assert.deepEqual(reasonsOf(refused), [`${path(`debug/${BY_ID}`)}: ${says}`]);
    });
  }

  for (const buildId of ["", "01", "../../../../etc/passwd", "0123456789ABCDEF", "012345678"]) {
    it(`are not asked for "${buildId}"`, async () => {
      assert.deepEqual(reasonsOf(await find({ buildId }, { debug_dirs: [path("debug")] })), []);
    });
  }
});

describe(".gnu_debuglink", () => {
  const debugLink = { name: "app.debug", crc: 0 };

  for (const place of ["bin/app.debug", "bin/.debug/app.debug"]) {
    it(`leads to ${place}`, async () => {
      writeDebugFile(path("bin/app"), { buildId: ID });
      writeDebugFile(path(place), { buildId: ID });
      const found = await find({ buildId: ID, path: path("bin/app"), debugLink });
      assert.equal(placeFound(found), `debug_link ${path(place)}`);
    });
  }

  it("leads to the program's folder below a debug directory", async () => {
    const place = join(path("debug"), path("bin/app.debug"));
    writeDebugFile(place, { buildId: ID });
    const wanted = { buildId: ID, path: path("bin/app"), debugLink };
    assert.equal(
      placeFound(await find(wanted, { debug_dirs: [path("debug")] })),
      `debug_link ${place}`,
    );
  });

  it("leads to neighbours of the program that a link leads to", async () => {
    writeDebugFile(path("opt/app"), { buildId: ID });
    writeDebugFile(path("opt/app.debug"), { buildId: ID });
    mkdirSync(path("bin"));
    symlinkSync("../opt/app", path("bin/app"));
    const found = await find({ buildId: ID, path: path("bin/app"), debugLink });
    assert.equal(placeFound(found), `debug_link ${path("opt/app.debug")}`);
  });

  it("does not lead to the file itself", async () => {
    writeDebugFile(path("bin/app"), { buildId: ID });
    symlinkSync("app", path("bin/app.debug"));
    const refused = await find({ buildId: ID, path: path("bin/app"), debugLink });
    assert.equal(reasonsOf(refused)[0], `${path("bin/app.debug")}: the file itself`);
  });

  for (const name of ["", ".", "..", "../app.debug", "/etc/passwd", "a/b", "a\0b"]) {
    it(`holds no name in ${JSON.stringify(name)}`, async () => {
      const wanted = { buildId: ID, path: path("app"), debugLink: { name, crc: 0 } };
      assert.deepEqual(reasonsOf(await find(wanted)), [".gnu_debuglink: holds no plain name"]);
    });
  }
});

describe(".gnu_debugaltlink", () => {
  for (const { name, link, place, from } of [
    { name: "its absolute path", link: "/@/dwz/common", place: "dwz/common", from: "bin/app" },
    {
      name: "a path relative to the file",
      link: "../dwz/common",
      place: "dwz/common",
      from: "bin/app",
    },
    {
      name: "the same name below a debug directory",
      link: "/usr/lib/debug/.dwz/x86_64/common",
      place: "debug/.dwz/x86_64/common",
      from: "app",
    },
    {
      name: "its build id",
      link: "../nowhere",
      place: `debug/${BY_ID}`,
      from: "app",
    },
  ]) {
    it(`leads to a file by ${name}`, async () => {
      writeDebugFile(path(place), { buildId: ID });
      const altLink = { name: link.replace("/@", folder), buildId: ID };
      const wanted = { buildId: ID, path: path(from), altLink };
      const found = await find(wanted, { debug_dirs: [path("debug")] });
      assert.equal(placeFound(found).split(" ")[1], path(place));
    });
  }

  it("is relative to where the link to a debug file leads", async () => {
    writeDebugFile(path("debug/usr/bin/app.debug"), { buildId: OTHER_ID });
    mkdirSync(path("debug/.build-id/ff"), { recursive: true });
    symlinkSync("../../usr/bin/app.debug", path("debug/.build-id/ff/app.debug"));
    writeDebugFile(path("debug/.dwz/common"), { buildId: ID });
    const altLink = { name: "../../.dwz/common", buildId: ID };
    const from = path("debug/.build-id/ff/app.debug");
    const found = await find({ buildId: ID, path: from, altLink });
    assert.equal(placeFound(found), `alt_link ${path("debug/.dwz/common")}`);
  });

  it("refuses a file of another build, and any without an id to tell by", async () => {
    writeDebugFile(path("common"), { buildId: OTHER_ID });
    const wanted = { buildId: ID, path: path("app") };
    const refused = await find({ ...wanted, altLink: { name: "common", buildId: ID } });
    assert.deepEqual(reasonsOf(refused), [`${path("common")}: has the build id ${OTHER_ID}`]);
    const altLink = { name: "common", buildId: "" };
    assert.deepEqual(reasonsOf(await find({ ...wanted, buildId: "", altLink })), []);
  });
});

describe("split DWARF", () => {
  it("is in a package beside the program", async () => {
    writeDebugFile(path("bin/app.dwp"));
    const found = await find({ kind: "package", buildId: ID, path: path("bin/app") });
    assert.equal(placeFound(found), `split_dwarf ${path("bin/app.dwp")}`);
  });

  for (const { name, split, place } of [
    { name: "where it was compiled", split: ["a.dwo", "/@/build"], place: "build/a.dwo" },
    { name: "at its absolute path", split: ["/@/build/a.dwo", ""], place: "build/a.dwo" },
    { name: "beside the program", split: ["obj/a.dwo", "/gone"], place: "bin/obj/a.dwo" },
    { name: "by its name alone", split: ["obj/a.dwo", "/gone"], place: "bin/a.dwo" },
  ] as const) {
    it(`is in a .dwo ${name}`, async () => {
      writeDebugFile(path(place));
      const [dwo, compDir] = split.map((each) => each.replace("/@", folder));
      const wanted: WantedDebugFile = {
        buildId: ID,
        path: path("bin/app"),
        split: { name: dwo ?? "", compDir: compDir ?? "" },
      };
      assert.equal(placeFound(await find(wanted)), `split_dwarf ${path(place)}`);
    });
  }
});

describe("configured stores", () => {
  const rest = ID.slice(2);
  for (const { store, kind, place } of [
    { store: { layout: "build_id" }, place: BY_ID },
    { store: { layout: "native" }, place: `01/${rest}.debug` },
    { store: { layout: "native" }, kind: "executable", place: `01/${rest}` },
    { store: { layout: "debuginfod" }, place: `buildid/${ID}/debuginfo` },
    { store: { layout: "parca" }, kind: "executable", place: `${ID}/executable` },
    { store: { layout: "ssqp" }, place: `_.debug/elf-buildid-sym-${ID}/_.debug` },
    { store: { layout: "ssqp" }, kind: "executable", place: `app/elf-buildid-${ID}/app` },
    { store: { layout: "unified" }, place: `01/${rest}/debuginfo` },
    { store: { debuginfo: "by/{nn}/{rest}/{file}.dbg" }, place: `by/01/${rest}/app.dbg` },
  ] as const) {
    it(`have ${place}`, async () => {
      writeDebugFile(path(`store/${place}`), { buildId: ID });
      const wanted: WantedDebugFile = { kind, buildId: ID, path: "/usr/bin/App" };
      for (const location of [path("store"), `file://${path("store")}`]) {
        const found = await find(wanted, { symbol_stores: [{ location, ...store }] });
        assert.equal(placeFound(found), `symbol_stores ${path(`store/${place}`)}`);
      }
    });
  }

  for (const { store, says } of [
    { store: { debuginfo: "{id}/../x" }, says: /must be a path below the store/ },
    { store: { debuginfo: "/{id}" }, says: /must be a path below the store/ },
    { store: { debuginfo: "{nn}/debuginfo" }, says: /needs \{id\} or \{nn\} and \{rest\}/ },
    { store: { executable: "{id}/{name}" }, says: /has \{name\}, but there are/ },
  ]) {
    it(`refuse the template ${JSON.stringify(store)}`, () => {
      const options = { symbol_stores: [{ location: "/x", ...store }] };
      assert.throws(() => new DebugFiles(options), says);
    });
  }
});

describe("all sources", () => {
  it("are asked from the nearest to the farthest, and say so", async () => {
    const options = {
      debug_dirs: [path("debug")],
      symbol_stores: [{ location: path("store") }],
      cache_dir: path("cache"),
      debuginfod_cache_path: path("client"),
    };
    const wanted: WantedDebugFile = {
      buildId: ID,
      path: path("bin/app"),
      debugLink: { name: "app.debug", crc: 0 },
    };
    mkdirSync(path("cache"));
    mkdirSync(path("cache/debug-files"), { mode: 0o700 });
    const places = [
      ["debuginfod_cache_path", `client/${ID}/debuginfo`],
      ["cache", `cache/debug-files/${ID}.debuginfo`],
      ["symbol_stores", `store/${BY_ID}`],
      ["debug_link", "bin/app.debug"],
      ["debug_dirs", `debug/${BY_ID}`],
    ] as const;
    for (const [source, place] of places) {
      writeDebugFile(path(place), { buildId: ID });
      const found = await find(wanted, options);
      assert.equal(placeFound(found), `${source} ${path(place)}`);
    }
    const missing = await find({ ...wanted, buildId: OTHER_ID }, options);
    assert.ok("missing" in missing);
    assert.equal(missing.kind, "other_build");
    assert.equal(
      missing.missing,
      `no debug file for build id ${OTHER_ID}: looked in ` +
        `${path(`debug/.build-id/ff/${OTHER_ID.slice(2)}.debug`)} (not there), ` +
        `${path("bin/app.debug")} (has the build id ${ID}), ` +
        `${path("bin/.debug/app.debug")} (not there), ` +
        `${join(path("debug"), path("bin/app.debug"))} (not there), ` +
        `${path(`store/.build-id/ff/${OTHER_ID.slice(2)}.debug`)} (not there)`,
    );
  });

  it("say that there is nothing to look for", async () => {
    const missing = await find({ buildId: "", path: "/usr/bin/app" });
    const says =
      "no debug file for /usr/bin/app, which has no build id: " +
      "no place is known that may have it";
    assert.equal("missing" in missing && missing.missing, says);
  });

  it("leave nothing behind when nothing is fetched", async () => {
    await find({ buildId: ID }, { cache_dir: path("cache") });
    assert.throws(() => readFileSync(path("cache")), /ENOENT/);
  });

  it("have what is too old removed from the cache", async () => {
    mkdirSync(path("cache/debug-files"), { recursive: true, mode: 0o700 });
    const old = path(`cache/debug-files/${OTHER_ID}.debuginfo`);
    writeDebugFile(old, { buildId: OTHER_ID });
    utimesSync(old, 1, 1);
    await find({ buildId: ID }, { cache_dir: path("cache") });
    for (let tries = 0; tries < 100 && existsSync(old); tries++) await sleep(10);
    assert.equal(existsSync(old), false);
  });

  it("read no link of a file in the cache", async () => {
    writeDebugFile(path(`cache/debug-files/${OTHER_ID}.debuginfo`), { buildId: OTHER_ID });
    writeDebugFile(path("common"), { buildId: ID });
    const from = path(`cache/debug-files/${OTHER_ID}.debuginfo`);
    const altLink = { name: path("common"), buildId: ID };
    const wanted = { buildId: ID, path: from, altLink };
    assert.equal(placeFound(await find(wanted, { cache_dir: path("cache") })), "missing");
    assert.equal(placeFound(await find(wanted)), `alt_link ${path("common")}`);
  });
});

describe("answers", () => {
  it("are remembered as long as the file is the same", async () => {
    const debug = path(`debug/${BY_ID}`);
    writeDebugFile(debug, { buildId: ID });
    await using files = new DebugFiles({ debug_dirs: [path("debug")] }, { env: {} });
    assert.equal(basename(placeFound(await files.find({ buildId: ID }))), basename(debug));
    assert.equal(basename(placeFound(await files.find({ buildId: ID }))), basename(debug));
    assert.equal(files.counts.repeated, 1);
    writeDebugFile(debug, { buildId: OTHER_ID });
    assert.equal(placeFound(await files.find({ buildId: ID })), "missing");
    assert.equal(files.counts.repeated, 1);
  });

  it("that there is no file are forgotten after their time", async () => {
    let nowMs = 0;
    const clock = { unixNanos: () => 0n, monotonicNanos: () => BigInt(nowMs) * 1_000_000n };
    const options = { debug_dirs: [path("debug")], missing_for: 1000 };
    await using files = new DebugFiles(options, { clock, env: {} });
    assert.equal(placeFound(await files.find({ buildId: ID })), "missing");
    writeDebugFile(path(`debug/${BY_ID}`), { buildId: ID });
    nowMs = 999;
    assert.equal(placeFound(await files.find({ buildId: ID })), "missing");
    nowMs = 1000;
    assert.match(placeFound(await files.find({ buildId: ID })), /^debug_dirs /);
    assert.deepEqual([...files.counts.found], [["debug_dirs", 1]]);
  });

  it("are one look for all who ask at once, and a descriptor for each", async () => {
    writeDebugFile(path(`debug/${BY_ID}`), { buildId: ID });
    await using files = new DebugFiles({ debug_dirs: [path("debug")] }, { env: {} });
    const asked = Array.from({ length: 20 }, () => files.find({ buildId: ID }));
    const found = await Promise.all(asked);
    const fds = found.map((file) => ("fd" in file ? file.fd : -1));
    assert.equal(new Set(fds).size, 20);
    assert.equal(files.counts.repeated, 19);
    for (const file of found) placeFound(file);
  });
});
