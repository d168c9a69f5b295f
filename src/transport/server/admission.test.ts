import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Admission } from "./admission.ts";

describe("Admission", () => {
  it("refuses one request more than there is room for, and one byte more [S2]", () => {
    const admission = new Admission({ requestsMax: 2, bytesMax: 10 });
    const first = admission.enter(4);
    first.hold(6);
    assert.throws(() => first.hold(1), /requests hold 10 of 10 bytes/);
    assert.throws(() => admission.enter(1), /requests hold/);
    const second = admission.enter();
    assert.throws(() => admission.enter(), /2 requests are being worked on/);
    first.release();
    first.release();
    first.hold(100);
    second.hold(10);
    assert.deepEqual([admission.requests, admission.bytes], [1, 10]);
    second.release();
    assert.deepEqual([admission.requests, admission.bytes], [0, 0]);
  });

  it("lets nobody in when it is closed, and says when all have left", async () => {
    const admission = new Admission({ requestsMax: 2, bytesMax: 10 });
    const admitted = admission.enter(1);
    admission.close();
    assert.throws(() => admission.enter(), /is ending/);
    let isDrained = false;
    const drained = admission.drained(5000).then(() => {
      isDrained = true;
    });
    assert.equal(isDrained, false);
    admitted.release();
    await drained;
  });

  it("waits no longer than it may", async () => {
    const admission = new Admission({ requestsMax: 2, bytesMax: 10 });
    admission.enter();
    await admission.drained(20);
    assert.equal(admission.requests, 1);
  });
});
