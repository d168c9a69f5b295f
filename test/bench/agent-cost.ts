import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { decodePprof } from "../../src/profiles/pprof/decode.ts";
import { sleep } from "../../src/support/clock.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { packageRoot } from "../../src/support/package-root.ts";
import { requirement } from "../support/requirements.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/**
 * What the agent of config/agent.yaml costs while it runs, beside `perf record` in the same
 * run: CPU seconds of all its threads from 12 s after its start for 30 s, those before, its peak
 * memory, and the share of the samples that it should have delivered. Every CPU is kept busy
 * meanwhile: `node test/bench/agent-cost.ts`.
 */

const WARM_UP_SECONDS = 12;
const SECONDS = 30;
const FREQUENCY_HZ = 99;
/** The start before the one that is measured, which leaves compiled code behind as every start. */
const FIRST_START_SECONDS = 5;
/** Of /proc/PID/stat, everywhere. */
const TICKS_PER_SECOND = 100;

const missing = requirement("root", "bpf", "perf");
if (missing === false) await measure();
else process.stdout.write(`agent: not measured, ${missing}\n`);

async function measure(): Promise<void> {
  const busy = startBusyLoops();
  try {
    const agent = await agentCost();
    const perfSeconds = await perfCost();
    const ratio = agent.steadySeconds / perfSeconds;
    process.stdout.write(
      `obsforge run     ${SECONDS} s at ${FREQUENCY_HZ} Hz, all CPUs busy, every 10 s a file: ` +
        `${agent.steadySeconds.toFixed(3)} CPU s from ${WARM_UP_SECONDS} s on, ` +
        `start-up ${agent.startSeconds.toFixed(2)} CPU s, peak ${agent.peakMb.toFixed(0)} MB, ` +
        `${(100 * agent.deliveredShare).toFixed(1)} % delivered\n` +
        `perf record -g   ${SECONDS} s at ${FREQUENCY_HZ} Hz, without names, its whole run: ` +
        `${perfSeconds.toFixed(3)} CPU s; ratio ${ratio.toFixed(2)}\n`,
    );
  } finally {
    for (const loop of busy) loop.kill("SIGKILL");
  }
}

interface AgentCost {
  readonly startSeconds: number;
  readonly steadySeconds: number;
  readonly peakMb: number;
  readonly deliveredShare: number;
}

async function agentCost(): Promise<AgentCost> {
  using folder = temporaryFolder();
  await stop(await started(folder.path, FIRST_START_SECONDS));
  const agent = await started(folder.file("."), WARM_UP_SECONDS);
  const before = usage(agent);
  await sleep(SECONDS * 1000);
  const after = usage(agent);
  await stop(agent);
  const expected = FREQUENCY_HZ * (after.hostBusySeconds - before.hostBusySeconds);
  return {
    startSeconds: before.cpuSeconds,
    steadySeconds: after.cpuSeconds - before.cpuSeconds,
    peakMb: after.peakMb,
    deliveredShare: samplesBetween(folder.file("profiles"), before.atMs, after.atMs) / expected,
  };
}

/** The agent in its own folder, after so many seconds. */
async function started(folder: string, seconds: number): Promise<ChildProcess> {
  const root = packageRoot();
  const command = ["run", "--config", join(root, "config/agent.yaml")];
  const agent = spawn(join(root, "bin/obsforge"), command, { cwd: folder, stdio: "ignore" });
  await sleep(seconds * 1000);
  if (agent.exitCode !== null) throw new Error(`the agent ended with ${agent.exitCode}`);
  return agent;
}

async function stop(agent: ChildProcess): Promise<void> {
  const exit = once(agent, "exit");
  agent.kill("SIGTERM");
  await exit;
}

interface Usage {
  readonly atMs: number;
  /** Of all threads, those that ended too. */
  readonly cpuSeconds: number;
  readonly peakMb: number;
  /** CPU time of the whole host that was not idle. */
  readonly hostBusySeconds: number;
}

function usage({ pid }: ChildProcess): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const host = readFileSync("/proc/stat", "utf8").split("\n", 1)[0] ?? "";
  const [user, nice, system, , , irq, softIrq] = host.split(/\s+/).slice(1).map(Number);
  const busyTicks = [user, nice, system, irq, softIrq].reduce(
    (sum: number, t) => sum + (t ?? 0),
    0,
  );
  return {
    atMs: Date.now(),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
    peakMb: Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1000,
    hostBusySeconds: busyTicks / TICKS_PER_SECOND,
  };
}

/** Samples of the files, of one that is partly within by the part of its time. */
function samplesBetween(folder: string, startMs: number, endMs: number): number {
  let samples = 0;
  for (const name of readdirSync(folder)) {
    const batch = decodePprof(readFileSync(join(folder, name)), FILE_LIMITS);
    for (const { profile } of batch.profiles()) {
      if (batch.dictionary.strings.at(profile.sampleType.type) !== "samples") continue;
      const fromMs = Number(profile.timeUnixNano) / 1e6;
      const lengthMs = Number(profile.durationNano) / 1e6;
      const withinMs = Math.min(endMs, fromMs + lengthMs) - Math.max(startMs, fromMs);
      samples += (profile.samples.total() * Math.max(0, withinMs)) / lengthMs;
    }
  }
  return samples;
}

/** CPU seconds of the whole of `perf record`, by the shell's `time`. */
async function perfCost(): Promise<number> {
  using folder = temporaryFolder();
  const script = 'TIMEFORMAT="%3U %3S"; time "$@" 2>/dev/null >&2';
  const options = ["-q", "-F", `${FREQUENCY_HZ}`, "-a", "-g", "-e", "cpu-clock"];
  const command = ["perf", "record", ...options, "-o", folder.file("perf.data")];
  const shell = spawn("bash", ["-c", script, "bench", ...command, "--", "sleep", `${SECONDS}`]);
  let times = "";
  for await (const text of shell.stderr) times += text;
  const [user, system] = times.trim().split(/\s+/).slice(-2).map(Number);
  return (user ?? 0) + (system ?? 0);
}

function startBusyLoops(): ChildProcess[] {
  return Array.from({ length: availableParallelism() }, () =>
    spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }),
  );
}
