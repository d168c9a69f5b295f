import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

/** What a whole command took, from its start to its end. */
export interface CommandCost {
  /** Of all its threads and of the children that it waited for. */
  readonly cpuSeconds: number;
  readonly peakMb: number;
}

const POLL_MS = 100;

/** Runs a command to its end; the shell's `time` knows the CPU time of what it waited for. */
export async function costOf(command: readonly string[]): Promise<CommandCost> {
  const script = 'TIMEFORMAT="%3U %3S"; time "$@" 2>/dev/null >&2';
  const shell = spawn("bash", ["-c", script, "bench", ...command]);
  let peakMb = 0;
  const poll = setInterval(() => {
    peakMb = Math.max(peakMb, peakOf(shell.pid as number));
  }, POLL_MS);
  let times = "";
  for await (const text of shell.stderr) times += text;
  clearInterval(poll);
  const [user, system] = times.trim().split(/\s+/).slice(-2).map(Number);
  return { cpuSeconds: (user ?? 0) + (system ?? 0), peakMb };
}

/** The peak memory of the shell's one child, in MB. */
function peakOf(shellPid: number): number {
  try {
    const path = `/proc/${shellPid}/task/${shellPid}/children`;
    const child = readFileSync(path, "utf8").trim().split(" ")[0];
    const status = readFileSync(`/proc/${child}/status`, "utf8");
    return Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1000;
  } catch {
    // Not started yet, or ended.
    return 0;
  }
}

export interface PerfRecording {
  readonly seconds: number;
  readonly output: string;
  /** How it gets stacks: from frame pointers, or from copies of 8 KiB of the stack. */
  readonly callGraph: "fp" | "dwarf";
}

/** The command that records the host as config/agent.yaml does, without names. */
export function perfRecord({ seconds, output, callGraph }: PerfRecording): string[] {
  const options = ["-q", "-F", "99", "-a", "--call-graph", callGraph, "-e", "cpu-clock"];
  return ["perf", "record", ...options, "-o", output, "--", "sleep", `${seconds}`];
}
