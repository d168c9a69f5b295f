import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync } from "node:fs";
import { after, before, describe, it, type TestContext } from "node:test";
import { sleep } from "../../src/support/clock.ts";
import { readElf } from "../../src/symbols/elf/elf-file.ts";
import { fileAccess } from "../../src/symbols/elf/random-access.ts";
import { imposter } from "../hostile/header-files.ts";
import { hostileFiles } from "../hostile/hostile-files.ts";
import { buildProgram } from "../support/build-program.ts";
import {
  type HostRecording,
  recordHost,
  sampleCount,
  sampledShare,
  samplesOf,
  wholenessOf,
} from "../support/host-recording.ts";
import { requirement } from "../support/requirements.ts";
import { type RunningCommand, startCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const skip = requirement("root", "bpf");
/** Longer than the test runs; each takes a hundredth of a CPU. */
const PROGRAM_SECONDS = 300;
const timeoutMs: number = PROGRAM_SECONDS * 1000;
const RECORD_SECONDS = 10;
/** Programs that take more on the disk are read in test/hostile only. */
const FILE_BYTES_MAX = 40 * 1024 * 1024;
const DEPTH = 40;
/** Samples × period is the CPU time that the kernel charged; a busy machine moves it. */
const CPU_TIME_TOLERANCE = 0.05;
/** The good program's tables are there after this, whatever else is wanted. */
const LOADED_AFTER_MS_MAX = 7000;
/** Of its samples from then on. */
const WHOLE_SHARE_MIN = 0.99;
/** Of the hostile programs, which run for a hundredth of the time, have a sample. */
const SAMPLED_SHARE_MIN = 0.9;
const PEAK_MIB_MAX = 512;
/** Two seconds may be spent on one file; on the average it is far less. */
const CPU_SECONDS_A_FILE_MAX = 0.4;
/** As many mappings as Linux allows a process, nearly. */
const MAPPINGS = 60_000;

const STARTED_LOOK_MS = 50;

/** Stacks that frame pointers do not show: main, `DEPTH` × descend, spin. */
function startGood(): Promise<RunningCommand> {
  // Else the compiler makes a loop of the recursion.
  const flags = ["-fomit-frame-pointer", "-fno-optimize-sibling-calls"];
  const program = buildProgram("recursion.c", flags);
  return startCommand(program, [`${DEPTH}`, `${PROGRAM_SECONDS}`], { timeoutMs });
}

function isWhole(stack: readonly string[]): boolean {
  const isDeep = stack.filter((name) => name === "descend").length === DEPTH;
  return isDeep && stack.includes("main") && stack.at(-1) === "_start";
}

function assertSampled(recording: HostRecording, good: RunningCommand): void {
  assert.match(recording.stderr, / 0 lost/);
  const share = sampledShare(recording, good.pid);
  assert.ok(Math.abs(share - 1) < CPU_TIME_TOLERANCE, `${share}`);
}

function assertWhole(recording: HostRecording, good: RunningCommand, test: TestContext): void {
  const { afterMs, share, example } = wholenessOf(recording, good.pid, isWhole);
  test.diagnostic(`after ${Math.round(afterMs)} ms ${(share * 100).toFixed(2)} % whole`);
  assert.ok(afterMs < LOADED_AFTER_MS_MAX, `after ${afterMs} ms: ${example?.join()}`);
  assert.ok(share >= WHOLE_SHARE_MIN, `${share}: ${example?.join()}`);
}

/** The build id of the C library that this process runs on. */
function buildIdOfLibc(): Uint8Array {
  const path = /\S+\/libc\.so\.6$/m.exec(readFileSync("/proc/self/maps", "latin1"))?.[0];
  assert.ok(path, "Node runs on a C library that is called libc.so.6");
  const fd = openSync(path, "r");
  try {
    return Uint8Array.fromHex(readElf(fileAccess(fd, path)).buildId);
  } finally {
    closeSync(fd);
  }
}

describe("record of a host on which a hundred hostile programs run [S5]", { skip }, () => {
  const folder = temporaryFolder();
  const hostile = new Map<number, string>();
  const running = new AsyncDisposableStack();
  let good: RunningCommand;
  let recording: HostRecording;

  before(async () => {
    const buildId = buildIdOfLibc();
    const files = [
      { name: "the C library's build id", image: () => imposter(PROGRAM_SECONDS, buildId) },
      ...hostileFiles,
    ];
    for (const [index, { name, image }] of files.entries()) {
      const elf = image(PROGRAM_SECONDS);
      if (elf.writtenBytes > FILE_BYTES_MAX) continue;
      const path = folder.file(`hostile-${index}`);
      elf.write(path);
      hostile.set(running.use(await startCommand(path, [], { timeoutMs })).pid, name);
    }
    const args = [folder.file("shifting"), `${PROGRAM_SECONDS}`];
    const shifting = await startCommand(buildProgram("shifting_file.c"), args, { timeoutMs });
    hostile.set(running.use(shifting).pid, "a file that changes all the time");
    good = running.use(await startGood());
    recording = await recordHost(folder.file("host.otlp.pb"), good, RECORD_SECONDS);
  });
  after(async () => {
    await running.disposeAsync();
    folder[Symbol.dispose]();
  });

  it("ends in time, in bounded CPU time and memory", (test) => {
    const { tookMs, peakMib, cpuSeconds, stderr } = recording;
    const took = `${Math.round(tookMs)} ms, ${Math.round(peakMib)} MiB, ${cpuSeconds} s of CPU`;
    test.diagnostic(`${hostile.size} programs, ${took}`);
    test.diagnostic(stderr);
    assert.ok(peakMib < PEAK_MIB_MAX, `${peakMib} MiB`);
    assert.ok(cpuSeconds < CPU_SECONDS_A_FILE_MAX * hostile.size, `${cpuSeconds} s`);
  });

  it("has the hostile programs' samples", (test) => {
    const silent = [...hostile].filter(([pid]) => samplesOf(recording, pid).length === 0);
    test.diagnostic(`without a sample: ${silent.map(([, name]) => name).join("; ") || "none"}`);
    assert.ok(silent.length <= (1 - SAMPLED_SHARE_MIN) * hostile.size);
  });

  it("has the good program's samples as the kernel charged it", () => {
    assertSampled(recording, good);
  });

  it("has the good program's stacks whole and with their names", (test) => {
    assertWhole(recording, good, test);
  });

  it("gives a program that claims the C library's build id none of its names", () => {
    const [pid] = [...hostile.keys()];
    const userStacks = samplesOf(recording, pid as number)
      .map(({ stack }) => stack.slice(stack.findIndex((name) => name.startsWith("hostile-0"))))
      .filter((stack) => stack.length > 1);
    assert.ok(userStacks.length > 0);
    for (const names of userStacks) {
      assert.ok(
        names.every((name) => /^(hostile-0\+0x|\[)/.test(name)),
        names.join(),
      );
    }
  });
});

describe("record of a host with a process of 60,000 mappings [S5]", { skip }, () => {
  const folder = temporaryFolder();
  const running = new AsyncDisposableStack();
  let good: RunningCommand;
  let many: RunningCommand;
  let recording: HostRecording;

  before(async () => {
    const args = [`${MAPPINGS}`, `${PROGRAM_SECONDS}`];
    many = running.use(await startCommand(buildProgram("many_mappings.c"), args, { timeoutMs }));
    while (!many.stdout().includes("\n")) await sleep(STARTED_LOOK_MS);
    good = running.use(await startGood());
    recording = await recordHost(folder.file("host.otlp.pb"), good, RECORD_SECONDS);
  });
  after(async () => {
    await running.disposeAsync();
    folder[Symbol.dispose]();
  });

  it("ends in time, in bounded CPU time and memory", (test) => {
    const { tookMs, peakMib, cpuSeconds, stderr } = recording;
    test.diagnostic(`${many.stdout().trim()} mappings, ${Math.round(tookMs)} ms`);
    test.diagnostic(`${Math.round(peakMib)} MiB, ${cpuSeconds} s of CPU; ${stderr}`);
    assert.ok(peakMib < PEAK_MIB_MAX, `${peakMib} MiB`);
    assert.ok(cpuSeconds < RECORD_SECONDS, `${cpuSeconds} s`);
    assert.ok(sampleCount(samplesOf(recording, many.pid)) > 0);
  });

  it("has the good program's samples as the kernel charged it", () => {
    assertSampled(recording, good);
  });

  it("has the good program's stacks whole and with their names", (test) => {
    assertWhole(recording, good, test);
  });
});
