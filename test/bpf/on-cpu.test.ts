import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { BpfObject, bpfObjectPath } from "../../src/linux/bpf.ts";
import {
  type OnCpuCounters,
  OnCpuSampler,
  type OnCpuSamplerOptions,
} from "../../src/receivers/ebpf/on-cpu-sampler.ts";
import {
  type RawSample,
  sampleResult,
  USER_FRAMES_MAX,
} from "../../src/receivers/ebpf/sample-record.ts";
import { isCollectorError } from "../../src/support/errors.ts";
import { buildProgram } from "../support/build-program.ts";
import { requirement } from "../support/requirements.ts";

/** The kernel's own limit is a million; what grows beyond these has lost its shape. */
const VERIFIED_INSTRUCTIONS_MAX = { on_cpu: 20_000, on_fork: 500, on_exec: 100, on_free: 200 };

/** At fixed addresses; the recursion stays one (GCC would make it a loop). */
const RECURSION_FLAGS = ["-no-pie", "-fno-optimize-sibling-calls"];

const MIB = 1024 * 1024;

interface Taken {
  readonly pid: number;
  readonly processName: string;
  readonly value: number;
  readonly result: number;
  /** User addresses, leaf first. */
  readonly frames: number[];
}

function copyOf(sample: RawSample): Taken {
  const frames: number[] = [];
  for (let frame = 0; frame < sample.userCount; frame++) {
    const low = sample.user[2 * frame] as number;
    frames.push(low + (sample.user[2 * frame + 1] as number) * 2 ** 32);
  }
  const { pid, processName, value, result } = sample;
  return { pid, processName, value, result, frames };
}

/** Samples while `work` runs; gives every sample and the counters at the end. */
async function sampled(
  options: Partial<OnCpuSamplerOptions>,
  work: (sampler: OnCpuSampler) => Promise<unknown>,
): Promise<{ samples: Taken[]; counters: OnCpuCounters }> {
  const samples: Taken[] = [];
  using sampler = OnCpuSampler.start({ frequencyHz: 997, ringBytes: 8 * MIB, ...options });
  const drain = (): number => sampler.drain((sample) => samples.push(copyOf(sample)));
  const timer = setInterval(drain, 50);
  await work(sampler);
  clearInterval(timer);
  sampler.pause();
  drain();
  const counters = sampler.counters();
  assertConserved(counters);
  assert.equal(samples.length, counters.delivered);
  return { samples, counters };
}

function assertConserved(counters: OnCpuCounters): void {
  const { ticks, idle, own, filtered, taken, delivered, lost, results } = counters;
  assert.equal(ticks, idle + own + filtered + taken);
  assert.equal(taken, delivered + lost);
  assert.equal(counters.takenValue, counters.deliveredValue + counters.lostValue);
  assert.equal(
    results.reduce((sum, count) => sum + count, 0),
    taken,
  );
}

/** Runs a program to its end, sampled from its first instruction; gives what it printed. */
async function run(sampler: OnCpuSampler, program: string, args: string[]): Promise<string> {
  // A shell that waits for a line, so that its pid is known before the program starts.
  const child = spawn("sh", ["-c", 'read line; exec "$@"', "sh", program, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  sampler.addPid(child.pid as number);
  child.stdin.end("go\n");
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  await once(child, "close");
  return output;
}

/** Name of the function of a non-PIE program at an address; undefined outside of it. */
function functionNamer(program: string): (address: number) => string | undefined {
  const symbols = execFileSync("nm", ["-nS", program], { encoding: "utf8" })
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, , type]) => type === "t" || type === "T")
    .map(([start, size, , name]) => ({
      start: Number(`0x${start}`),
      size: Number(`0x${size}`),
      name,
    }));
  return (address) =>
    symbols.find(({ start, size }) => address >= start && address < start + size)?.name;
}

function busyLoops(count: number): ChildProcess[] {
  return Array.from({ length: count }, () =>
    spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }),
  );
}

