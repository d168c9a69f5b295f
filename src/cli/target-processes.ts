import { existsSync, readFileSync } from "node:fs";
import { statusField } from "../linux/proc.ts";
import { sleep } from "../support/clock.ts";
import { CollectorError } from "../support/errors.ts";

/** How often a process is looked at to see whether it has ended. */
const LOOK_INTERVAL_MS = 100;

/**
 * Checks that each pid is a process that runs now.
 *
 * @throws CollectorError NOT_FOUND  there is no such process, or it is a thread of another
 */
export function requireProcesses(pids: readonly number[]): void {
  for (const pid of pids) {
    const leader = leaderOf(pid);
    if (leader === undefined) {
      throw new CollectorError("NOT_FOUND", `no process ${pid} runs here: \`ps ax\` lists them`);
    }
    if (leader !== pid) {
      throw new CollectorError(
        "NOT_FOUND",
        `${pid} is a thread of process ${leader}: use -p ${leader}`,
      );
    }
  }
}

/** Resolves when all of the processes have ended, or the signal aborts. */
export async function untilProcessesEnd(
  pids: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted && pids.some(isRunning)) await sleep(LOOK_INTERVAL_MS, signal);
}

function isRunning(pid: number): boolean {
  const state = fieldOf(pid, "State");
  return state !== undefined && !state.startsWith("Z");
}

function leaderOf(pid: number): number | undefined {
  const leader = fieldOf(pid, "Tgid");
  return leader === undefined ? undefined : Number(leader);
}

function fieldOf(pid: number, name: string): string | undefined {
  const path = `/proc/${pid}/status`;
  if (!existsSync(path)) return undefined;
  try {
    const status = readFileSync(path, "utf8");
    return statusField(status, name);
  } catch {
    // It ended between the two lines.
    return undefined;
  }
}
