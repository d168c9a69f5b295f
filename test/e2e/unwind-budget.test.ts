import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EbpfCounters } from "../../src/receivers/ebpf/counters.ts";
import type { EbpfReceiver } from "../../src/receivers/ebpf/receiver.ts";
import { sleep } from "../../src/support/clock.ts";
import { buildProgram } from "../support/build-program.ts";
import { attributeOf, CollectingSink, runReceiver } from "../support/receiver-run.ts";
import { requirement } from "../support/requirements.ts";
import { startCommand } from "../support/run-command.ts";

/** Node's own table takes some ten of it. */
const BUDGET_BYTES = 1024 * 1024;
/** The C library alone takes most of it. */
const SMALL_BUDGET_BYTES = 256 * 1024;
const MARK = "[incomplete: tables not loaded]";
const WAIT_MS = 20_000;

type Unwinding = EbpfCounters["unwinding"];

/** Waits until the counters say so; at no moment is there more in the kernel than the budget. */
async function until(
  receiver: EbpfReceiver,
  budget: number,
  isTrue: (unwinding: Unwinding) => boolean,
): Promise<void> {
  const end = performance.now() + WAIT_MS;
  for (;;) {
    const { unwinding } = receiver.counters;
    assert.ok(unwinding.bytes <= budget, `${unwinding.bytes} bytes`);
    if (isTrue(unwinding)) return;
    assert.ok(performance.now() < end, JSON.stringify(unwinding));
    await sleep(20);
  }
}

const withBudget = (bytes: number, pids: number[]) => ({
  pids,
  samples_per_second: 997,
  unwind_table_bytes: bytes,
  unwind_cache_directory: "none",
});

describe("a budget for unwind tables", { skip: requirement("root", "bpf") }, () => {
  it("leaves out what is larger, says so in each stack, and goes on with the rest", async () => {
    const sink = new CollectingSink();
    await using node = await startCommand(process.execPath, ["-e", "for (;;) JSON.parse('[1]')"]);
    await using small = await startCommand(buildProgram("recursion.c"), ["20", "30"]);
    const counters = await runReceiver({
      config: withBudget(BUDGET_BYTES, [node.pid, small.pid]),
      sink,
      work: async (receiver) => {
        await until(receiver, BUDGET_BYTES, ({ noRoom }) => noRoom > 0);
        await sleep(2000);
        await until(receiver, BUDGET_BYTES, ({ tables }) => tables > 0);
      },
    });
    const { taken, delivered, lost, results, unwinding } = counters;
    assert.equal(taken, delivered + lost);
    assert.ok(unwinding.framePointerMappings > 0 && unwinding.noRoom > 0);
    assert.ok(results.pending > 100 && results.complete > 100, JSON.stringify(results));
    const marked = sink.samples.filter(({ stack }) => stack.some((frame) => frame.includes(MARK)));
    const pids = new Set(marked.map(({ resource }) => attributeOf(resource, "process.pid")));
    assert.deepEqual([...pids], [String(node.pid)]);
  });

  it("makes room for what runs now by what ran before", async () => {
    const builds = [[], ["-static"], ["-static", "-O1"], ["-static", "-O3"]];
    const programs = builds.map((flags) => buildProgram("recursion.c", flags));
    const counters = await runReceiver({
      config: withBudget(SMALL_BUDGET_BYTES, []),
      sink: new CollectingSink(),
      work: async (receiver) => {
        for (const program of programs) {
          await using running = await startCommand(program, ["20", "30"]);
          await receiver.addPid(running.pid);
          const before = receiver.counters.results.complete;
          await until(
            receiver,
            SMALL_BUDGET_BYTES,
            () => receiver.counters.results.complete > before + 100,
          );
        }
      },
    });
    assert.ok(counters.unwinding.evicted > 0, JSON.stringify(counters.unwinding));
  });
});
