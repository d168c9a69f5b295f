import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Governor } from "./governor.ts";

/** A program whose cost is a fixed part and a part for each Hz, in percent of one CPU. */
class Program {
  fixedPercent = 0;
  percentPerHz = 0.1;
  hz: number;
  #seconds = 0;
  #cpuSeconds = 0;
  readonly #governor: Governor;

  constructor(configuredHz: number, limitPercent = 3) {
    this.hz = configuredHz;
    const cpuSeconds = (): number => this.#cpuSeconds;
    this.#governor = new Governor({ limitPercent, configuredHz, cpuSeconds });
  }

  get percent(): number {
    return this.fixedPercent + this.percentPerHz * this.hz;
  }

  /** Runs and asks the governor once a second; how often the frequency changed. */
  run(seconds: number): number {
    let changes = 0;
    for (let second = 0; second < seconds; second++) {
      this.#seconds++;
      this.#cpuSeconds += this.percent / 100;
      const adjustment = this.#governor.adjust(BigInt(this.#seconds) * 1_000_000_000n);
      if (adjustment === undefined) continue;
      changes++;
      this.hz = adjustment.frequencyHz;
    }
    return changes;
  }
}

describe("Governor", () => {
  it("leaves a program alone that costs less than the limit", () => {
    const program = new Program(99);
    program.percentPerHz = 0.02;
    assert.equal(program.run(600), 0);
    assert.equal(program.hz, 99);
  });

  it("lowers the frequency after a minute above the limit, not before", () => {
    const program = new Program(99);
    assert.equal(program.run(59), 0);
    assert.equal(program.run(2), 1);
    assert.ok(program.percent <= 3);
  });

  it("comes back by itself when there is room", () => {
    const program = new Program(99);
    program.run(61);
    assert.ok(program.hz < 30);
    program.percentPerHz = 0.01;
    program.run(300);
    assert.equal(program.hz, 99);
  });

  it("settles where the cost is near the limit, and does not swing", () => {
    const program = new Program(99);
    program.run(600);
    const { hz } = program;
    assert.equal(program.run(600), 0);
    assert.equal(program.hz, hz);
    assert.ok(program.percent > 2 && program.percent <= 3);
  });

  for (const fixedPercent of [1.9, 2.1, 2.5]) {
    it(`comes back when samples become cheap, beside a fixed cost of ${fixedPercent} %`, () => {
      const program = new Program(99);
      program.fixedPercent = fixedPercent;
      program.percentPerHz = 0.02;
      program.run(1200);
      assert.ok(program.hz < 99);
      program.percentPerHz = 0.002;
      program.run(4 * 3600);
      assert.equal(program.hz, 99);
    });
  }

  it("tries less and less often what was too much each time", () => {
    const program = new Program(99);
    program.fixedPercent = 2;
    program.percentPerHz = 0.02;
    program.run(3600);
    const changes = program.run(3600);
    assert.ok(changes <= 12, `${changes} changes in an hour`);
    assert.ok(program.percent <= 3.2);
  });

  it("goes no lower than 1 Hz when the cost is not the samples'", () => {
    const program = new Program(99);
    program.fixedPercent = 50;
    program.run(3000);
    assert.equal(program.hz, 1);
  });

  it("is off with a limit of 0", () => {
    const program = new Program(99, 0);
    assert.equal(program.run(600), 0);
  });
});
