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
});
