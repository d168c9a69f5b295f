import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { sleep } from "../../src/support/clock.ts";
import { lastSampledUnloaded, type ProcessSample, processSamples } from "./process-stacks.ts";
import { temporaryFolder } from "./temporary-folder.ts";
import {
  assertUnwound,
  type RunningCase,
  recordBatch,
  samplesOf,
  startCase,
  type UnwindingCase,
} from "./unwinding-case.ts";

export interface UnwindingOptions {
  readonly skip: string | false;
  /** Longer than it takes the programs to reach what they do for the rest of their time. */
  readonly settleMs?: number;
  readonly seconds?: number;
  /**
   * The whole host is recorded, and not only these processes. What was sampled of one before its
   * tables were there is left out: its first sample asks for them.
   */
  readonly isWholeHost?: boolean;
  /** The programs are told by SIGUSR1 that they are sampled. */
  readonly tells?: boolean;
  /** Called after the recording, while the programs still run. */
  readonly afterwards?: (running: readonly RunningCase[]) => Promise<void>;
}

const SETTLE_MS = 300;
/** How long to record for N cases that share the CPUs. */
const SECONDS = 2;
const SECONDS_PER_CASE = 0.2;

/**
 * One recording of all cases together with `record -p PID -p PID …`, and a test for each of
 * them, since a machine's time is better spent on one recording than on starting many.
 */
export function describeUnwinding(
  title: string,
  options: UnwindingOptions,
  makeCases: () => readonly UnwindingCase[],
): void {
  describe(title, { skip: options.skip }, () => {
    const cases = makeCases();
    let samples: ReadonlyMap<UnwindingCase, readonly ProcessSample[]>;
    before(async () => {
      samples = await recordCases(cases, options);
    });
    for (const unwindingCase of cases) {
      it(unwindingCase.name.trim(), () => {
        assertUnwound(unwindingCase, samples.get(unwindingCase) ?? []);
      });
    }
  });
}

/** Starts the cases, records them together, ends them, and gives the samples of each. */
export async function recordCases(
  cases: readonly UnwindingCase[],
  options: Omit<UnwindingOptions, "skip">,
): Promise<Map<UnwindingCase, ProcessSample[]>> {
  using folder = temporaryFolder();
  await using started = new AsyncDisposableStack();
  const running: RunningCase[] = [];
  for (const unwindingCase of cases) {
    const one = await startCase(unwindingCase, folder.path);
    started.use(one.process);
    running.push(one);
  }
  await sleep(options.settleMs ?? SETTLE_MS);
  const seconds = String(options.seconds ?? SECONDS + SECONDS_PER_CASE * cases.length);
  const pids = running.flatMap(({ process }) => ["-p", String(process.pid)]);
  const isWholeHost = options.isWholeHost === true;
  const batch = await recordBatch(
    // pprof has no room for the time of a sample.
    folder.file(isWholeHost ? "host.otlp.pb" : "processes.pb.gz"),
    ["-d", seconds, ...(isWholeHost ? ["-a", "--timestamps"] : pids)],
    () => {
      if (options.tells !== true) return;
      for (const { process } of running) process.signal("SIGUSR1");
    },
  );
  await options.afterwards?.(running);
  const all = processSamples(batch, isWholeHost ? tablesLoadedAt(batch) : undefined);
  const samples = new Map<UnwindingCase, ProcessSample[]>();
  for (const one of running) samples.set(one.unwindingCase, samplesOf(one, all));
  assert.equal(samples.size, cases.length);
  return samples;
}

function tablesLoadedAt(batch: ProfileBatch): (pid: number) => bigint {
  const last = lastSampledUnloaded(batch);
  return (pid) => last.get(pid) ?? 0n;
}
