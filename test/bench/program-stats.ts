import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";

const STATS_SETTING = "/proc/sys/kernel/bpf_stats_enabled";
const PROGRAM_LINK = "anon_inode:bpf-prog";
/** BPF_PROG_TYPE_PERF_EVENT of <linux/bpf.h>: the program that samples. */
const PERF_EVENT_TYPE = 7;

/** What the program that samples has used since the statistics are on. */
export interface ProgramStats {
  readonly runNs: number;
  readonly runs: number;
}

/** Has the kernel measure every run of every program, until the scope ends. */
export function programStatistics(): Disposable {
  const before = readFileSync(STATS_SETTING, "latin1");
  writeFileSync(STATS_SETTING, "1");
  return { [Symbol.dispose]: () => writeFileSync(STATS_SETTING, before) };
}

/**
 * The statistics of the one program of a perf event that this process holds. Source:
 * bpf_prog_show_fdinfo in kernel/bpf/syscall.c.
 */
export function samplingStats(): ProgramStats {
  for (const fd of readdirSync("/proc/self/fd")) {
    if (linkOf(fd) !== PROGRAM_LINK) continue;
    const text = readFileSync(`/proc/self/fdinfo/${fd}`, "latin1");
    const field = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+)$`, "m").exec(text)?.[1] ?? Number.NaN);
    if (field("prog_type") !== PERF_EVENT_TYPE) continue;
    return { runNs: field("run_time_ns"), runs: field("run_cnt") };
  }
  throw new Error("this process holds no program of a perf event");
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    // The folder's own descriptor is closed by now.
    return "";
  }
}
