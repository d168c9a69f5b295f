import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { EbpfReceiver } from "../../src/receivers/ebpf/receiver.ts";
import { sleep } from "../../src/support/clock.ts";
import { buildProgram } from "../support/build-program.ts";
import {
  attributeOf,
  CollectingSink,
  heldResources,
  keepBusy,
  runReceiver,
} from "../support/receiver-run.ts";
import { requirement } from "../support/requirements.ts";
import { runCommand } from "../support/run-command.ts";

const PROCESSES = 500;
const CPU_MS = "10";
/** The receiver forgets a process ten seconds after its end. */
const FORGOTTEN_WITHIN_MS = 15_000;
/** Ten seconds, and the time until the next look. */
const KEPT_MS = 12_000;
/** The program of who started it, a shell or launcher, and its own. */
const IMAGES_PER_PROCESS = 3;
const RUNS = 8;
/** What the heap of a test process moves by itself. */
const GROWTH_BYTES_MAX = 48 * 1024 * 1024;

async function churn(): Promise<void> {
  const program = buildProgram("short_lived.c");
  const { code, stderr } = await runCommand(program, [`${PROCESSES}`, CPU_MS]);
  assert.equal(code, 0, stderr);
}

/** Processes that the host has started since its boot. */
function forks(): number {
  return Number(/^processes (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]);
}

/** Others start and end processes too: what ended lately may be kept, a program for each exec. */
async function untilForgotten(receiver: EbpfReceiver): Promise<void> {
  const before: number[] = [];
  for (let waited = 0; waited < FORGOTTEN_WITHIN_MS; waited += 500) {
    before.push(forks());
    await sleep(500);
  }
  const lately = forks() - (before[before.length - KEPT_MS / 500] as number);
  const { endedImages } = receiver.counters.processTable;
  const most = IMAGES_PER_PROCESS * lately + PROCESSES / 10;
  assert.ok(endedImages < most, `${endedImages} ended processes are kept, ${lately} ended lately`);
}

const skip = requirement("root", "bpf");

describe("500 processes that start and end within 10 seconds", { skip }, () => {
  it("have their names in every sample, and leave nothing behind", async () => {
    // What Node itself opens at first use is there before.
    await runReceiver({ symbolize: true, sink: new CollectingSink(), work: () => sleep(200) });
    const heldBefore = heldResources();
    const sink = new CollectingSink();
    let elapsedMs = 0;
    const counters = await runReceiver({
      symbolize: true,
      sink,
      work: async (receiver) => {
        const startMs = performance.now();
        await churn();
        elapsedMs = performance.now() - startMs;
        await untilForgotten(receiver);
      },
    });
    assert.ok(elapsedMs < 10_000, `took ${elapsedMs} ms`);
    assertNames(sink, buildProgram("short_lived.c"));
    assert.equal(counters.lost, 0);
    assert.equal(counters.processTable.unknownLookups, 0);
    assert.deepEqual(heldResources(), heldBefore);
  });
});

/** Every sample of the program has its path and a right name; each process its own. */
function assertNames(sink: CollectingSink, program: string): void {
  const namesByPid = new Map<string, Set<string>>();
  for (const { resource, attributes } of sink.samples) {
    if (attributeOf(resource, "process.executable.path") !== program) {
      const thread = attributeOf(attributes, "thread.name");
      assert.doesNotMatch(thread, /^churn-/, `${thread} has another program's name: ${resource}`);
      continue;
    }
    assert.equal(attributeOf(resource, "process.executable.name"), "short_lived");
    const name = attributeOf(attributes, "thread.name");
    // Between exec and its first statement a child has the name of the file that it was given.
    assert.match(name, /^(short_lived|exe|churn-\d+)$/);
    const pid = attributeOf(resource, "process.pid");
    const names = namesByPid.getOrInsertComputed(pid, () => new Set());
    if (name.startsWith("churn-")) names.add(name);
  }
  const names = [...namesByPid.values()].flatMap((each) => [...each]);
  assert.ok([...namesByPid.values()].every((each) => each.size <= 1));
  assert.equal(new Set(names).size, names.length, "no two processes share a name");
  assert.ok(names.length >= 0.95 * PROCESSES, `${names.length} processes were seen`);
}

describe("a whole host", { skip }, () => {
  it("has no sample of an unknown process that is not counted", async () => {
    const sink = new CollectingSink();
    const { processTable } = await runReceiver({ sink, work: () => keepBusy(5000) });
    const unknown = sink.samples.filter(
      ({ resource, attributes }) =>
        attributeOf(attributes, "thread.name") === "" ||
        (attributeOf(resource, "process.executable.name") !== "" &&
          attributeOf(resource, "process.executable.path") === ""),
    );
    const unknownTotal = unknown.reduce((sum, { value }) => sum + value, 0);
    assert.ok(unknownTotal <= processTable.unknownLookups, JSON.stringify(unknown.slice(0, 3)));
  });

  it("costs no memory and no descriptors, however often it is begun", async () => {
    const run = (): Promise<unknown> =>
      runReceiver({ symbolize: true, sink: new CollectingSink(), work: () => keepBusy(300) });
    for (let round = 0; round < 3; round++) await run();
    const heldBefore = heldResources();
    const bytesBefore = process.memoryUsage.rss();
    for (let round = 0; round < RUNS; round++) await run();
    assert.deepEqual(heldResources(), heldBefore);
    const grown = process.memoryUsage.rss() - bytesBefore;
    assert.ok(grown < GROWTH_BYTES_MAX, `grew by ${grown} bytes in ${RUNS} runs`);
  });
});
