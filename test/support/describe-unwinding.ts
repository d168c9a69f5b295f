import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { sleep } from "../../src/support/clock.ts";
import type { ProcessSample } from "./process-stacks.ts";
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
  /** The whole host is recorded, and not only these processes. */
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
  await using started = new AsyncDisposableStack();
  using folder = temporaryFolder();
  const running: RunningCase[] = [];
  for (const unwindingCase of cases) {
    const one = await startCase(unwindingCase);
    started.use(one.process);
    running.push(one);
  }
  await sleep(options.settleMs ?? SETTLE_MS);
  const pids = running.flatMap(({ process }) => ["-p", String(process.pid)]);
  const targets = options.isWholeHost === true ? ["-a"] : pids;
  const seconds = String(options.seconds ?? SECONDS + SECONDS_PER_CASE * cases.length);
  const batch = await recordBatch(folder, ["-d", seconds, ...targets], () => {
    if (options.tells !== true) return;
    for (const { process } of running) process.signal("SIGUSR1");
  });
  await options.afterwards?.(running);
  const samples = new Map<UnwindingCase, ProcessSample[]>();
  for (const one of running) samples.set(one.unwindingCase, samplesOf(one, batch));
  assert.equal(samples.size, cases.length);
  return samples;
}
