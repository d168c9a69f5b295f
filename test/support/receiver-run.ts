import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { availableParallelism } from "node:os";
import { checked } from "../../src/config/check.ts";
import type { ComponentContext, ProfileConsumer } from "../../src/pipeline/component.ts";
import { SharedServices } from "../../src/pipeline/shared-services.ts";
import { testContext } from "../../src/pipeline/testing/context.ts";
import { symbolizeConfig } from "../../src/processors/symbolize/config.ts";
import { SymbolizeProcessor } from "../../src/processors/symbolize/processor.ts";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { type ResolvedSample, resolvedSamples } from "../../src/profiles/resolved.ts";
import { type EbpfConfig, ebpfConfig } from "../../src/receivers/ebpf/config.ts";
import type { EbpfCounters } from "../../src/receivers/ebpf/counters.ts";
import { EbpfReceiver } from "../../src/receivers/ebpf/receiver.ts";
import type { WindowLimits } from "../../src/receivers/ebpf/sample-window.ts";
import { sleep } from "../../src/support/clock.ts";
import { silentLogger } from "../../src/support/logger.ts";
import { startCommand } from "./run-command.ts";

/** The end of a pipeline, which keeps what it takes. */
export class CollectingSink implements ProfileConsumer {
  readonly batches: ProfileBatch[] = [];
  /** Calls of `consume` that were open at once, at most. */
  openMax = 0;
  #open = 0;
  readonly #accept: (batch: ProfileBatch) => Promise<void>;

  /** @param accept  may be slow, or reject: then the batch is not kept */
  constructor(accept: (batch: ProfileBatch) => Promise<void> = async () => {}) {
    this.#accept = accept;
  }

  async consume(batch: ProfileBatch): Promise<void> {
    this.openMax = Math.max(this.openMax, ++this.#open);
    try {
      await this.#accept(batch);
      this.batches.push(batch);
    } finally {
      this.#open--;
    }
  }

  /** The sum of all values that it kept. */
  get total(): number {
    return this.batches.reduce((sum, batch) => sum + totalOf(batch), 0);
  }

  get samples(): ResolvedSample[] {
    return this.batches.flatMap((batch) => resolvedSamples(batch, "names"));
  }
}

export function totalOf(batch: ProfileBatch): number {
  return [...batch.profiles()].reduce((sum, { profile }) => sum + profile.samples.total(), 0);
}

export interface ReceiverRun {
  readonly config?: Partial<EbpfConfig>;
  readonly sink: ProfileConsumer;
  /** Puts the symbolize processor before the sink. */
  readonly symbolize?: boolean;
  readonly limits?: WindowLimits;
  /** The clock, logger and metrics of a test that wants its own. */
  readonly context?: Partial<ComponentContext>;
  readonly work: (receiver: EbpfReceiver) => Promise<unknown>;
}

/** Runs ebpf → sink while `work` does; the counters are those after the stop. */
export async function runReceiver(run: ReceiverRun): Promise<EbpfCounters> {
  await using shared = new SharedServices(silentLogger);
  const context = testContext({ shared, ...run.context });
  const processor = new SymbolizeProcessor(checked(symbolizeConfig), {
    ...context,
    next: run.sink,
  });
  if (run.symbolize) await processor.start();
  const next = run.symbolize ? processor : run.sink;
  const quick = { samples_per_second: 999, reporter_interval: "500ms", reporter_jitter: 0 };
  const config = { ...checked(ebpfConfig, quick), ...run.config };
  const receiver = new EbpfReceiver(config, { ...context, next }, run.limits);
  await receiver.start();
  try {
    await run.work(receiver);
    await receiver.stop();
  } finally {
    await receiver.abandon();
  }
  return receiver.counters;
}

/** Keeps every CPU busy for that long. */
export async function keepBusy(durationMs: number): Promise<void> {
  await using stack = new AsyncDisposableStack();
  for (let cpu = 0; cpu < availableParallelism(); cpu++) {
    stack.use(await startCommand("sh", ["-c", "while :; do :; done"]));
  }
  await sleep(durationMs);
}

/** The value of an attribute in a resolved list of them; "" without it. */
export function attributeOf(attributes: readonly string[], key: string): string {
  const found = attributes.find((text) => text.startsWith(`${key}=`));
  return found === undefined ? "" : String(JSON.parse(found.slice(key.length + 1)));
}

/** What this process holds of the kernel: by kind how many. */
export function heldResources(): Record<string, number> {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // The folder's own descriptor is closed by now.
      return "";
    }
  });
  const maps = readFileSync("/proc/self/maps", "utf8");
  return {
    fds: links.length,
    bpf: links.filter((link) => link.includes("bpf")).length,
    perfEvents: links.filter((link) => link.includes("perf_event")).length,
    ringMappings: maps.match(/anon_inode:(bpf|\[perf)/g)?.length ?? 0,
    threads: readdirSync("/proc/self/task").length,
  };
}
