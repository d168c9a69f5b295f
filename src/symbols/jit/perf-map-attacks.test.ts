/**
 * What a hostile user can put in the place of a perf map. Files of other owners and of every kind
 * are in perf-map-file.test.ts.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { after, before, describe, it } from "node:test";
import { requirement } from "../../../test/support/requirements.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { PerfMap } from "./perf-map.ts";
import { openPerfMapOf } from "./perf-map-file.ts";
import { ReadMaps } from "./read-maps.ts";

const NOBODY = 65_534;
const MAP_BYTES_MAX = 64 * 1024 * 1024;

describe("a perf map that is swapped while it is opened [S6]", {
  skip: requirement("root"),
}, () => {
  let sleeper: ChildProcess;
  let swapper: ChildProcess;
  let path: string;

  before(async () => {
    sleeper = spawn("sleep", ["300"], { uid: NOBODY, gid: NOBODY });
    path = `/tmp/perf-${sleeper.pid}.map`;
    swapper = spawn(process.execPath, ["-e", SWAP, path], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => swapper.stdout?.once("data", resolve));
  });
  after(() => {
    sleeper.kill();
    swapper.kill("SIGKILL");
    rmSync(path, { recursive: true, force: true });
    rmSync(`${path}.next`, { recursive: true, force: true });
  });

  it("is in 10,000 races never what its owner may not read", () => {
    const seen = { opened: 0, refused: 0 };
    for (let race = 0; race < 10_000; race++) {
      const file = openPerfMapOf(sleeper.pid as number);
      if ("missing" in file) {
        seen.refused++;
        continue;
      }
      seen.opened++;
      assert.equal(readFileSync(file.fd, "latin1"), "1000 10 good\n");
      file[Symbol.dispose]();
    }
    assert.ok(seen.opened > 100 && seen.refused > 100, JSON.stringify(seen));
  });
});

/** Puts one kind of file after another in the map's place, as fast as it can. */
const SWAP = `
  const fs = require("node:fs");
  const path = process.argv[1];
  const next = path + ".next";
  const kinds = [
    () => fs.writeFileSync(next, "1000 10 good\\n"),
    () => fs.symlinkSync("/etc/shadow", next),
    () => fs.symlinkSync("/proc/self/mem", next),
    () => fs.symlinkSync("/dev/zero", next),
    () => {
      fs.writeFileSync(next, "1000 10 good\\n");
      fs.chownSync(next, ${NOBODY}, ${NOBODY});
    },
    () => {
      fs.writeFileSync(next, "1000 10 of another user\\n");
      fs.chownSync(next, 54321, 54321);
    },
  ];
  for (let round = 0; ; round++) {
    kinds[round % kinds.length]();
    fs.renameSync(next, path);
    if (round === 0) fs.writeSync(1, "ready");
  }
`;

