import { join } from "node:path";
import { packageRoot } from "../../src/support/package-root.ts";
import { requirement } from "../support/requirements.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startBusyLoops } from "./busy-programs.ts";
import { type CommandCost, costOf, perfRecord } from "./command-cost.ts";

/**
 * What a recording of the whole host costs, beside `perf record` in the same run: CPU seconds of
 * the whole command (start, sampling and, for us, symbolization and writing), and peak memory.
 * Every CPU is kept busy meanwhile: `node test/bench/record-cost.ts`.
 */

const SECONDS = 10;
const ROUNDS = 3;

const missing = requirement("root", "bpf", "perf");
if (missing === false) await measure();
else process.stdout.write(`record: not measured, ${missing}\n`);

async function measure(): Promise<void> {
  using folder = temporaryFolder();
  const obsforge = join(packageRoot(), "bin/obsforge");
  const record = (output: string): string[] =>
    perfRecord({ seconds: SECONDS, output, callGraph: "fp" });
  const named = folder.file("named.data");
  const flags = ["-q", "-a", "-d", `${SECONDS}`, "-o", folder.file("a.pb.gz")];
  const rivals = {
    "obsforge record": [obsforge, "record", ...flags],
    "perf record -g": record(folder.file("perf.data")),
    // With names, as our file has them.
    "… + perf script": withScript(record(named), named),
  };
  using _busy = startBusyLoops();
  for (const [name, command] of Object.entries(rivals)) {
    const costs: CommandCost[] = [];
    for (let round = 0; round < ROUNDS; round++) costs.push(await costOf(command));
    print(name, costs);
  }
}

function withScript(record: readonly string[], data: string): string[] {
  return ["sh", "-c", `"$@"; perf script -i ${data}`, "bench", ...record];
}

function print(name: string, costs: readonly CommandCost[]): void {
  const cpu = costs.map(({ cpuSeconds }) => cpuSeconds).sort((a, b) => a - b);
  const peak = Math.max(...costs.map(({ peakMb }) => peakMb));
  const range = [cpu[0], cpu[cpu.length >> 1], cpu.at(-1)].map((value) => value?.toFixed(2));
  process.stdout.write(
    `${name.padEnd(16)} ${SECONDS} s at 99 Hz, all CPUs busy: ${range.join("/")} CPU s ` +
      `(min/median/max of ${ROUNDS}), peak ${peak.toFixed(0)} MB\n`,
  );
}
