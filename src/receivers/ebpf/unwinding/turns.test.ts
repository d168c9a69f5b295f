import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { FakeClock } from "./testing/fakes.ts";
import { TURN_MS, Turns } from "./turns.ts";

describe("Turns", () => {
  it("does at once what fits into a turn", () => {
    const turns = new Turns(new FakeClock());
    const done: number[] = [];
    for (let n = 0; n < 100; n++) turns.run(() => done.push(n));
    assert.equal(done.length, 100);
  });

  it("leaves the rest to later turns, in order", async () => {
    const clock = new FakeClock();
    const turns = new Turns(clock);
    const done: number[] = [];
    for (let n = 0; n < 10; n++) {
      turns.run(() => {
        clock.advance(TURN_MS / 2);
        done.push(n);
      });
    }
    assert.deepEqual(done, [0, 1]);
    const perTurn: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      await nextTurn();
      perTurn.push(done.length);
    }
    assert.equal(done.length, 10);
    assert.ok(perTurn.every((count, turn) => count - (perTurn[turn - 1] ?? 2) <= 2));
    assert.deepEqual(done, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("passes on what the work gives, or fails with", async () => {
    const turns = new Turns(new FakeClock());
    assert.equal(await turns.start(async () => 1), 1);
    const failing = turns.start(async () => {
      throw new Error("failed");
    });
    await assert.rejects(failing, /failed/);
  });
});