describe("a perf map of hostile lines [S6]", () => {
  const block = (text: string): Uint8Array => Buffer.from(text.repeat(1 + (1 << 20) / text.length));
  const lines = (line: (index: number) => string): Uint8Array[] =>
    Array.from({ length: 1000 }, (_, thousand) => {
      return Buffer.from(
        Array.from({ length: 1000 }, (_, index) => line(1000 * thousand + index)).join(""),
      );
    });
  const cases: readonly { name: string; pieces: () => Iterable<Uint8Array> }[] = [
    { name: "a million lines", pieces: () => lines((row) => `${hex(row * 64)} 40 name_${row}\n`) },
    {
      name: "a million lines, each over all before it",
      pieces: () => lines((row) => `${hex(2e6 - row)} ${hex(2 * row)} n\n`),
    },
    {
      name: "names of 64 KB",
      pieces: () => lines((row) => `${hex(row)} 1 ${"n".repeat(row % 1000 === 0 ? 64_000 : 1)}\n`),
    },
    { name: "64 MB without a line end", pieces: () => Array(64).fill(block("A")) },
    { name: "64 MB of line ends", pieces: () => Array(64).fill(block("\n")) },
    { name: "64 MB of zeros", pieces: () => Array(64).fill(new Uint8Array(1 << 20)) },
    { name: "64 MB of lines without names", pieces: () => Array(64).fill(block("1 1\n")) },
  ];
  for (const { name, pieces } of cases) {
    it(`takes 64 MiB at most for ${name}`, () => {
      const map = new PerfMap();
      for (const piece of pieces()) map.append(piece);
      map.lookup(0x1000);
      assert.ok(map.bytes <= MAP_BYTES_MAX, `${map.bytes} bytes`);
    });
  }

  it("names the newest code when its lines were written over and over", () => {
    const map = new PerfMap();
    const places = 1000;
    for (const piece of lines((row) => `${hex(64 * (row % places))} 40 name_${row}\n`)) {
      map.append(piece);
    }
    for (let place = 0; place < places; place += 7) {
      assert.equal(map.lookup(64 * place + 5)?.name, `name_${999_000 + place}`);
    }
    assert.equal(map.skippedLines, 0);
  });

  it("shows no more of a name than its text", () => {
    const map = new PerfMap();
    map.append(Buffer.from("10 10 a\0b\u001b[31m<script>alert(1)</script>\n20 10 c\n"));
    assert.equal(map.lookup(0x10)?.name, "a\0b\u001b[31m<script>alert(1)</script>");
    assert.equal(map.lookup(0x20)?.name, "c");
  });
});

describe("ReadMaps [S6]", () => {
  const folder = temporaryFolder();
  after(() => folder[Symbol.dispose]());
  const nameAll = (maps: ReadMaps, key: string, fd: number): readonly string[] => {
    const found = maps.name({ key, fd, kind: "perf_map" }, BigUint64Array.of(0x1000n));
    return found.flat().map(({ name }) => name);
  };

  it("reads a long sparse file in parts, each in a moment", () => {
    const fd = openSync(folder.file("sparse"), "w+");
    writeSync(fd, "1000 10 first\n");
    ftruncateSync(fd, 2 ** 28);
    const maps = new ReadMaps();
    const address = BigUint64Array.of(0x1000n);
    const sent = { key: "sparse", fd, kind: "perf_map" } as const;
    const found: unknown[] = [];
    while (found.length === 0 || found.at(-1) === "not all read") {
      const before = process.cpuUsage();
      found.push(maps.nameInParts(sent, address));
      const { user, system } = process.cpuUsage(before);
      assert.ok(user + system < 1e6, `${user + system} µs`);
    }
    assert.equal(found.length, 32);
    assert.deepEqual(nameAll(maps, "sparse", fd), ["first"]);
    closeSync(fd);
  });

  it("names nothing by a map that is too long for its end to be read", () => {
    const fd = openSync(folder.file("endless"), "w+");
    writeSync(fd, "1000 10 first\n");
    ftruncateSync(fd, 2 ** 40);
    assert.throws(() => nameAll(new ReadMaps(), "endless", fd), { code: "LIMIT_EXCEEDED" });
    closeSync(fd);
  });

  it("lives with a file that is cut while it is read", () => {
    const fd = openSync(folder.file("cut"), "w+");
    const maps = new ReadMaps();
    writeSync(fd, "1000 10 before\n".repeat(1000), 0);
    assert.deepEqual(nameAll(maps, "cut", fd), ["before"]);
    ftruncateSync(fd, 7);
    assert.deepEqual(nameAll(maps, "cut", fd), []);
    writeSync(fd, "1000 10 after\n", 0);
    assert.deepEqual(nameAll(maps, "cut", fd), ["after"]);
    closeSync(fd);
  });

  it("keeps the maps of a hundred containers apart", () => {
    const maps = new ReadMaps();
    for (let round = 0; round < 2; round++) {
      for (let container = 0; container < 100; container++) {
        const name = createHash("sha1").update(String(container)).digest("hex");
        const file = folder.file(name);
        if (round === 0) writeFileSync(file, `1000 10 ${name}\n`);
        const fd = openSync(file, "r");
        assert.deepEqual(nameAll(maps, name, fd), [name]);
        closeSync(fd);
      }
    }
  });
});

function hex(value: number): string {
  return value.toString(16);
}
