import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { CollectingSink, runReceiver } from "../support/receiver-run.ts";

/**
 * Starts the receiver with the tables of processes and says as JSON what that took and what the
 * kernel holds then: `node test/bench/load-all-tables.ts CACHE_FOLDER|none [PID…]`; every process
 * of the host when none is given. A process of its own, so that its peak is that of the loading.
 */

const [cacheFolder = "none", ...given] = process.argv.slice(2);

/** What one start took, and the kernel's memory after it. */
export interface LoadedHost {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly peakMb: number;
  readonly processes: number;
  readonly tables: number;
  readonly withoutTable: number;
  readonly tableBytes: number;
  readonly ringBytes: number;
  /** All BPF maps, the tables and the ring included. */
  readonly mapBytes: number;
}

const pids = given.length > 0 ? given.map(Number) : programs();
const before = process.cpuUsage();
const start = performance.now();
await runReceiver({
  // So few samples do not count beside the loading.
  config: { pids, samples_per_second: 1, unwind_cache_directory: cacheFolder },
  sink: new CollectingSink(),
  work: async ({ counters }) => {
    const { user, system } = process.cpuUsage(before);
    const { unwinding, ringBytes, bpfMapBytes } = counters;
    const status = readFileSync("/proc/self/status", "latin1");
    const host: LoadedHost = {
      cpuSeconds: (user + system) / 1e6,
      wallSeconds: (performance.now() - start) / 1000,
      peakMb: Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) / 1000,
      processes: unwinding.processes,
      tables: unwinding.tables,
      withoutTable: unwinding.withoutTable,
      tableBytes: unwinding.bytes,
      ringBytes,
      mapBytes: bpfMapBytes,
    };
    process.stdout.write(`${JSON.stringify(host)}\n`);
  },
});

/** Processes that run a program; the kernel's own threads do not. */
function programs(): number[] {
  return readdirSync("/proc").map(Number).filter(runsProgram);
}

function runsProgram(pid: number): boolean {
  if (!(pid > 0)) return false;
  try {
    return readlinkSync(`/proc/${pid}/exe`) !== "";
  } catch {
    // A thread of the kernel, or ended by now.
    return false;
  }
}
