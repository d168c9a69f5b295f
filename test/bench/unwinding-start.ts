import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { sleep } from "../../src/support/clock.ts";
import { packageRoot } from "../../src/support/package-root.ts";
import { buildJavaClass, buildProgram } from "../support/build-program.ts";
import { requirement } from "../support/requirements.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { NO_FRAME_POINTERS } from "../support/unwinding-programs.ts";
import { startBusy } from "./busy-programs.ts";
import type { LoadedHost } from "./load-all-tables.ts";
import { median, printTable } from "./markdown-table.ts";

/**
 * What the unwind tables of every process of the host take at a start: built, and from the cache;
 * and the kernel memory of them and of all other BPF maps. C++, Node, Python and Java run, too:
 * `node test/bench/unwinding-start.ts`.
 */

const ROUNDS = 3;
/** Until the programs have mapped all that they will. */
const SETTLE_MS = 1500;
const BUSY_SECONDS = "600";

const missing = requirement("root", "bpf");
if (missing === false) await measure();
else process.stdout.write(`unwind tables of the host: not measured, ${missing}\n`);

async function measure(): Promise<void> {
  using folder = temporaryFolder();
  using programs = startBusy(commands());
  await sleep(SETTLE_MS);
  // What has little to unwind: all of the start but tables.
  using sleeper = startBusy([["sleep", BUSY_SECONDS]]);
  stopAll(programs.pids);
  const bare = starts("none", sleeper.pids);
  const built = starts("none");
  load(folder.path);
  const cached = starts(folder.path);
  printStarts({ bare, built, cached });
  printMemory(middle(built));
}

/** Stopped, they are there and take no CPU from what is measured. */
function stopAll(pids: readonly number[]): void {
  for (const pid of pids) process.kill(pid, "SIGSTOP");
}

function starts(cacheFolder: string, pids: readonly number[] = []): LoadedHost[] {
  return Array.from({ length: ROUNDS }, () => load(cacheFolder, pids));
}

function load(cacheFolder: string, pids: readonly number[] = []): LoadedHost {
  const script = join(packageRoot(), "test/bench/load-all-tables.ts");
  const words = [script, cacheFolder, ...pids.map(String)];
  return JSON.parse(execFileSync(process.execPath, words, { encoding: "utf8" })) as LoadedHost;
}

/** By the CPU time. */
function middle(hosts: readonly LoadedHost[]): LoadedHost {
  const cpuSeconds = median(hosts.map((host) => host.cpuSeconds));
  return hosts.find((host) => host.cpuSeconds === cpuSeconds) as LoadedHost;
}

function printStarts(rows: Readonly<Record<"bare" | "built" | "cached", LoadedHost[]>>): void {
  const { processes, tables } = middle(rows.built);
  const rowOf = (name: string, hosts: readonly LoadedHost[]): string[] => {
    const { cpuSeconds, wallSeconds, peakMb } = middle(hosts);
    return [name, `**${cpuSeconds.toFixed(2)}**`, wallSeconds.toFixed(2), peakMb.toFixed(0)];
  };
  const head = [`${processes} processes, ${tables} files`, "CPU s", "s", "peak memory, MB"];
  printTable("The receiver's start", head, [
    rowOf("with the tables of `sleep` alone", rows.bare),
    rowOf("with those of every process, built", rows.built),
    rowOf("the same, from the cache on disk", rows.cached),
  ]);
}

function printMemory({ tables, tableBytes, ringBytes, mapBytes }: LoadedHost): void {
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const others = mapBytes - tableBytes - ringBytes;
  printTable(
    "Kernel memory",
    ["", "MB"],
    [
      [`unwind tables of ${tables} files`, mb(tableBytes)],
      ["all other maps but the ring", mb(others)],
      ["together", `**${mb(tableBytes + others)}**`],
      ["the ring of samples", mb(ringBytes)],
    ],
  );
}

function commands(): string[][] {
  const test = join(packageRoot(), "test/programs");
  const all = [
    [buildProgram("exceptions.cpp", [...NO_FRAME_POINTERS, "-O3"]), BUSY_SECONDS],
    [process.execPath, join(test, "busy_node.cjs"), "javascript", BUSY_SECONDS],
  ];
  if (requirement("python") === false) {
    all.push(["python3", join(test, "busy_python.py"), "python", BUSY_SECONDS]);
  }
  if (requirement("java") === false) {
    all.push(["java", "-cp", buildJavaClass("BusyJava"), "BusyJava", "java"]);
  }
  return all;
}
