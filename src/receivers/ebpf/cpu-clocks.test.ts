import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CpuClock, CpuClocks } from "./cpu-clocks.ts";

/** CPUs of which a test says when they are there, and what is done to them. */
class FakeCpus {
  readonly log: string[] = [];
  readonly offline = new Set<number>();
  readonly dead = new Set<number>();

  open(cpu: number): CpuClock | "offline" {
    if (this.offline.has(cpu)) return "offline";
    this.log.push(`open ${cpu}`);
    this.dead.delete(cpu);
    return {
      enable: () => this.log.push(`enable ${cpu}`),
      disable: () => this.log.push(`disable ${cpu}`),
      isAlive: () => !this.dead.has(cpu),
      [Symbol.dispose]: () => this.log.push(`close ${cpu}`),
    };
  }
}

function clocksOf(cpus: FakeCpus): CpuClocks {
  return new CpuClocks((cpu) => cpus.open(cpu));
}

describe("CpuClocks", () => {
  it("opens what is online and closes it at the end", () => {
    const cpus = new FakeCpus();
    {
      using clocks = clocksOf(cpus);
      clocks.follow([0, 2]);
      clocks.follow([0, 2]);
      assert.deepEqual(clocks.cpus, [0, 2]);
    }
    assert.deepEqual(cpus.log, ["open 0", "open 2", "close 0", "close 2"]);
  });

  it("follows CPUs that go and come", () => {
    const cpus = new FakeCpus();
    using clocks = clocksOf(cpus);
    clocks.follow([0, 1]);
    clocks.follow([0]);
    clocks.follow([0, 1]);
    assert.deepEqual(cpus.log, ["open 0", "open 1", "close 1", "open 1"]);
  });

  it("opens a clock again whose CPU was away between two looks", () => {
    const cpus = new FakeCpus();
    using clocks = clocksOf(cpus);
    clocks.follow([0, 1]);
    cpus.dead.add(1);
    clocks.follow([0, 1]);
    assert.deepEqual(cpus.log, ["open 0", "open 1", "close 1", "open 1"]);
  });

  it("tries a CPU again that went away while its clock was opened", () => {
    const cpus = new FakeCpus();
    using clocks = clocksOf(cpus);
    cpus.offline.add(1);
    clocks.follow([0, 1]);
    assert.deepEqual(clocks.cpus, [0]);
    cpus.offline.clear();
    clocks.follow([0, 1]);
    assert.deepEqual(clocks.cpus, [0, 1]);
  });

  it("lets nothing tick during a pause", () => {
    const cpus = new FakeCpus();
    using clocks = clocksOf(cpus);
    clocks.follow([0]);
    clocks.pause();
    clocks.follow([0, 1]);
    clocks.resume();
    clocks.follow([0, 1]);
    assert.deepEqual(cpus.log, ["open 0", "disable 0", "enable 0", "open 1"]);
  });
});
