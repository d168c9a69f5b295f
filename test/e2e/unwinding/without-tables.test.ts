import { before, describe, it } from "node:test";
import { recordCases } from "../../support/describe-unwinding.ts";
import type { ProcessSample } from "../../support/process-stacks.ts";
import { requirement } from "../../support/requirements.ts";
import { assertNeverWrong, type UnwindingCase } from "../../support/unwinding-case.ts";
import { lazilyLinked, unwindingWays, waysCases } from "../../support/unwinding-programs.ts";

/** No call frame information of any kind. */
const NO_TABLES = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-g0"];

describe("stacks that no table describes", { skip: requirement("root", "bpf", "binutils") }, () => {
  const cases: readonly UnwindingCase[] = [
    ...waysCases("gcc without tables", unwindingWays([...lazilyLinked(), ...NO_TABLES]), [
      "recursion_40",
      "pushes",
      "bare_pushes",
      "over_aligned",
      "alloca",
      "aligned_alloca",
      "sort",
      "signal_handler",
      "thread",
      "plt",
    ]),
    // Every call is looked up anew, in code that aligns its stack and keeps where its frame is in a
    // register that the functions below it have put away.
    {
      name: "calls that are bound again and again",
      command: [unwindingWays(lazilyLinked()), "plt", "60"],
      env: { LD_BIND_NOT: "1" },
      chains: [{ frames: ["calls_through_plt", "plt", "main"], share: 0.5 }],
    },
  ];
  let samples: ReadonlyMap<UnwindingCase, readonly ProcessSample[]>;
  before(async () => {
    samples = await recordCases(cases, {});
  });

  for (const unwindingCase of cases) {
    it(`${unwindingCase.name} are marked where they are not whole, and never wrong`, () => {
      assertNeverWrong(unwindingCase, samples.get(unwindingCase) ?? []);
    });
  }
});
