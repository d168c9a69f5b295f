import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Gate } from "./gate.ts";

describe("Gate", () => {
  it("lets as many through as it has places, and then who waits longest", async () => {
    const gate = new Gate(2);
    const order: number[] = [];
    const leave = [await gate.enter(1000), await gate.enter(1000)];
    const waiting = [1, 2].map(async (number) => {
      const end = await gate.enter(1000);
      order.push(number);
      end();
    });
    assert.deepEqual(order, []);
    for (const end of leave) end();
    await Promise.all(waiting);
    assert.deepEqual(order, [1, 2]);
  });

  it("gives up after the time, and gives the place to nobody who is gone", async () => {
    const gate = new Gate(1);
    const end = await gate.enter(1000);
    // The waiting itself keeps no process alive.
    const alive = setTimeout(() => {}, 1000);
    await assert.rejects(gate.enter(10), /no room within 10 ms/);
    end();
    (await gate.enter(10))();
    clearTimeout(alive);
  });

  it("forgets at once who is gone", async () => {
    const gate = new Gate(1);
    const end = await gate.enter(1000);
    const gone = Array.from({ length: 1000 }, () => new AbortController());
    const waiting = gone.map(({ signal }) => gate.enter(60_000, signal));
    assert.equal(gate.waiting, 1000);
    for (const one of gone) one.abort();
    const results = await Promise.allSettled(waiting);
    assert.ok(results.every(({ status }) => status === "rejected"));
    await assert.rejects(gate.enter(60_000, AbortSignal.abort()), /nobody waits/);
    assert.equal(gate.waiting, 0);
    end();
    (await gate.enter(10))();
  });
});