async function ended(children: readonly ChildProcess[]): Promise<void> {
  for (const child of children) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

describe("the on-CPU sampler", { skip: requirement("root", "bpf", "binutils") }, () => {
  it("costs the verifier few instructions", () => {
    for (const wholeHost of [0, 1]) {
      const rodata = new Uint8Array(8);
      rodata.set([wholeHost, 1, 1], 4);
      using object = BpfObject.load(bpfObjectPath("on_cpu"), { rodata });
      for (const [name, most] of Object.entries(VERIFIED_INSTRUCTIONS_MAX)) {
        const { verifiedInstructions } = object.program(name).info();
        assert.ok(
          verifiedInstructions > 0 && verifiedInstructions <= most,
          `${name}: ${verifiedInstructions}`,
        );
      }
    }
  });

  it("finds the whole chain of a program with frame pointers", async () => {
    const program = buildProgram("recursion.c", RECURSION_FLAGS);
    const { samples } = await sampled({ pids: [] }, (sampler) =>
      run(sampler, program, ["20", "1"]),
    );
    const nameOf = functionNamer(program);
    const stacks = samples
      .map(({ frames, result }) => ({ result, names: frames.map(nameOf) }))
      .filter(({ names }) => names.includes("spin"));
    const whole = stacks.filter(({ names, result }) => {
      const chain = names.slice(names.indexOf("spin")).filter((name) => name !== undefined);
      const expected = ["spin", ...new Array(20).fill("descend"), "main"];
      // Without tables it is whole by guess, which nobody calls complete.
      return result === sampleResult.pending && chain.join() === expected.join();
    });
    assert.ok(stacks.length > 800, `${stacks.length} stacks`);
    assert.ok(whole.length >= 0.99 * stacks.length, `${whole.length} of ${stacks.length} whole`);
  });

  it("marks a stack that is deeper than a record", async () => {
    const program = buildProgram("recursion.c", RECURSION_FLAGS);
    const { samples } = await sampled({ pids: [] }, (sampler) =>
      run(sampler, program, ["2000", "0.3"]),
    );
    const deep = samples.filter(({ result }) => result === sampleResult.truncated);
    assert.ok(deep.length > 200, `${deep.length} truncated`);
    for (const { frames } of deep) assert.equal(frames.length, USER_FRAMES_MAX);
  });

  it("sums to the CPU time that the kernel charged, within 2 %", async () => {
    const program = buildProgram("recursion.c", RECURSION_FLAGS);
    let spentNs = 0;
    const { samples } = await sampled({ pids: [] }, async (sampler) => {
      spentNs = JSON.parse(await run(sampler, program, ["10", "3"])).cpuNanos;
    });
    const value = samples
      .filter(({ processName }) => processName === "recursion")
      .reduce((sum, sample) => sum + sample.value, 0);
    assert.ok(Math.abs(value / spentNs - 1) < 0.02, `${value} ns sampled of ${spentNs} ns`);
  });

  it("counts exactly what a ring too small loses", async () => {
    const cpus = availableParallelism();
    using sampler = OnCpuSampler.start({ frequencyHz: 999, ringBytes: 1 });
    const children = busyLoops(2 * cpus);
    let received = 0;
    let receivedValue = 0;
    const drain = (): void => {
      sampler.drain(({ value }) => {
        received++;
        receivedValue += value;
      });
    };
    for (let turn = 0; turn < 30; turn++) {
      await delay(100);
      drain();
    }
    sampler.pause();
    drain();
    await ended(children);
    const counters = sampler.counters();
    assertConserved(counters);
    assert.equal(received, counters.delivered);
    assert.equal(receivedValue, counters.deliveredValue);
    assert.ok(counters.lost > 0 && counters.delivered > 0, JSON.stringify(counters));
  });

  it("takes nothing during a pause and goes on after it", async () => {
    const children = busyLoops(availableParallelism());
    using sampler = OnCpuSampler.start({ frequencyHz: 997, ringBytes: 8 * MIB });
    sampler.pause();
    const before = sampler.counters();
    await delay(200);
    assert.deepEqual(sampler.counters(), before);
    sampler.resume();
    await delay(200);
    await ended(children);
    assert.ok(sampler.counters().taken > before.taken);
  });

  it("follows the children of a chosen process, and nothing else", async () => {
    const strangers = busyLoops(1);
    const program = buildProgram("recursion.c", RECURSION_FLAGS);
    const script = `for i in 1 2 3; do sh -c '${program} 3 0.2; exit' & done; wait`;
    let leader = 0;
    const { samples, counters } = await sampled({ pids: [] }, async (sampler) => {
      const shell = spawn("sh", ["-c", `read line; ${script}`], {
        stdio: ["pipe", "ignore", "inherit"],
      });
      leader = shell.pid as number;
      sampler.addPid(leader);
      shell.stdin?.end("go\n");
      await once(shell, "exit");
    });
    await ended(strangers);
    const programs = samples.filter(({ processName }) => processName === "recursion");
    assert.equal(new Set(programs.map(({ pid }) => pid)).size, 3);
    const strange = samples.filter(({ pid }) => pid === strangers[0]?.pid || pid < leader);
    assert.equal(strange.length, 0);
    assert.ok(counters.filtered > 0);
  });

  it("never samples itself", async () => {
    const { samples, counters } = await sampled({}, async () => {
      const end = performance.now() + 300;
      while (performance.now() < end);
    });
    assert.ok(counters.own > 100, `${counters.own} own`);
    assert.equal(samples.filter(({ pid }) => pid === process.pid).length, 0);
  });

  it("gives everything back", async () => {
    const once = (): void =>
      OnCpuSampler.start({ frequencyHz: 99, ringBytes: MIB, pids: [1] })[Symbol.dispose]();
    once();
    const fds = readdirSync("/proc/self/fd").length;
    for (let turn = 0; turn < 5; turn++) once();
    assert.equal(readdirSync("/proc/self/fd").length, fds);
    assert.ok(!readFileSync("/proc/self/maps", "utf8").includes("bpf-map"));
  });

  it("answers with nothing after disposal, and keeps its counters", () => {
    const sampler = OnCpuSampler.start({ frequencyHz: 99, ringBytes: MIB });
    sampler[Symbol.dispose]();
    sampler[Symbol.dispose]();
    assert.equal(
      sampler.drain(() => assert.fail("a sample")),
      0,
    );
    assertConserved(sampler.counters());
  });

  for (const { name, options, code } of [
    { name: "a frequency of 0", options: { frequencyHz: 0 }, code: "CONFIG_INVALID" },
    {
      name: "a frequency that is no number",
      options: { frequencyHz: NaN },
      code: "CONFIG_INVALID",
    },
    { name: "a ring of 4 GiB", options: { ringBytes: 2 ** 32 }, code: "CONFIG_INVALID" },
    { name: "an object that is missing", options: { objectPath: "/nowhere.o" }, code: "NOT_FOUND" },
  ] as const) {
    it(`refuses ${name}, and leaves nothing open`, () => {
      const fds = readdirSync("/proc/self/fd").length;
      assert.throws(
        () => OnCpuSampler.start({ frequencyHz: 99, ringBytes: MIB, ...options }),
        (error) => isCollectorError(error, code),
      );
      assert.equal(readdirSync("/proc/self/fd").length, fds);
    });
  }
});
