import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as libbpf from "../../src/linux/libbpf.ts";
import type { ProfileConsumer } from "../../src/pipeline/component.ts";
import { resolvedSamples } from "../../src/profiles/resolved.ts";
import type { EbpfCounters } from "../../src/receivers/ebpf/counters.ts";
import type { EbpfReceiver } from "../../src/receivers/ebpf/receiver.ts";
import { type Clock, sleep, systemClock } from "../../src/support/clock.ts";
import { buildProgram } from "../support/build-program.ts";
import { attributeOf, heldResources, runReceiver } from "../support/receiver-run.ts";
import { requirement } from "../support/requirements.ts";

const PROCESSES = 1000;
/** What is there for good after the first of them is not a leak. */
const FIRST_PROCESSES = 50;
const CPU_MS = "15";
/** A tenth of them each forks, and runs no other program. */
const FORKS = 10;
const SEEN_SHARE_MIN = 0.9;
/** On a machine that is busy with other tests. */
const WAIT_MS = 60_000;
/** Tables stay so long that no process uses. */
const UNUSED_KEPT_NS = 61_000_000_000n;
const HEAP_GROWTH_MAX = 16 * 1024 * 1024;

/** enum bpf_map_type. */
const HASH = 1;
const LPM_TRIE = 11;
const ARRAY_OF_MAPS = 12;

/** The receiver's maps in this process, by their shapes. */
const unwindMaps = {
  processes: { type: HASH, keyBytes: 4, valueBytes: 4 },
  mappings: { type: LPM_TRIE, keyBytes: 16, valueBytes: 32 },
  tables: { type: ARRAY_OF_MAPS, keyBytes: 4, valueBytes: 4 },
} as const;

type UnwindMapName = keyof typeof unwindMaps;

function fdOf({ type, keyBytes, valueBytes }: (typeof unwindMaps)[UnwindMapName]): number {
  const found = readdirSync("/proc/self/fd").filter((fd) => {
    try {
      if (!readlinkSync(`/proc/self/fd/${fd}`).includes("bpf-map")) return false;
      const text = readFileSync(`/proc/self/fdinfo/${fd}`, "latin1");
      const field = (name: string): number =>
        Number(RegExp(`^${name}:\\s*(\\d+)$`, "m").exec(text)?.[1]);
      const shape = [field("map_type"), field("key_size"), field("value_size")];
      return shape.join() === [type, keyBytes, valueBytes].join();
    } catch {
      // It was the folder's own.
      return false;
    }
  });
  assert.equal(found.length, 1, `map type ${type}: fds ${found}`);
  return Number(found[0]);
}

/** Entries of a map that hold something: a slot of tables is always there. */
function entries(name: UnwindMapName): number {
  const shape = unwindMaps[name];
  const fd = fdOf(shape);
  let key = new Uint8Array(shape.keyBytes).fill(name === "mappings" ? 0 : 0xff);
  let next = new Uint8Array(shape.keyBytes);
  const value = new Uint8Array(shape.valueBytes);
  let count = 0;
  while (libbpf.mapNextKey(fd, key, next) === 0) {
    if (libbpf.mapLookup(fd, next, value) === 0) count++;
    [key, next] = [next, key];
  }
  return count;
}

function allEntries(): Record<UnwindMapName, number> {
  return {
    processes: entries("processes"),
    mappings: entries("mappings"),
    tables: entries("tables"),
  };
}

const NO_ENTRIES = { processes: 0, mappings: 0, tables: 0 };

/** A clock that can be put forward, so that nobody waits a minute for what is kept so long. */
class ForwardClock implements Clock {
  #aheadNs = 0n;

  unixNanos(): bigint {
    return systemClock.unixNanos();
  }

  monotonicNanos(): bigint {
    return systemClock.monotonicNanos() + this.#aheadNs;
  }

  forward(ns: bigint): void {
    this.#aheadNs += ns;
  }
}

/** Programs of several files, each of which starts one process after another. */
function shortLived(): string[] {
  const builds = [[], ["-O1"], ["-fomit-frame-pointer"], ["-static"]];
  return builds.map((flags) => buildProgram("short_lived.c", flags));
}

/** A shell's script that starts so many processes, and waits for them. */
function script(processes: number): string {
  const programs = shortLived();
  const forks = processes / FORKS;
  const each = Math.round((processes - forks) / programs.length);
  const spin = "i=0; while [ $i -lt 8000 ]; do i=$((i+1)); done";
  const starts = programs.map((program) => `${program} ${each} ${CPU_MS} >/dev/null &`);
  return `${starts.join(" ")} for n in $(seq ${forks}); do (${spin}); done; wait`;
}

