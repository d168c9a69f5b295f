import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { requirement } from "../../test/support/requirements.ts";
import { readOwnVdso } from "./own-vdso.ts";
import { readProcess } from "./proc.ts";
import { NO_DEVICE, type ProcessMapping } from "./process-mapping.ts";
import { openTargetFile, type TargetFileLookup } from "./target-file.ts";

const self = { pid: process.pid, exitNs: undefined };

function mappingOf(path: string, inode = 0n): ProcessMapping {
  return {
    start: 0x1000n,
    end: 0x2000n,
    fileOffset: 0n,
    path,
    buildId: "",
    device: NO_DEVICE,
    inode,
  };
}

/** What was opened, by its contents, or why nothing was; nothing stays open. */
function outcome(lookup: TargetFileLookup): string {
  if ("missing" in lookup) return lookup.missing;
  using file = lookup;
  const bytes = new Uint8Array(16);
  return Buffer.from(bytes.subarray(0, readSync(file.fd, bytes, 0, 16, 0))).toString();
}

async function waitFor(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 100 && !condition(); tries++) await sleep(20);
  assert.ok(condition());
}

describe("openTargetFile", () => {
  let folder = "";
  const path = (name: string): string => join(folder, name);
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "target-file-"));
    writeFileSync(path("file"), "contents");
    writeFileSync(path("empty"), "");
    mkdirSync(path("folder"));
    execFileSync("mkfifo", [path("fifo")]);
    symlinkSync("file", path("link"));
    symlinkSync("fifo", path("link-to-fifo"));
    symlinkSync("loop", path("loop"));
    symlinkSync("/proc/self/mem", path("link-to-memory"));
    symlinkSync(`/proc/${process.pid}/exe`, path("magic"));
  });
  after(() => rmSync(folder, { recursive: true }));

  const cases = [
    { name: "file", is: "contents" },
    { name: "link", is: "contents" },
    { name: "empty", is: "empty" },
    { name: "folder", is: "not-regular" },
    { name: "fifo", is: "not-regular" },
    { name: "link-to-fifo", is: "not-regular" },
    { name: "loop", is: "not-regular" },
    { name: "magic", is: "not-regular" },
    { name: "absent", is: "not-found" },
    { name: "file/below", is: "not-found" },
  ];
  for (const { name, is } of cases) {
    it(`${name} is ${is}, without waiting`, () => {
      const fdsBefore = readdirSync("/proc/self/fd").length;
      assert.equal(outcome(openTargetFile(self, mappingOf(path(name)))), is);
      assert.equal(readdirSync("/proc/self/fd").length, fdsBefore);
    });
  }

  it("opens no device and no socket", async () => {
    assert.equal(outcome(openTargetFile(self, mappingOf("/dev/null"))), "not-regular");
    await using server = createServer();
    await new Promise<void>((resolve) => server.listen(path("socket"), resolve));
    assert.equal(outcome(openTargetFile(self, mappingOf(path("socket")))), "not-regular");
  });

  it("reads no memory of a process through a link", () => {
    assert.match(outcome(openTargetFile(self, mappingOf(path("link-to-memory")))), /not-|empty/);
  });

  for (const name of ["", "[vdso]", "[heap]", "relative", "/a\0b"]) {
    it(`${JSON.stringify(name)} is no file`, () => {
      assert.deepEqual(openTargetFile(self, mappingOf(name)), { missing: "anonymous" });
    });
  }

  it("gives out the mapped inode only", () => {
    const inode = statSync(path("file"), { bigint: true }).ino;
    assert.equal(outcome(openTargetFile(self, mappingOf(path("file"), inode))), "contents");
    assert.equal(outcome(openTargetFile(self, mappingOf(path("file"), inode + 1n))), "replaced");
  });

  it("verifies the files that this process runs", () => {
    const mappings = readProcess(process.pid)?.mappings.filter(({ path }) => path.startsWith("/"));
    assert.ok(mappings !== undefined && mappings.length > 2);
    for (const mapping of mappings) {
      const file = openTargetFile(self, mapping);
      assert.ok(!("missing" in file), mapping.path);
      using _ = file;
      assert.equal(file.inode, mapping.inode);
    }
  });

  it("finds the file of an ended process on the host", () => {
    const lookup = openTargetFile({ pid: 1, exitNs: 5n }, mappingOf(path("file")));
    assert.equal("via" in lookup && lookup.via, "host");
    assert.equal(outcome(lookup), "contents");
  });

  it("finds the file of a process that ended and that nobody has waited for", async () => {
    // After the exec nobody waits for the child, which stays as a zombie without a root. One that
    // ended before it would sometimes be waited for by the shell.
    const child = 'until read name < /proc/$$/comm && [ "$name" = sleep ]; do :; done';
    const parent = spawn("sh", ["-c", `(${child}) & echo $!; exec sleep 5`]);
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(line.toString());
    await waitFor(() => readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z "));
    const zombie = { pid, exitNs: undefined };
    assert.equal(outcome(openTargetFile(zombie, mappingOf(path("file")))), "contents");
    parent.kill();
  });

  it("never waits and never reads a FIFO while the path is swapped under it", () => {
    for (let round = 0; round < 1000; round++) {
      rmSync(path("swap"), { force: true });
      if (round % 2 === 0) linkSync(path("file"), path("swap"));
      else linkSync(path("fifo"), path("swap"));
      const is = outcome(openTargetFile(self, mappingOf(path("swap"))));
      assert.equal(is, round % 2 === 0 ? "contents" : "not-regular");
    }
  });

  it("stands races with a process that swaps the path all the time", async () => {
    const swap = path("race");
    const script =
      `cd ${folder}; while :; do ln -f file race; ln -f fifo race; ` +
      "ln -sf /etc/shadow race.l; mv -f race.l race; done";
    const child = spawn("sh", ["-c", script], { stdio: "ignore" });
    try {
      const until = performance.now() + 500;
      const seen = new Set<string>();
      while (performance.now() < until) {
        seen.add(
          outcome(
            openTargetFile(self, mappingOf(swap, statSync(path("file"), { bigint: true }).ino)),
          ),
        );
      }
      const allowed = ["contents", "not-regular", "not-found", "replaced", "empty", "refused"];
      assert.deepEqual(
        [...seen].filter((each) => !allowed.includes(each)),
        [],
      );
    } finally {
      child.kill("SIGKILL");
    }
  });

  describe("of a process with another root", { skip: requirement("root") }, () => {
    it("stays inside it, and takes a deleted file from the kernel", async () => {
      const root = path("root");
      mkdirSync(join(root, "etc"), { recursive: true });
      symlinkSync("/etc/passwd", join(root, "escape"));
      symlinkSync("../../../../etc/passwd", join(root, "climb"));
      const source = `
        #include <unistd.h>
        int main(void) {
          if (chroot("${root}") || chdir("/")) return 1;
          write(1, "x", 1); pause(); return 0;
        }`;
      const program = join(root, "app");
      execFileSync("gcc", ["-static", "-x", "c", "-o", program, "-"], { input: source });
      chmodSync(program, 0o755);
      const child = spawn(program, { stdio: ["ignore", "pipe", "ignore"] });
      try {
        await new Promise((resolve) => child.stdout.once("data", resolve));
        const target = { pid: child.pid as number, exitNs: undefined };
        const via = (mapping: ProcessMapping): string => {
          const file = openTargetFile(target, mapping);
          if ("missing" in file) return file.missing;
          using _ = file;
          return file.via;
        };
        assert.equal(via(mappingOf("/escape")), "not-found");
        assert.equal(via(mappingOf("/climb")), "not-found");
        assert.equal(via(mappingOf("/app")), "process-root");
        const mapped = readProcess(target.pid)?.mappings.find((each) => each.path === program);
        assert.ok(mapped);
        assert.equal(via(mapped), "map-files");
        renameSync(program, `${program}.old`);
        unlinkSync(`${program}.old`);
        writeFileSync(program, "another");
        assert.equal(via({ ...mapped, path: "/app" }), "map-files");
      } finally {
        child.kill("SIGKILL");
      }
    });
  });
});

describe("readOwnVdso", () => {
  it("gives an ELF file", () => {
    assert.deepEqual(readOwnVdso()?.subarray(0, 4), Uint8Array.of(0x7f, 0x45, 0x4c, 0x46));
  });
});
