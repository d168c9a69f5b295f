import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { formatOfPath } from "../../src/profiles/formats.ts";
import { type ResolvedSample, resolvedSamples } from "../../src/profiles/resolved.ts";
import { sleep, systemClock } from "../../src/support/clock.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { readElf } from "../../src/symbols/elf/elf-file.ts";
import { fileAccess } from "../../src/symbols/elf/random-access.ts";
import { imposter } from "../hostile/header-files.ts";
import { hostileFiles } from "../hostile/hostile-files.ts";
import { agentState } from "../load/agent-state.ts";
import { buildProgram } from "../support/build-program.ts";
import { requirement } from "../support/requirements.ts";
import {
  type CommandResult,
  type RunningCommand,
  startCommand,
  startObsforge,
} from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const skip = requirement("root", "bpf");
/** Longer than the test runs; each takes a hundredth of a CPU. */
const PROGRAM_SECONDS = 300;
const RECORD_SECONDS = 8;
/** Beyond its seconds a recording has files to read and a profile to write. */
const RECORD_MS_MAX = 60_000;
/** Programs that take more on the disk are read in test/hostile only. */
const FILE_BYTES_MAX = 40 * 1024 * 1024;
const DEPTH = 40;
/** Samples × period is the CPU time that the kernel charged; a busy machine moves it. */
const CPU_TIME_TOLERANCE = 0.05;
/** Of the good program's samples are whole. */
const WHOLE_SHARE_MIN = 0.99;
/** Of the hostile programs, which run for a hundredth of the time, have a sample. */
const SAMPLED_SHARE_MIN = 0.9;
const PEAK_MIB_MAX = 512;
/** Two seconds may be spent on one file; on the average it is far less. */
const CPU_SECONDS_A_FILE_MAX = 0.4;
const TICKS_PER_SECOND = 100;
const LOOK_MS = 20;

/** The CPU time that the kernel charged a process, at a time. */
interface Charge {
  readonly unixNanos: bigint;
  readonly cpuNanos: number;
}

function chargeOf(pid: number): Charge {
  const [nanos] = readFileSync(`/proc/${pid}/schedstat`, "latin1").split(" ");
  return { unixNanos: systemClock.unixNanos(), cpuNanos: Number(nanos) };
}

/** Between two looks the charge is taken to grow evenly. */
function chargeAt(charges: readonly Charge[], unixNanos: bigint): number {
  const next = charges.findIndex((charge) => charge.unixNanos >= unixNanos);
  const later = charges[next];
  const earlier = charges[next - 1];
  assert.ok(later !== undefined && earlier !== undefined, "the recording is longer than the looks");
  const share = Number(unixNanos - earlier.unixNanos) / Number(later.unixNanos - earlier.unixNanos);
  return earlier.cpuNanos + share * (later.cpuNanos - earlier.cpuNanos);
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

interface Recording {
  readonly result: CommandResult;
  readonly tookMs: number;
  readonly peakMib: number;
  readonly cpuSeconds: number;
  readonly samples: readonly ResolvedSample[];
  /** Of the good program, between the start and the end of the profile. */
  readonly chargedNanos: number;
}

async function recordHost(path: string, good: RunningCommand): Promise<Recording> {
  const args = ["record", "-a", "-F", "997", "-d", `${RECORD_SECONDS}`, "-o", path];
  const start = performance.now();
  await using command = await startObsforge(args, { timeoutMs: RECORD_MS_MAX });
  let hasEnded = false;
  void command.ended.then(() => {
    hasEnded = true;
  });
  const charges: Charge[] = [];
  let peakMib = 0;
  let cpuSeconds = 0;
  while (!hasEnded) {
    charges.push(chargeOf(good.pid));
    peakMib = Math.max(peakMib, peakOf(command.pid));
    cpuSeconds = Math.max(cpuSeconds, cpuSecondsOf(command.pid));
    await sleep(LOOK_MS);
  }
  const result = await command.ended;
  const tookMs = performance.now() - start;
  assert.equal(result.code, 0, `${result.signal} ${result.stderr}`);
  const batch = formatOfPath(path)?.decode(readFileSync(path), FILE_LIMITS);
  assert.ok(batch);
  const [first] = batch.profiles();
  assert.ok(first);
  const { timeUnixNano, durationNano } = first.profile;
  const chargedNanos =
    chargeAt(charges, timeUnixNano + durationNano) - chargeAt(charges, timeUnixNano);
  const samples = resolvedSamples(batch, "names").filter(({ type }) => type === "samples");
  return { result, tookMs, peakMib, cpuSeconds, samples, chargedNanos };
}

/** Of all its threads; 0 when it has ended meanwhile. */
function cpuSecondsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")")).split(" ");
    return (Number(fields[12]) + Number(fields[13])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}

