import { type Clock, sleep } from "../../../support/clock.ts";
import type { ProcessTable } from "../process-table.ts";
import type { Unwinder } from "./unwinder.ts";

/** How long sampling waits for the tables of chosen processes: what is missing then comes later. */
const WAIT_MS = 5000;

/** Has the processes that the user named whole from their first sample on. */
export async function loadChosen(
  unwinder: Unwinder,
  processes: ProcessTable,
  { pids, clock }: { readonly pids: readonly number[] | undefined; readonly clock: Clock },
): Promise<void> {
  const nowNs = clock.monotonicNanos();
  for (const pid of pids ?? []) {
    const image = processes.imageAt(pid, nowNs);
    if (image !== undefined) unwinder.want(image);
  }
  const waiting = new AbortController();
  const settled = unwinder.settled().finally(() => waiting.abort());
  await Promise.race([settled, sleep(WAIT_MS, waiting.signal)]);
}
