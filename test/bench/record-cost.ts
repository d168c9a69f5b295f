import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../src/support/package-root.ts";
import { requirement } from "../support/requirements.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/**
 * What a recording of the whole host costs, beside `perf record` in the same run: CPU seconds of
 * the whole command (start, sampling and, for us, symbolization and writing), and peak memory.
 * Every CPU is kept busy meanwhile: `node test/bench/record-cost.ts`.
 */

const SECONDS = 10;
const ROUNDS = 3;
const POLL_MS = 100;

interface Cost {
  readonly cpuSeconds: number;
  readonly peakMb: number;
}

const missing = requirement("root", "bpf", "perf");
if (missing === false) await measure();
else process.stdout.write(`record: not measured, ${missing}\n`);

async function measure(): Promise<void> {
  using folder = temporaryFolder();
  const obsforge = join(packageRoot(), "bin/obsforge");
  const rivals = {
    "obsforge record": [
      obsforge,
      "record",
      "-q",
      "-a",
      "-d",
      `${SECONDS}`,
      "-o",
      folder.file("a.pb.gz"),
    ],
    "perf record -g": perfRecord(folder.file("perf.data")),
    // With names, as our file has them.
    "… + perf script": withScript(perfRecord(folder.file("named.data")), folder.file("named.data")),
  };
  const busy = startBusyLoops();
  try {
    for (const [name, command] of Object.entries(rivals)) {
      const costs: Cost[] = [];
      for (let round = 0; round < ROUNDS; round++) costs.push(await costOf(command));
      print(name, costs);
    }
  } finally {
    for (const loop of busy) loop.kill("SIGKILL");
  }
}

function perfRecord(output: string): string[] {
  const options = ["-q", "-F", "99", "-a", "-g", "-e", "cpu-clock", "-o", output];
  return ["perf", "record", ...options, "--", "sleep", `${SECONDS}`];
}

function withScript(record: readonly string[], data: string): string[] {
  return ["sh", "-c", `"$@"; perf script -i ${data}`, "bench", ...record];
}

function startBusyLoops(): ChildProcess[] {
  return Array.from({ length: availableParallelism() }, () =>
    spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }),
  );
}

/** The shell's `time` knows the CPU time of what it waited for. */
async function costOf(command: readonly string[]): Promise<Cost> {
  const script = 'TIMEFORMAT="%U %S"; time "$@" 2>/dev/null >&2';
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

function print(name: string, costs: readonly Cost[]): void {
  const cpu = costs.map(({ cpuSeconds }) => cpuSeconds).sort((a, b) => a - b);
  const peak = Math.max(...costs.map(({ peakMb }) => peakMb));
  const range = [cpu[0], cpu[cpu.length >> 1], cpu.at(-1)].map((value) => value?.toFixed(2));
  process.stdout.write(
    `${name.padEnd(16)} ${SECONDS} s at 99 Hz, all CPUs busy: ${range.join("/")} CPU s ` +
      `(min/median/max of ${ROUNDS}), peak ${peak.toFixed(0)} MB\n`,
  );
}
