import { parseArgs } from "node:util";
import { requirement } from "../support/requirements.ts";
import { soak } from "./soak.ts";
import { barsOf, growthPerSecond, STATE_HEADER, stateLine } from "./verdict.ts";

/**
 * Runs the agent for ten minutes on a host where processes start and end, files change and sinks
 * fail, and judges whether it grows or loses count: `node test/load/churn.ts --minutes 10`. Ends
 * with 1 when a bar is not met.
 */

/** Long enough for an exporter's in-flight limit to be reached at a report a second. */
const FAULT_MS = 12_000;
const REST_MS = 5000;

const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" } } });
const write = (line: string): void => void process.stdout.write(`${line}\n`);

const missing = requirement("root", "bpf");
if (missing === false) await main(Number(values.minutes) * 60_000);
else write(`churn: not run, ${missing}`);

async function main(churnMs: number): Promise<void> {
  write(STATE_HEADER);
  let count = 0;
  const run = await soak({
    churnMs,
    faultMs: FAULT_MS,
    restMs: REST_MS,
    onState: (state) => {
      if (count++ % 5 === 0) write(stateLine(state));
    },
  });
  write("quiet, before and after:");
  write(stateLine(run.quietBefore));
  write(stateLine(run.quietAfter));
  const { samples, files } = run;
  write(
    `${run.newFiles} new programs, ${files.written} files written, ${files.removed} removed, ` +
      `${samples.taken} samples taken, ${samples.lost} lost, ` +
      `${run.knownPrograms} programs known, ` +
      `${(run.mapBytes / 1024 / 1024).toFixed(1)} MiB of BPF maps and rings, ` +
      `${run.cpuSeconds.toFixed(1)} CPU s`,
  );
  for (const [name, { sent, sendFailed, enqueueFailed }] of run.exporters) {
    write(`${name.padEnd(10)} sent ${sent}, failed ${sendFailed}, not taken ${enqueueFailed} rows`);
  }
  const growth = growthPerSecond(run);
  write(
    `RSS over the last two thirds: ${(growth * 3600).toFixed(1)} MiB an hour of time, ` +
      `${(growth * 600).toFixed(1)} MiB a virtual hour`,
  );
  const bars = barsOf(run);
  for (const { name, seen, isMet } of bars) write(`${isMet ? "met " : "NOT "} ${name}: ${seen}`);
  if (bars.some(({ isMet }) => !isMet)) process.exitCode = 1;
}
