/** What a profiled process can put where debug files are looked for. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { requirement } from "../../../test/support/requirements.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import type { WantedDebugFile } from "./debug-file.ts";
import { DebugFiles } from "./debug-files.ts";
import { placeFound, reasonsOf } from "./testing/found.ts";
import { debugFileBytes, writeDebugFile } from "./testing/written-debug-file.ts";

const ID = "0123456789abcdef0123456789abcdef01234567";

const top = temporaryFolder();
after(() => top[Symbol.dispose]());
let tests = 0;
let folder = "";
const path = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = join(top.path, `test-${tests++}`);
  mkdirSync(path("root/bin"), { recursive: true });
  writeDebugFile(path("root/bin/app"), { buildId: ID });
});

function finder(): DebugFiles {
  return new DebugFiles({ debug_dirs: ["/debug"] }, { env: {} });
}

/** As a process whose root is the folder has it. */
function inRoot(): WantedDebugFile {
  return {
    buildId: ID,
    path: "/bin/app",
    root: path("root"),
    debugLink: { name: "app.debug", crc: 0 },
  };
}

const onHost = (): WantedDebugFile => ({
  ...inRoot(),
  path: path("root/bin/app"),
  root: undefined,
});

/** What stands at app.debug beside the program, and what is said of it. */
const places: readonly { name: string; make: (place: string) => unknown; says: RegExp }[] = [
  { name: "a FIFO", make: (place) => execFileSync("mkfifo", [place]), says: /not a regular file/ },
  { name: "a folder", make: (place) => mkdirSync(place), says: /not a regular file/ },
  { name: "a socket", make: listenOn, says: /not a regular file/ },
  { name: "a link to a device", make: (place) => symlinkSync("/dev/zero", place), says: /not / },
  { name: "a link to nowhere", make: (place) => symlinkSync("gone", place), says: /not there/ },
  {
    name: "a link to itself",
    make: (place) => symlinkSync("app.debug", place),
    says: /not |too many links/,
  },
  { name: "a link into /proc", make: (place) => symlinkSync("/proc/self/mem", place), says: /./ },
  { name: "text", make: (place) => writeFileSync(place, "root:x:0:0\n"), says: /not a whole ELF/ },
];

const listening: { close(): void }[] = [];
after(() => {
  for (const server of listening) server.close();
});

async function listenOn(place: string): Promise<void> {
  const server = createServer();
  listening.push(server);
  await once(server.listen(place), "listening");
}

describe("beside a program", () => {
  for (const { name, make, says } of places) {
    it(`${name} is no debug file, and nobody waits for it [S6]`, async () => {
      await make(path("root/bin/app.debug"));
      await using files = finder();
      for (const wanted of [inRoot(), onHost()]) {
        const startMs = performance.now();
        const reasons = reasonsOf(await files.find(wanted));
        const reason = reasons.find((each) => each.includes("bin/app.debug:")) ?? "";
        assert.match(reason, says);
        assert.ok(performance.now() - startMs < 1000, `${performance.now() - startMs} ms`);
      }
    });
  }
});

describe("the root of a process", () => {
  it("is where its own debug directories and links are", async () => {
    await using files = finder();
    writeDebugFile(path("root/bin/app.debug"), { buildId: ID });
    assert.equal(placeFound(await files.find(inRoot())), "debug_link /bin/app.debug");
    writeDebugFile(path(`root/debug/.build-id/01/${ID.slice(2)}.debug`), { buildId: ID });
    await using later = finder();
    const found = await later.find(inRoot());
    assert.equal("root" in found && found.root, path("root"));
    assert.equal(placeFound(found), `debug_dirs /debug/.build-id/01/${ID.slice(2)}.debug`);
  });

  for (const { name, make } of [
    { name: "a link to a file", make: (to: string) => symlinkSync(to, path("root/bin/app.debug")) },
    {
      name: "a link upwards to a file",
      make: (to: string) => symlinkSync(`../../../../../../../${to}`, path("root/bin/app.debug")),
    },
    {
      name: "a link to a folder",
      make: (to: string) => symlinkSync(join(to, ".."), path("root/bin/.debug")),
    },
    {
      name: "a link through /proc",
      make: (to: string) => symlinkSync(`/proc/self/root${to}`, path("root/bin/app.debug")),
    },
  ]) {
    it(`is not left by ${name}`, async () => {
      writeDebugFile(path("outside/app.debug"), { buildId: ID });
      make(path("outside/app.debug"));
      await using files = finder();
      assert.equal(placeFound(await files.find(inRoot())), "missing");
    });
  }

  it("is not left by a path in .gnu_debugaltlink", async () => {
    writeDebugFile(path("outside/common"), { buildId: ID });
    await using files = finder();
    for (const name of [path("outside/common"), "../../outside/common", "/../../outside/common"]) {
      const altLink = { name, buildId: ID };
      assert.equal(placeFound(await files.find({ ...inRoot(), altLink })), "missing");
    }
  });

  it("does not choose what others get", async () => {
    await using files = finder();
    writeDebugFile(path("root/bin/app.debug"), { buildId: ID });
    assert.equal(placeFound(await files.find(inRoot())), "debug_link /bin/app.debug");
    const other = { ...inRoot(), root: path("root/bin") };
    assert.equal(placeFound(await files.find(other)), "missing");
    assert.equal(placeFound(await files.find({ buildId: ID })), "missing");
  });

  it("may be gone", async () => {
    await using files = finder();
    assert.equal(
      placeFound(await files.find({ ...inRoot(), root: "/proc/1999999/root" })),
      "missing",
    );
  });
});

describe("a process in a container", { skip: requirement("root") }, () => {
  it("has its debug files in its own root", async () => {
    writeDebugFile(path("root/bin/app.debug"), { buildId: ID });
    const child = spawn("unshare", [
      "--mount",
      "sh",
      "-c",
      `mount --bind ${path("root")} /mnt && exec sleep 5`,
    ]);
    try {
      await sleep(300);
      await using files = finder();
      const wanted = { ...inRoot(), path: "/mnt/bin/app", root: `/proc/${child.pid}/root` };
      const found = await files.find(wanted);
      assert.equal(placeFound(found), "debug_link /mnt/bin/app.debug");
      assert.equal(placeFound(await files.find({ ...wanted, root: undefined })), "missing");
    } finally {
      child.kill();
    }
  });
});

describe("other work", () => {
  it("goes on while places are FIFOs and files are swapped [B3]", async () => {
    const place = path("root/bin/app.debug");
    execFileSync("mkfifo", [path("fifo")]);
    writeFileSync(path("whole"), debugFileBytes({ buildId: ID }));
    await using files = new DebugFiles({ debug_dirs: [], missing_for: 0 }, { env: {} });
    let isDone = false;
    const swapping = (async (): Promise<void> => {
      while (!isDone) {
        for (const name of ["fifo", "whole"]) {
          linkTo(path(name), place);
          await new Promise(setImmediate);
        }
      }
    })();
    const startMs = performance.now();
    let found = 0;
    for (let round = 0; round < 200; round++) {
      const results = await Promise.all([files.find(inRoot()), files.find(onHost())]);
      for (const result of results) if (placeFound(result) !== "missing") found++;
    }
    isDone = true;
    await swapping;
    assert.ok(performance.now() - startMs < 20_000);
    assert.ok(found > 0);
    assert.ok(readdirSync("/proc/self/fd").length < 100);
  });
});

/** Puts a link in the place of what is there, at once. */
function linkTo(to: string, place: string): void {
  symlinkSync(`../../${basename(to)}`, `${place}.new`);
  renameSync(`${place}.new`, place);
}
