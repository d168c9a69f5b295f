import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import type { EbpfReceiver } from "../../src/receivers/ebpf/receiver.ts";
import { sleep } from "../../src/support/clock.ts";
import { isCollectorError } from "../../src/support/errors.ts";
import { CollectingSink, keepBusy, runReceiver, totalOf } from "../support/receiver-run.ts";
import { requirement } from "../support/requirements.ts";

const PART_MS = 1500;
const HIGH_HZ = 999;
const LOW_HZ = 99;
/** The machine has other things to do, and the ends of a part are not exact. */
const LEAST_SHARE = 0.7;

function periodOf(batch: ProfileBatch): number {
  const periods = new Set([...batch.profiles()].map(({ profile }) => profile.period));
  assert.equal(periods.size, 1, "one batch has one period");
  return [...periods][0] as number;
}

/** The CPU time that the batches of a frequency stand for, in nanoseconds. */
function cpuTime(batches: readonly ProfileBatch[], frequencyHz: number): number {
  const period = Math.round(1e9 / frequencyHz);
  return batches
    .filter((batch) => periodOf(batch) === period)
    .reduce((sum, batch) => sum + totalOf(batch) * period, 0);
}

async function inTwoParts(receiver: EbpfReceiver): Promise<void> {
  await keepBusy(PART_MS);
  receiver.setFrequency(LOW_HZ);
  await keepBusy(PART_MS);
  assert.equal(receiver.counters.frequencyHz, LOW_HZ);
}

describe("the frequency while it runs", { skip: requirement("root", "bpf") }, () => {
  it("changes between two batches, and loses no sample", async () => {
    const sink = new CollectingSink();
    const counters = await runReceiver({ sink, work: inTwoParts });
    assert.equal(counters.taken, counters.delivered + counters.lost);
    assert.equal(sink.total, counters.delivered);
    for (const frequencyHz of [HIGH_HZ, LOW_HZ]) {
      const share = cpuTime(sink.batches, frequencyHz) / (PART_MS * 1e6);
      assert.ok(share > LEAST_SHARE, `${share} CPUs at ${frequencyHz} Hz`);
    }
  });

  it("changes after the report that is under way", async () => {
    const sink = new CollectingSink(() => sleep(1000));
    const counters = await runReceiver({ sink, work: inTwoParts });
    assert.equal(sink.openMax, 1);
    assert.equal(sink.total, counters.delivered);
    assert.ok(cpuTime(sink.batches, LOW_HZ) > 0);
  });

  it("is refused out of range, and 0 when nothing runs", async () => {
    const counters = await runReceiver({
      sink: new CollectingSink(),
      work: async (receiver) => {
        for (const frequencyHz of [0, Number.NaN, 10_001]) {
          assert.throws(
            () => receiver.setFrequency(frequencyHz),
            (error) => isCollectorError(error, "CONFIG_INVALID"),
          );
        }
        const { frequencyHz, ringBytes, bpfMapBytes, sideBandBytes } = receiver.counters;
        assert.equal(frequencyHz, HIGH_HZ);
        assert.ok(bpfMapBytes > ringBytes && ringBytes > 0 && sideBandBytes > 0);
      },
    });
    assert.equal(counters.frequencyHz, 0);
  });
});
