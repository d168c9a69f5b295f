import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { recordCases } from "../../support/describe-unwinding.ts";
import type { ProcessSample } from "../../support/process-stacks.ts";
import { requirement } from "../../support/requirements.ts";
import { assertUnwound, type UnwindingCase } from "../../support/unwinding-case.ts";
import { unwindingWays, waysCases } from "../../support/unwinding-programs.ts";

/** Frames that are walked at the least. */
const DEPTH_MIN = 500;
/** Of the samples that are truncated: the rest are taken while the recursion goes down or up. */
const TRUNCATED_SHARE = 0.95;

describe("deep stacks", { skip: requirement("root", "bpf", "binutils") }, () => {
  const cases = waysCases("gcc -O2", unwindingWays(), ["recursion_400", "recursion_1000"]);
  const [whole, deep] = cases as [UnwindingCase, UnwindingCase];
  let samples: ReadonlyMap<UnwindingCase, readonly ProcessSample[]>;
  before(async () => {
    samples = await recordCases(cases, {});
  });

  it("are whole with a recursion of 400", () => {
    assertUnwound(whole, samples.get(whole) ?? []);
  });

  it("are marked as truncated with a recursion of 1,000, under one root", () => {
    const all = samples.get(deep) ?? [];
    const truncated = all.filter(({ code }) => code === "truncated");
    const share = count(truncated) / count(all);
    assert.ok(share >= TRUNCATED_SHARE, `${share} truncated`);
    for (const { frames } of truncated) assert.ok(frames.length >= DEPTH_MIN, `${frames.length}`);
    // The marker is the only outermost frame: processSamples took it off each of them.
    const others = all.filter(({ code }) => code !== "truncated" && code !== "complete");
    assert.deepEqual(
      others.map(({ code }) => code),
      [],
    );
  });
});

function count(samples: readonly ProcessSample[]): number {
  return samples.reduce((sum, sample) => sum + sample.count, 0);
}
