import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { recordCases } from "../../support/describe-unwinding.ts";
import type { ProcessSample } from "../../support/process-stacks.ts";
import { requirement } from "../../support/requirements.ts";
import { assertUnwound, sampleCount, type UnwindingCase } from "../../support/unwinding-case.ts";
import {
  exceptionsCase,
  lazilyLinked,
  strippedWays,
  unwindingWays,
  waysCases,
} from "../../support/unwinding-programs.ts";
import { busyNodeCases, busyPythonCases } from "../../support/unwinding-runtimes.ts";

/** Long enough that what is sampled before the tables are there weighs little. */
const SECONDS = 8;
/** Before its tables are there, a process is walked by what its registers say. */
const NOT_LOADED = "incomplete: tables not loaded";
/** Of a case's samples; its first one asks for the tables. */
const NOT_LOADED_SHARE_MAX = 0.2;

const skip = requirement("root", "bpf", "binutils", "python");

describe("stacks of a whole host", { skip }, () => {
  const cases = [
    ...waysCases("gcc -O2", unwindingWays(lazilyLinked()), [
      "recursion_40",
      "over_aligned",
      "plt",
      "signal_on_other_stack",
      "vdso",
      "thread",
    ]),
    ...strippedWays(["sort"]),
    exceptionsCase(),
    ...busyNodeCases(process.execPath, ["json"]),
    ...busyPythonCases("/usr/bin/python3", ["python"]),
  ];
  let samples: ReadonlyMap<UnwindingCase, readonly ProcessSample[]>;
  before(async () => {
    samples = await recordCases(cases, { isWholeHost: true, seconds: SECONDS });
  });

  for (const unwindingCase of cases) {
    it(unwindingCase.name.trim(), () => {
      const all = samples.get(unwindingCase) ?? [];
      const loaded = all.filter(({ code }) => code !== NOT_LOADED);
      const before = sampleCount(all) - sampleCount(loaded);
      assert.ok(
        before <= sampleCount(all) * NOT_LOADED_SHARE_MAX,
        `${before} of ${sampleCount(all)}`,
      );
      assertUnwound(unwindingCase, loaded);
    });
  }
});
