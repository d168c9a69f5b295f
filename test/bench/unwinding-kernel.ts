import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { EbpfConfig } from "../../src/receivers/ebpf/config.ts";
import type { EbpfReceiver } from "../../src/receivers/ebpf/receiver.ts";
import { sleep } from "../../src/support/clock.ts";
import { packageRoot } from "../../src/support/package-root.ts";
import { buildProgram } from "../support/build-program.ts";
import { COMPLETE, type ProcessSample, processSamples } from "../support/process-stacks.ts";
import { CollectingSink, runReceiver } from "../support/receiver-run.ts";
import { requirement } from "../support/requirements.ts";
import { NO_FRAME_POINTERS } from "../support/unwinding-programs.ts";
import { startBusy, startBusyLoops } from "./busy-programs.ts";
import { median, printTable } from "./markdown-table.ts";
import { type ProgramStats, programStatistics, samplingStats } from "./program-stats.ts";

/**
 * What a sample costs in the kernel, by the kernel's own statistics of the program that samples,
 * at the frequency of config/agent.yaml: by unwind tables, and by frame pointers alone. One
 * process is sampled while all CPUs are busy; what the runs in others cost is measured apart and
 * taken off: `node test/bench/unwinding-kernel.ts [SECONDS]` (of a round, 2.5 when not given).
 */

const FREQUENCY_HZ = 99;
const ROUNDS = 5;
const roundMs = 1000 * Number(process.argv[2] ?? 2.5);
/** Longer than all rounds. */
const BUSY_SECONDS = "600";
/** Until a program does nothing but what it is to be sampled in, compiled. */
const SETTLE_MS = 1000;

const byTables: Partial<EbpfConfig> = {};
/** No table has room: every step is that of a frame pointer. */
const byFramePointers: Partial<EbpfConfig> = { unwind_table_bytes: 0 };

interface Case {
  readonly name: string;
  readonly command: readonly string[];
  readonly config: Partial<EbpfConfig>;
}

const missing = requirement("root", "bpf");
if (missing === false) await measure();
else process.stdout.write(`unwinding in the kernel: not measured, ${missing}\n`);

async function measure(): Promise<void> {
  using _statistics = programStatistics();
  const filteredNs = await filteredCost();
  const rows: string[][] = [];
  for (const one of cases()) rows.push(await rowOf(one, filteredNs));
  const head = ["", "µs a sample, median (min–max)", "frames", "ns a frame", "whole"];
  const filtered = ["a run in a process that is not sampled", preciseUs(filteredNs), "", "", ""];
  printTable("In the kernel", head, [...rows, filtered]);
}

function cases(): Case[] {
  const recursion = "40 calls deep";

  const deep = (flags: readonly string[]): string[] => [
    buildProgram("recursion.c", flags),
    "40",
    BUSY_SECONDS,
  ];
  const sort = [buildProgram("deep_sort.c", NO_FRAME_POINTERS), "12", BUSY_SECONDS];
  const node = join(packageRoot(), "test/programs/busy_node.cjs");
  const javascript = [process.execPath, node, "javascript", BUSY_SECONDS];
  return [
    {
      name: `C without frame pointers, ${recursion}, by tables`,
      command: deep(NO_FRAME_POINTERS),
      config: byTables,
    },
    {
      name: "the same with frame pointers, by tables",
      command: deep(["-fno-optimize-sibling-calls"]),
      config: byTables,
    },
    {
      name: "the same, by frame pointers alone",
      command: deep(["-fno-optimize-sibling-calls"]),
      config: byFramePointers,
    },
    {
      name: "C without frame pointers, through libc's `qsort`, by tables",
      command: sort,
      config: byTables,
    },
    { name: "Node, busy in JavaScript, by tables", command: javascript, config: byTables },
    { name: "the same, by frame pointers alone", command: javascript, config: byFramePointers },
  ];
}

/** Nanoseconds of a run in a process that was not chosen. */
async function filteredCost(): Promise<number> {
  using _busy = startBusyLoops();
  using chosen = startBusy([["sleep", BUSY_SECONDS]]);
  let costs: number[] = [];
  await sample(chosen.pids, byTables, async () => {
    costs = (await rounds()).map(({ runNs, runs }) => runNs / runs);
  });
  return median(costs);
}

async function rowOf({ name, command, config }: Case, filteredNs: number): Promise<string[]> {
  using _others = startBusyLoops(availableParallelism() - 1);
  using target = startBusy([command]);
  await sleep(SETTLE_MS);
  let costs: number[] = [];
  const samples = await sample(target.pids, config, async (receiver) => {
    const taken = (): number => receiver.counters.taken;
    costs = (await rounds(taken)).map(
      ({ runNs, runs, taken }) => (runNs - filteredNs * (runs - taken)) / taken,
    );
  });
  const cost = median(costs);
  const range = `${us(Math.min(...costs))}–${us(Math.max(...costs))}`;
  const { frames, wholeShare } = sizeOf(samples);
  const text = [`**${us(cost)}** (${range})`, frames.toFixed(1), (cost / frames).toFixed(0)];
  return [name, ...text, `${(100 * wholeShare).toFixed(1)} %`];
}

/** Samples processes, their tables loaded, while `work` does; gives all samples. */
async function sample(
  pids: readonly number[],
  config: Partial<EbpfConfig>,
  work: (receiver: EbpfReceiver) => Promise<void>,
): Promise<ProcessSample[]> {
  const sink = new CollectingSink();
  await runReceiver({
    config: { samples_per_second: FREQUENCY_HZ, cpu_limit: 0, pids, ...config },
    sink,
    work,
  });
  return sink.batches.flatMap((batch) => processSamples(batch));
}

interface Round extends ProgramStats {
  readonly taken: number;
}

/** What the program has done in each round. */
async function rounds(taken: () => number = () => 0): Promise<Round[]> {
  const all: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = { ...samplingStats(), taken: taken() };
    await sleep(roundMs);
    const after = { ...samplingStats(), taken: taken() };
    all.push({
      runNs: after.runNs - before.runNs,
      runs: after.runs - before.runs,
      taken: after.taken - before.taken,
    });
  }
  return all;
}

/** The mean number of user frames, and the share of samples that go to their thread's start. */
function sizeOf(samples: readonly ProcessSample[]): { frames: number; wholeShare: number } {
  let [count, frames, whole] = [0, 0, 0];
  for (const sample of samples) {
    count += sample.count;
    frames += sample.count * sample.frames.length;
    if (sample.code === COMPLETE) whole += sample.count;
  }
  return { frames: frames / count, wholeShare: whole / count };
}

function us(nanos: number): string {
  return (nanos / 1000).toFixed(1);
}

function preciseUs(nanos: number): string {
  return (nanos / 1000).toFixed(2);
}
