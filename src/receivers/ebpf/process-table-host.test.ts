import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { requirement } from "../../../test/support/requirements.ts";
import { type ProcessImage, type ProcessMapping, TrackedImage } from "./process-image.ts";
import { ProcessTable } from "./process-table.ts";

const SHORT_PROCESSES = 500;

async function run(program: string, args: string[] = []): Promise<Ran> {
  const child = spawn(program, args, { stdio: "ignore" });
  const ended = once(child, "exit");
  const pid = child.pid as number;
  return { pid, ended };
}

interface Ran {
  readonly pid: number;
  readonly ended: Promise<unknown>;
}

function now(): bigint {
  return process.hrtime.bigint();
}

function mappingsOf(image: ProcessImage): readonly ProcessMapping[] {
  assert.ok(image instanceof TrackedImage);
  return image.mappings.all();
}

function mappingOf(image: ProcessImage, path: string): ProcessMapping | undefined {
  return mappingsOf(image).find((mapping) => mapping.path.endsWith(path));
}

function mappedPaths(image: ProcessImage): string[] {
  return mappingsOf(image).map((mapping) => mapping.path);
}

describe("ProcessTable on this host", { skip: requirement("root", "bpf") }, () => {
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "process-table-"));
    // Other tests of the machine may have loaded libbpf; here its first load must not count.
    ProcessTable.start()[Symbol.dispose]();
  });
  after(() => rmSync(folder, { recursive: true }));

  it("knows this process, its threads and a kernel thread from the scan", () => {
    using table = ProcessTable.start();
    const image = table.imageAt(process.pid, now());
    assert.equal(image?.executablePath, process.execPath);
    assert.equal(image?.parentPid, process.ppid);
    assert.notEqual(image?.threadName(process.pid), undefined);
    assert.ok(mappingOf(image as ProcessImage, "/libc.so.6"));
    assert.ok(mappingOf(image as ProcessImage, "[vdso]"));
    assert.equal(table.imageAt(2, now())?.isKernelThread, true);
  });

  it("names every one of 500 processes that ended before the drain", async () => {
    const names = Array.from({ length: 20 }, (_, index) => `short-${index}`);
    for (const name of names) copyFileSync("/bin/true", join(folder, name));
    using table = ProcessTable.start();
    const imagesBefore = table.counters.images;
    const started: { pid: number; name: string; timeNs: bigint }[] = [];
    for (let index = 0; index < SHORT_PROCESSES; index++) {
      const name = names[index % names.length] as string;
      const { pid, ended } = await run(join(folder, name));
      await ended;
      started.push({ pid, name, timeNs: now() });
      if (index % 100 === 99) table.drain();
    }
    table.drain();
    for (const { pid, name, timeNs } of started) {
      const image = table.imageAt(pid, timeNs);
      assert.equal(image?.processName, name);
      assert.equal(image.executablePath, join(folder, name));
      assert.match(mappingOf(image, `/${name}`)?.buildId ?? "", /^[0-9a-f]{40}$/);
      assert.ok(image.exitNs !== undefined && image.exitNs <= timeNs);
    }
    assert.equal(table.counters.procReads, 0);
    assert.equal(table.counters.lostRecords, 0);
    table.expire(now());
    // Others of this machine may have come and gone.
    assert.ok(table.counters.images < imagesBefore + 50, String(table.counters.images));
  });

  it("gives all descriptors and rings back", () => {
    const fdsBefore = readdirSync("/proc/self/fd").length;
    for (let round = 0; round < 5; round++) {
      using table = ProcessTable.start();
      table.drain();
    }
    assert.ok(readdirSync("/proc/self/fd").length <= fdsBefore);
    assert.ok(!readFileSync("/proc/self/maps", "latin1").includes("[perf_event]"));
  });

  it("follows an exec", async () => {
    using table = ProcessTable.start();
    const { pid, ended } = await run("/bin/sh", ["-c", "sleep 0.1; exec sleep 0.2"]);
    await delay(60);
    const asShellNs = now();
    await ended;
    table.drain();
    assert.equal(table.imageAt(pid, asShellNs)?.processName, "sh");
    const slept = table.imageAt(pid, now());
    assert.equal(slept?.processName, "sleep");
    assert.match(slept.executablePath, /\/sleep$/);
    assert.equal(slept.parentPid, process.pid);
  });

  it("sees what is mapped late", async () => {
    const source = `
      #include <dlfcn.h>
      #include <unistd.h>
      int main(void) { usleep(200000); dlopen("libz.so.1", RTLD_NOW); usleep(300000); return 0; }`;
    const program = join(folder, "late");
    execFileSync("gcc", ["-x", "c", "-o", program, "-", "-ldl"], { input: source });
    const { pid, ended } = await run(program);
    await delay(50);
    using table = ProcessTable.start();
    const image = table.imageAt(pid, now()) as ProcessImage;
    assert.ok(!mappedPaths(image).some((path) => path.includes("/libz.so")));
    await ended;
    table.drain();
    assert.equal(table.imageAt(pid, now()), image);
    assert.ok(mappedPaths(image).some((path) => path.includes("/libz.so")));
    assert.equal(image.executablePath, program);
  });
});
