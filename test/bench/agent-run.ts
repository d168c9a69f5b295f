import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodePprof } from "../../src/profiles/pprof/decode.ts";
import { sleep } from "../../src/support/clock.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { packageRoot } from "../../src/support/package-root.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Until here is the agent's start-up. */
export const WARM_UP_SECONDS = 12;
/** The start before the one that is measured, which leaves compiled code behind as every start. */
const FIRST_START_SECONDS = 5;
/** Of config/agent.yaml. */
export const FREQUENCY_HZ = 99;
/** Of /proc/PID/stat, everywhere. */
const TICKS_PER_SECOND = 100;

export interface AgentCost {
  readonly startSeconds: number;
  readonly steadySeconds: number;
  readonly peakMb: number;
  readonly deliveredShare: number;
}

/** What the agent of config/agent.yaml takes in so many seconds after its start-up, and in that. */
export async function agentCost(seconds: number): Promise<AgentCost> {
  using folder = temporaryFolder();
  await stop(await started(folder.path, FIRST_START_SECONDS));
  const agent = await started(folder.file("."), WARM_UP_SECONDS);
  const before = usage(agent);
  await sleep(seconds * 1000);
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
