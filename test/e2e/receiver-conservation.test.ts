import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EbpfCounters } from "../../src/receivers/ebpf/counters.ts";
import { sleep } from "../../src/support/clock.ts";
import { CollectorError } from "../../src/support/errors.ts";
import { CollectingSink, keepBusy, runReceiver, totalOf } from "../support/receiver-run.ts";
import { requirement } from "../support/requirements.ts";

/** A page holds some twenty records: far less than a CPU gives between two drains. */
const TINY_RING_BYTES = 4096;
/** Samples that may wait, where the next component hangs. */
const WAITING_MAX = 500;
const BUSY_MS = 3000;

function assertTaken({ taken, delivered, lost }: EbpfCounters): void {
  assert.ok(taken > 0);
  assert.equal(taken, delivered + lost);
}

describe("what was taken is delivered or lost [R18]", { skip: requirement("root", "bpf") }, () => {
  for (const timestamps of [false, true]) {
    it(`with a ring too small, timestamps ${timestamps}`, async () => {
      const sink = new CollectingSink();
      const counters = await runReceiver({
        config: { ring_bytes: TINY_RING_BYTES, timestamps },
        sink,
        work: () => keepBusy(BUSY_MS),
      });
      assertTaken(counters);
      assert.ok(counters.lost > 0, "the ring was too small");
      assert.equal(counters.dropped, 0);
      assert.equal(sink.total, counters.delivered);
      assert.ok(sink.batches.length > 2);
    });
  }

  it("when the next component refuses some batches", async () => {
    let refused = 0;
    let calls = 0;
    const sink = new CollectingSink(async (batch) => {
      if (calls++ % 2 === 0) return;
      refused += totalOf(batch);
      throw new CollectorError("INPUT_MALFORMED", "every second one is refused");
    });
    const counters = await runReceiver({ sink, work: () => keepBusy(BUSY_MS) });
    assertTaken(counters);
    assert.ok(refused > 0);
    assert.equal(counters.dropped, refused);
    assert.equal(sink.total + counters.dropped, counters.delivered);
  });

  it("when the next component is slow, and one report runs at a time", async () => {
    const sink = new CollectingSink(() => sleep(1200));
    const counters = await runReceiver({ sink, work: () => keepBusy(BUSY_MS) });
    assertTaken(counters);
    assert.equal(counters.lost, 0);
    assert.equal(sink.openMax, 1);
    assert.equal(sink.total, counters.delivered);
    assert.ok(sink.batches.length <= 4, "a slow component gets fewer and larger batches");
  });

  it("when the next component hangs: what waits is bounded, the rest is counted lost", async () => {
    const released = Promise.withResolvers<void>();
    const sink = new CollectingSink(() => released.promise);
    const counters = await runReceiver({
      config: { ring_bytes: TINY_RING_BYTES, samples_per_second: 4999, timestamps: true },
      limits: { rows: 1 << 18, frames: 1 << 22, times: WAITING_MAX },
      sink,
      work: async () => {
        await keepBusy(BUSY_MS);
        released.resolve();
      },
    });
    assertTaken(counters);
    assert.ok(counters.lost > counters.delivered, JSON.stringify(counters));
    assert.equal(sink.total, counters.delivered);
    // A window that was almost full still took what the ring held, at each end of the wait.
    for (const batch of sink.batches)
      assert.ok(totalOf(batch) < WAITING_MAX + TINY_RING_BYTES / 40);
  });

  it("through the symbolize processor", async () => {
    const sink = new CollectingSink();
    const counters = await runReceiver({
      config: { ring_bytes: TINY_RING_BYTES },
      symbolize: true,
      sink,
      work: () => keepBusy(BUSY_MS),
    });
    assertTaken(counters);
    assert.equal(sink.total, counters.delivered);
  });
});
