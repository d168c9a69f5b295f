import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Clock, sleep, systemClock } from "../../src/support/clock.ts";
import { createLogger } from "../../src/support/logger.ts";
import { MetricRegistry } from "../../src/support/metrics.ts";
import { CollectingSink, keepBusy, runReceiver, totalOf } from "../support/receiver-run.ts";
import { requirement } from "../support/requirements.ts";

/** A clock that can be set forward, so that a minute takes no minute. */
class ForwardClock implements Clock {
  #aheadNs = 0n;

  forward(seconds: number): void {
    this.#aheadNs += BigInt(seconds) * 1_000_000_000n;
  }

  unixNanos(): bigint {
    return systemClock.unixNanos() + this.#aheadNs;
  }

  monotonicNanos(): bigint {
    return systemClock.monotonicNanos() + this.#aheadNs;
  }
}

describe("the governor", { skip: requirement("root", "bpf") }, () => {
  it("says in log, metric and period that it samples less, and loses no time", async () => {
    const clock = new ForwardClock();
    const registry = new MetricRegistry();
    const lines: string[] = [];
    const logger = createLogger("warn", (line) => void lines.push(line));
    const sink = new CollectingSink();
    const counters = await runReceiver({
      sink,
      config: { samples_per_second: 997, cpu_limit: 0.0001, reporter_interval: 200 },
      context: { clock, logger, metrics: registry.metrics({ receiver: "ebpf" }) },
      work: async () => {
        await keepBusy(500);
        clock.forward(61);
        await sleep(500);
        assert.equal(registry.value("obsforge_receiver_frequency_hertz", { receiver: "ebpf" }), 1);
        await keepBusy(2500);
      },
    });
    assert.equal(lines.length, 1, lines.join(""));
    assert.match(
      lines[0] ?? "",
      /WARN the frequency follows .* limit_percent=0.0001 from_hz=997 to_hz=1$/m,
    );
    const periods = sink.batches.flatMap((batch) =>
      [...batch.profiles()].map(({ profile }) => Number(profile.period)),
    );
    assert.deepEqual(
      [...new Set(periods)].toSorted((a, b) => a - b),
      [1_003_009, 1_000_000_000],
    );
    const sum = sink.batches.reduce((total, batch) => total + totalOf(batch), 0);
    assert.equal(sum, counters.delivered);
  });
});
