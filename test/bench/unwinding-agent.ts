import { statSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/support/package-root.ts";
import { buildProgram } from "../support/build-program.ts";
import { requirement } from "../support/requirements.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { NO_FRAME_POINTERS } from "../support/unwinding-programs.ts";
import { agentCost } from "./agent-run.ts";
import { startBusy } from "./busy-programs.ts";
import { type CommandCost, costOf, type PerfRecording, perfRecord } from "./command-cost.ts";
import { printTable } from "./markdown-table.ts";

/**
 * What the agent of config/agent.yaml costs beside `perf record` with copies of stacks and with
 * frame pointers, while C++ without frame pointers and Node keep the CPUs busy:
 * `node test/bench/unwinding-agent.ts [SECONDS]` (of each, 30 when not given).
 */

const seconds = Number(process.argv[2] ?? 30);
/** Longer than all three. */
const BUSY_SECONDS = "600";

const missing = requirement("root", "bpf", "perf");
if (missing === false) await measure();
else process.stdout.write(`the agent beside perf: not measured, ${missing}\n`);

async function measure(): Promise<void> {
  using _busy = startBusy(busyCommands());
  const agent = await agentCost(seconds);
  const dwarf = await perfCost("dwarf");
  const pointers = await perfCost("fp");
  const head = [`${seconds} s, 99 Hz, all CPUs busy`, "CPU s", "ours ÷ it", "data"];
  const rowOf = (name: string, { cpuSeconds, dataMb }: PerfCost): string[] => [
    name,
    cpuSeconds.toFixed(3),
    `**${(agent.steadySeconds / cpuSeconds).toFixed(2)}**`,
    `${dataMb.toFixed(1)} MB`,
  ];
  printTable("The agent", head, [
    ["obsforge, whole stacks with names", agent.steadySeconds.toFixed(3), "", ""],
    rowOf("`perf record --call-graph dwarf`, without names", dwarf),
    rowOf("`perf record --call-graph fp`, without names", pointers),
  ]);
  process.stdout.write(
    `The agent's start-up took ${agent.startSeconds.toFixed(2)} CPU s; its peak was ` +
      `${agent.peakMb.toFixed(0)} MB; ${(100 * agent.deliveredShare).toFixed(1)} % delivered.\n\n`,
  );
}

interface PerfCost extends CommandCost {
  readonly dataMb: number;
}

async function perfCost(callGraph: PerfRecording["callGraph"]): Promise<PerfCost> {
  using folder = temporaryFolder();
  const output = folder.file("perf.data");
  const cost = await costOf(perfRecord({ seconds, output, callGraph }));
  return { ...cost, dataMb: statSync(output).size / 1e6 };
}

function busyCommands(): string[][] {
  const flags = [...NO_FRAME_POINTERS, "-O3"];
  const script = join(packageRoot(), "test/programs/busy_node.cjs");
  return [
    [buildProgram("exceptions.cpp", flags), BUSY_SECONDS],
    [process.execPath, script, "javascript", BUSY_SECONDS],
  ];
}