/** 0 when it has ended meanwhile. */
function peakOf(pid: number): number {
  try {
    return agentState(pid).peakMib || 0;
  } catch {
    return 0;
  }
}

describe("record of a host on which a hundred hostile programs run [S5]", { skip }, () => {
  const folder = temporaryFolder();
  const hostile = new Map<number, string>();
  const stack = new AsyncDisposableStack();
  let good: RunningCommand;
  let recording: Recording;

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
      const program = stack.use(
        await startCommand(path, [], { timeoutMs: PROGRAM_SECONDS * 1000 }),
      );
      hostile.set(program.pid, name);
    }
    const program = buildProgram("recursion.c", ["-fomit-frame-pointer"]);
    const args = [`${DEPTH}`, `${PROGRAM_SECONDS}`];
    good = stack.use(await startCommand(program, args, { timeoutMs: PROGRAM_SECONDS * 1000 }));
    recording = await recordHost(folder.file("host.pb.gz"), good);
  });
  after(async () => {
    await stack.disposeAsync();
    folder[Symbol.dispose]();
  });

  const samplesOf = (pid: number): ResolvedSample[] =>
    recording.samples.filter(({ resource }) => resource.includes(`process.pid=${pid}`));
  const sum = (samples: readonly ResolvedSample[]): number =>
    samples.reduce((total, { value }) => total + value, 0);

  it("ends in time, in bounded CPU time and memory", (test) => {
    const { tookMs, peakMib, cpuSeconds, result } = recording;
    const took = `${Math.round(tookMs)} ms, ${Math.round(peakMib)} MiB, ${cpuSeconds} s of CPU`;
    test.diagnostic(`${hostile.size} programs, ${took}`);
    test.diagnostic(result.stderr);
    assert.ok(peakMib < PEAK_MIB_MAX, `${peakMib} MiB`);
    assert.ok(cpuSeconds < CPU_SECONDS_A_FILE_MAX * hostile.size, `${cpuSeconds} s`);
    assert.match(result.stderr, / 0 lost/);
  });

  it("has the hostile programs' samples", (test) => {
    const silent = [...hostile].filter(([pid]) => sum(samplesOf(pid)) === 0);
    test.diagnostic(`without a sample: ${silent.map(([, name]) => name).join("; ") || "none"}`);
    assert.ok(silent.length <= (1 - SAMPLED_SHARE_MIN) * hostile.size);
  });

  it("has the good program's samples × period as the kernel charged it", () => {
    const period = Number(/ (\d+)$/.exec(recording.samples[0]?.period ?? "")?.[1]);
    const ratio = (sum(samplesOf(good.pid)) * period) / recording.chargedNanos;
    assert.ok(Math.abs(ratio - 1) < CPU_TIME_TOLERANCE, `${ratio}`);
  });

  it("has the good program's stacks whole and with their names", (test) => {
    const samples = samplesOf(good.pid);
    const isWhole = ({ stack }: ResolvedSample): boolean =>
      stack.filter((name) => name === "descend").length === DEPTH &&
      stack.includes("main") &&
      stack.at(-1) === "_start";
    const whole = sum(samples.filter(isWhole)) / sum(samples);
    test.diagnostic(`${whole} whole`);
    assert.ok(whole >= WHOLE_SHARE_MIN, `${whole}: ${samples.find((one) => !isWhole(one))?.stack}`);
  });

  it("gives a program that claims the C library's build id none of its names", () => {
    const [pid] = [...hostile.keys()];
    const userStacks = samplesOf(pid as number)
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
