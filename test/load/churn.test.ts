import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { requirement } from "../support/requirements.ts";
import { type SoakRun, soak } from "./soak.ts";
import { barsOf } from "./verdict.ts";

const CHURN_MS = 40_000;
const FAULT_MS = 7000;
const REST_MS = 3000;

describe("the agent under churn", { skip: requirement("root", "bpf") }, () => {
  it("ends well, counts every sample, and leaves nothing open", async () => {
    const run = await soak({ churnMs: CHURN_MS, faultMs: FAULT_MS, restMs: REST_MS });
    const notMet = barsOf(run).filter(({ isMet }) => !isMet);
    assert.deepEqual(notMet, []);
    assertThatItWasHard(run);
  });
});

/** A run without faults or new programs would show nothing. */
function assertThatItWasHard(run: SoakRun): void {
  assert.ok(run.newFiles > 50, `${run.newFiles} new programs`);
  assert.ok(run.samples.taken > 1000, `${run.samples.taken} samples`);
  assert.ok(run.files.written > 30, `${run.files.written} files`);
  for (const name of ["pyroscope", "otlp_http", "otlp_grpc"] as const) {
    const { sent, sendFailed } = run.exporters.get(name) ?? { sent: 0, sendFailed: 0 };
    assert.ok(sent > 0 && sendFailed > 0, `${name}: ${sent} sent, ${sendFailed} failed`);
    assert.ok(run.received[name].valueByWindow.size > 0);
  }
}
