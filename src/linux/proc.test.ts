import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import { describe, it } from "node:test";
import {
  cgroupPath,
  parseExecutableMaps,
  parseStatus,
  readExecutablePath,
  readProcess,
  readProcessStatus,
} from "./proc.ts";

const statOf = (name: string, state: string, flags = 0): string =>
  `7 (${name}) ${state} 3 7 7 0 -1 ${flags} 0 0 0 0 0 0 0 0 20 0 1 0 250 0 0\n`;

describe("parseStatus", () => {
  it("reads a name with any characters in it", () => {
    const status = parseStatus(7, statOf("a) S 9 (b\nc", "S"), 500n);
    assert.deepEqual(status, {
      pid: 7,
      parentPid: 3,
      name: "a) S 9 (b\nc",
      isKernelThread: false,
      startNs: 2_500_000_000n - 500n,
    });
  });

  it("knows a kernel thread", () => {
    assert.equal(parseStatus(7, statOf("kworker/0:1", "I", 0x208040), 0n)?.isKernelThread, true);
  });

  for (const text of ["", "7", "7 (", "7 )(", statOf("zombie", "Z"), statOf("dead", "X")]) {
    it(`takes ${JSON.stringify(text)} for nothing that runs`, () => {
      assert.equal(parseStatus(7, text, 0n), undefined);
    });
  }
});

describe("parseExecutableMaps", () => {
  it("reads the executable lines only", () => {
    const text = [
      "5619ae771000-5619ae775000 r--p 00000000 fe:00 326123                     /usr/bin/dash",
      "5619ae775000-5619ae788000 r-xp 00004000 fe:00 326123                     /usr/bin/da sh",
      "7f0000000000-7f0000001000 rwxp 00000000 00:00 0 ",
      "7f0000002000-7f0000003000 r-xs 00001000 00:01 5                          /memfd:x (deleted)",
      "7ffd01fe6000-7ffd01fe8000 r-xp 00000000 00:00 0                          [vdso]",
      "no line at all",
      "",
    ].join("\n");
    const shown = parseExecutableMaps(text).map((each) => [
      each.start.toString(16),
      each.fileOffset,
      each.path,
      `${each.device.major}:${each.device.minor}`,
      each.inode,
    ]);
    assert.deepEqual(shown, [
      ["5619ae775000", 0x4000n, "/usr/bin/da sh", "254:0", 326123n],
      ["7f0000000000", 0n, "", "0:0", 0n],
      ["7f0000002000", 0x1000n, "/memfd:x", "0:1", 5n],
      ["7ffd01fe6000", 0n, "[vdso]", "0:0", 0n],
    ]);
  });
});

describe("/proc of this host", () => {
  it("tells of this process", () => {
    const self = readProcess(process.pid);
    assert.equal(self?.parentPid, process.ppid);
    assert.equal(self.executablePath, readlinkSync("/proc/self/exe"));
    assert.ok(self.threads.includes(process.pid));
    assert.ok(self.startNs < process.hrtime.bigint());
    assert.ok(process.hrtime.bigint() - self.startNs < 600_000_000_000n);
    assert.match(cgroupPath(process.pid), /^\//);
  });

  it("has nothing of a process that ended", async () => {
    const child = spawn("true");
    const pid = child.pid as number;
    await new Promise((resolve) => child.on("exit", resolve));
    assert.equal(readProcess(pid), undefined);
    assert.equal(readProcessStatus(pid), undefined);
    assert.equal(readExecutablePath(pid), "");
    assert.equal(cgroupPath(pid), "");
  });
});
