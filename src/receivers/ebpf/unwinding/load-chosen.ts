import { type Clock, sleep } from "../../../support/clock.ts";
import type { ProcessTable } from "../process-table.ts";
import type { Unwinder } from "./unwinder.ts";

/** How long sampling waits for the tables of chosen processes: what is missing then comes later. */
const WAIT_MS = 5000;

/** Has the processes that the user named whole from their first sample on. */
export async function loadChosen(
  unwinder: Unwinder,
  processes: ProcessTable,
  { pids, next, clock }: Chosen,
): Promise<void> {
  const nowNs = clock.monotonicNanos();
  for (const pid of pids ?? []) {
    const image = processes.imageAt(pid, nowNs);
    if (image !== undefined) unwinder.want(image);
  }
  const waiting = new AbortController();
  const preloaded = next === undefined ? undefined : unwinder.preload(next);
  const settled = Promise.all([unwinder.settled(), preloaded]).finally(() => waiting.abort());
  await Promise.race([settled, sleep(WAIT_MS, waiting.signal)]);
}

interface Chosen {
  readonly pids: readonly number[] | undefined;
  /** Path of a program that one of them will run next. */
  readonly next?: string | undefined;
  readonly clock: Clock;
}
