import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DRAIN_BUSY_MS, DRAIN_QUIET_MS, DrainPace } from "./drain-pace.ts";

const quiet = { hasProcessNews: false, ringShare: 0.01 };

describe("DrainPace", () => {
  it("slows down while no process comes or goes, and is fast again when one does", () => {
    const pace = new DrainPace();
    const waits = Array.from({ length: 4 }, () => pace.next(quiet));
    assert.deepEqual(waits, [200, 400, DRAIN_QUIET_MS, DRAIN_QUIET_MS]);
    assert.equal(pace.next({ ...quiet, hasProcessNews: true }), DRAIN_BUSY_MS);
  });

  it("drains a ring before it is a quarter full", () => {
    const pace = new DrainPace();
    assert.equal(pace.next({ ...quiet, ringShare: 0.5 }), DRAIN_BUSY_MS / 2);
    assert.equal(pace.next({ ...quiet, ringShare: 0.25 }), DRAIN_BUSY_MS / 2);
    assert.equal(pace.next({ ...quiet, ringShare: 0.125 }), DRAIN_BUSY_MS);
  });

  it("does not drain without a pause, however full the ring is", () => {
    const pace = new DrainPace();
    for (let drain = 0; drain < 10; drain++) pace.next({ ...quiet, ringShare: 1 });
    assert.equal(pace.next({ ...quiet, ringShare: 1 }), 20);
    assert.equal(pace.next(quiet), 40);
  });

  it("takes an empty ring for one that has room", () => {
    const pace = new DrainPace();
    assert.equal(pace.next({ hasProcessNews: false, ringShare: 0 }), 2 * DRAIN_BUSY_MS);
  });
});
