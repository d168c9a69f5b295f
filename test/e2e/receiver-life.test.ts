import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EbpfReceiver } from "../../src/receivers/ebpf/receiver.ts";
import { sleep } from "../../src/support/clock.ts";
import { isCollectorError } from "../../src/support/errors.ts";
import { buildProgram } from "../support/build-program.ts";
import {
  attributeOf,
  CollectingSink,
  heldResources,
  keepBusy,
  runReceiver,
} from "../support/receiver-run.ts";
import { requirement } from "../support/requirements.ts";
import { startCommand } from "../support/run-command.ts";

describe("ebpf receiver", { skip: requirement("root", "bpf") }, () => {
  it("gives everything back when its start fails", async () => {
    const failing = (): Promise<unknown> =>
      assert.rejects(
        runReceiver({
          config: { samples_per_second: 0 },
          sink: new CollectingSink(),
          work: () => assert.fail("it started"),
        }),
        (error) => isCollectorError(error, "CONFIG_INVALID"),
      );
    await failing();
    const before = heldResources();
    await failing();
    assert.deepEqual(heldResources(), before);
  });

  it("sends nothing more when it is abandoned, and does not sample on", async () => {
    const sink = new CollectingSink();
    const { delivered, taken, lost } = await runReceiver({
      config: { reporter_interval: 60_000 },
      sink,
      work: async (receiver) => {
        await keepBusy(300);
        await receiver.abandon();
        await receiver.stop();
      },
    });
    assert.deepEqual(sink.batches, []);
    assert.ok(delivered > 0);
    assert.equal(taken, delivered + lost);
  });

  it("counts on while it stops", async () => {
    const seen: number[] = [];
    const sink = new CollectingSink(async () => void seen.push(receiverOf().counters.taken));
    let receiver: EbpfReceiver | undefined;
    const receiverOf = (): EbpfReceiver => receiver as EbpfReceiver;
    const { taken } = await runReceiver({
      config: { reporter_interval: 60_000 },
      sink,
      work: async (running) => {
        receiver = running;
        await keepBusy(300);
      },
    });
    assert.deepEqual(seen, [taken]);
    assert.ok(taken > 0);
  });

  it("starts again after a stop", async () => {
    const sink = new CollectingSink();
    await runReceiver({
      sink,
      work: async (receiver) => {
        await keepBusy(300);
        await receiver.stop();
        const before = sink.total;
        assert.ok(before > 0);
        await receiver.start();
        await keepBusy(300);
        await receiver.stop();
        assert.ok(sink.total > before);
      },
    });
  });

  it("samples only the chosen processes, and those that are added", async () => {
    const program = buildProgram("threads.c");
    await using first = await startCommand(program, ["1", "30"]);
    await using second = await startCommand(program, ["1", "30"]);
    const sink = new CollectingSink();
    const seenPids = (): string[] => [
      ...new Set(sink.samples.map(({ resource }) => attributeOf(resource, "process.pid"))),
    ];
    await runReceiver({
      config: { pids: [first.pid], reporter_interval: 200 },
      sink,
      work: async (receiver) => {
        await sleep(600);
        assert.deepEqual(seenPids(), [String(first.pid)]);
        await receiver.addPid(second.pid);
        await sleep(600);
      },
    });
    assert.deepEqual(seenPids().sort(), [String(first.pid), String(second.pid)].sort());
  });

  it("flushes the tail at its stop, long before the interval is over", async () => {
    const sink = new CollectingSink();
    const { delivered } = await runReceiver({
      config: { reporter_interval: 3_600_000 },
      sink,
      work: () => keepBusy(500),
    });
    assert.equal(sink.batches.length, 1);
    assert.equal(sink.total, delivered);
  });
});
