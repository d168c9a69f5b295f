import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What the agent holds at one moment, by /proc. */
export interface AgentState {
  /** Since the start of this process. */
  readonly atMs: number;
  readonly rssMib: number;
  readonly anonymousMib: number;
  /** VmHWM. */
  readonly peakMib: number;
  readonly threads: number;
  readonly fds: FdCounts;
}

/** Open descriptors by kind. */
export interface FdCounts {
  /** Connections and the listening socket; how many depends on what is on its way. */
  readonly sockets: number;
  /** Files, whether their name still exists or not: executables that wait to be read. */
  readonly files: number;
  /** BPF programs, maps and links, perf events, pipes, epoll: all that lasts as long as a run. */
  readonly lasting: number;
}

/** The state of a process that runs; throws when it has ended. */
export function agentState(pid: number): AgentState {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? Number.NaN) / 1024;
  return {
    atMs: performance.now(),
    rssMib: mib("VmRSS"),
    anonymousMib: mib("RssAnon"),
    peakMib: mib("VmHWM"),
    threads: Number(/^Threads:\s+(\d+)/m.exec(status)?.[1]),
    fds: fdCounts(pid),
  };
}

function fdCounts(pid: number): FdCounts {
  const counts = { sockets: 0, files: 0, lasting: 0 };
  for (const fd of readdirSync(`/proc/${pid}/fd`)) counts[kindOf(`/proc/${pid}/fd/${fd}`)]++;
  return counts;
}

function kindOf(path: string): keyof FdCounts {
  try {
    const target = readlinkSync(path);
    if (target.startsWith("socket:")) return "sockets";
    return target.startsWith("/") && !target.startsWith("/dev/") ? "files" : "lasting";
  } catch {
    // Closed since the folder was read: what comes and goes is a file.
    return "files";
  }
}

/** The sum of a metric's series whose labels contain `labels`, of Prometheus' text. */
export function metricSum(text: string, name: string, labels = ""): number {
  let sum = 0;
  for (const line of text.split("\n")) {
    if (!line.startsWith(name) || !line.includes(labels)) continue;
    const next = line[name.length];
    if (next === "{" || next === " ") sum += Number(line.slice(line.lastIndexOf(" ")));
  }
  return sum;
}

/** Least squares: how much `value` grows in a second. */
export function slopePerSecond(states: readonly AgentState[], value: keyof AgentState): number {
  const points = states.map((state) => [state.atMs / 1000, Number(state[value])] as const);
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  let covariance = 0;
  let variance = 0;
  for (const [x, y] of points) {
    covariance += (x - meanX) * (y - meanY);
    variance += (x - meanX) ** 2;
  }
  return variance === 0 ? 0 : covariance / variance;
}