async function until(isTrue: () => boolean, what: () => string): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while (!isTrue()) {
    assert.ok(performance.now() < end, what());
    await sleep(100);
  }
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

interface Rest {
  readonly held: Record<string, number>;
  readonly heapBytes: number;
  readonly mapBytes: number;
}

/** Four files, each with its debug file and with what dwz moved out of that. */
const KEPT_FDS_MAX = 12;

/** Runs a script in a shell that is sampled from its first instruction; gives what is left of it. */
async function leftAfter(receiver: EbpfReceiver, text: string): Promise<Rest> {
  const shell = spawn("sh", ["-c", `read line; ${text}`], {
    stdio: ["pipe", "inherit", "inherit"],
  });
  await receiver.addPid(shell.pid as number);
  shell.stdin.end("go\n");
  const [code] = await once(shell, "close");
  assert.equal(code, 0);
  const unwinding = (): EbpfCounters["unwinding"] => receiver.counters.unwinding;
  await until(
    () => unwinding().processes + unwinding().mappings === 0,
    () => `still known: ${JSON.stringify(unwinding())}`,
  );
  assert.equal(entries("processes") + entries("mappings"), 0);
  // A window goes out, and the files of the one before are closed.
  await sleep(2000);
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  const mapBytes = receiver.counters.bpfMapBytes - unwinding().bytes;
  return { held: heldResources(), heapBytes: heapUsed + arrayBuffers, mapBytes };
}

/** Nothing is left of tables either when a minute has passed. */
async function assertNoTables(receiver: EbpfReceiver, clock: ForwardClock): Promise<void> {
  const { tables } = receiver.counters.unwinding;
  assert.equal(entries("tables"), tables);
  assert.ok(tables >= shortLived().length, `${tables} tables`);
  clock.forward(UNUSED_KEPT_NS);
  await until(
    () => receiver.counters.unwinding.bytes === 0,
    () => `still there: ${JSON.stringify(receiver.counters.unwinding)}`,
  );
  assert.deepEqual(allEntries(), NO_ENTRIES);
}

const skip = requirement("root", "bpf");

describe("1,000 processes of several programs that end after a moment", { skip }, () => {
  it("leave nothing in the kernel's maps, and no memory or descriptors", async () => {
    const clock = new ForwardClock();
    const pids = new Set<string>();
    let delivered = 0;
    // Nothing is kept of them: memory is looked at.
    const sink: ProfileConsumer = {
      async consume(batch) {
        for (const { resource, value } of resolvedSamples(batch, "names")) {
          pids.add(attributeOf(resource, "process.pid"));
          delivered += value;
        }
      },
    };
    const rests: Rest[] = [];
    const counters = await runReceiver({
      config: { pids: [], samples_per_second: 997, unwind_cache_directory: "none" },
      context: { clock },
      symbolize: true,
      sink,
      work: async (receiver) => {
        for (const processes of [FIRST_PROCESSES, PROCESSES]) {
          rests.push(await leftAfter(receiver, script(processes)));
        }
        await assertNoTables(receiver, clock);
      },
    });
    assertConserved(counters, delivered);
    assert.ok(pids.size >= SEEN_SHARE_MIN * PROCESSES, `${pids.size} processes were sampled`);
    const [first, last] = rests as [Rest, Rest];
    // The reader of symbols keeps the last few files with debug information open.
    const [fdsBefore = 0, fds = 0] = [first.held["fds"], last.held["fds"]];
    const moreFds = fds - fdsBefore;
    assert.ok(moreFds <= KEPT_FDS_MAX, `${moreFds} more descriptors`);
    assert.deepEqual({ ...last.held, fds: 0 }, { ...first.held, fds: 0 });
    assert.equal(last.mapBytes, first.mapBytes);
    const growth = last.heapBytes - first.heapBytes;
    assert.ok(growth < HEAP_GROWTH_MAX, `${growth} bytes more`);
  });
});

function assertConserved(counters: EbpfCounters, sent: number): void {
  const { taken, delivered, lost, dropped, results, unwinding } = counters;
  assert.equal(taken, delivered + lost);
  assert.equal(delivered, sent + dropped);
  const ended = Object.values(results).reduce((sum, count) => sum + count, 0);
  assert.equal(ended, taken);
  // Most of a process is over when its tables are there, but they were in use.
  assert.ok(results.complete > 0.1 * taken, JSON.stringify(results));
  assert.deepEqual(
    { refused: unwinding.refusedProcesses + unwinding.refusedMappings, noRoom: unwinding.noRoom },
    { refused: 0, noRoom: 0 },
  );
}
