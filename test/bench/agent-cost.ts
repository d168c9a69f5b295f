import { requirement } from "../support/requirements.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { agentCost, FREQUENCY_HZ, WARM_UP_SECONDS } from "./agent-run.ts";
import { startBusyLoops } from "./busy-programs.ts";
import { costOf, perfRecord } from "./command-cost.ts";

/**
 * What the agent of config/agent.yaml costs while it runs, beside `perf record` in the same
 * run: CPU seconds of all its threads from 12 s after its start for 30 s, those before, its peak
 * memory, and the share of the samples that it should have delivered. Every CPU is kept busy
 * meanwhile: `node test/bench/agent-cost.ts`.
 */

const SECONDS = 30;

const missing = requirement("root", "bpf", "perf");
if (missing === false) await measure();
else process.stdout.write(`agent: not measured, ${missing}\n`);

async function measure(): Promise<void> {
  using folder = temporaryFolder();
  using _busy = startBusyLoops();
  const agent = await agentCost(SECONDS);
  const recording = {
    seconds: SECONDS,
    output: folder.file("perf.data"),
    callGraph: "fp",
  } as const;
  const perf = await costOf(perfRecord(recording));
  const ratio = agent.steadySeconds / perf.cpuSeconds;
  process.stdout.write(
    `obsforge run     ${SECONDS} s at ${FREQUENCY_HZ} Hz, all CPUs busy, every 10 s a file: ` +
      `${agent.steadySeconds.toFixed(3)} CPU s from ${WARM_UP_SECONDS} s on, ` +
      `start-up ${agent.startSeconds.toFixed(2)} CPU s, peak ${agent.peakMb.toFixed(0)} MB, ` +
      `${(100 * agent.deliveredShare).toFixed(1)} % delivered\n` +
      `perf record -g   ${SECONDS} s at ${FREQUENCY_HZ} Hz, without names, its whole run: ` +
      `${perf.cpuSeconds.toFixed(3)} CPU s; ratio ${ratio.toFixed(2)}\n`,
  );
}
