import { setTimeout as sleep } from "node:timers/promises";
import type { RunningCommand } from "../support/run-command.ts";

const START_MS_MAX = 20_000;

/** What `obsforge view` prints once it serves; rejects when it ends or takes too long. */
export async function viewAddress(view: RunningCommand): Promise<string> {
  for (let waitedMs = 0; waitedMs < START_MS_MAX; waitedMs += 50) {
    const [, address] = /^(http:\S+)\n/m.exec(view.stdout()) ?? [];
    if (address !== undefined) return address;
    await sleep(50);
  }
  throw new Error(`view serves nothing: ${view.stderr()}`);
}
