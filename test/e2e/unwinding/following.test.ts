import { before, describe, it } from "node:test";
import { describeUnwinding, recordCases } from "../../support/describe-unwinding.ts";
import type { ProcessSample } from "../../support/process-stacks.ts";
import { requirement } from "../../support/requirements.ts";
import { assertNeverWrong, type UnwindingCase } from "../../support/unwinding-case.ts";
import { unwindingLibrary, unwindingWays, waysCases } from "../../support/unwinding-programs.ts";

const skip = requirement("root", "bpf", "binutils");

/** A way of unwinding_ways.c with the files that it needs. */
function caseWith(program: string, way: string, ...files: string[]): UnwindingCase {
  const [one] = waysCases("following", program, [way]) as [UnwindingCase];
  return { ...one, command: [...one.command, ...files] };
}

// Of 8 seconds some 30 ms go by until the library's table is there.
describeUnwinding("stacks of code that is loaded late", { skip, tells: true, seconds: 8 }, () => [
  caseWith(unwindingWays(), "late", unwindingLibrary()),
]);

describeUnwinding("stacks of vfork's children", { skip, seconds: 4 }, () => [
  // A build of its own: its children are told by their executable.
  { ...caseWith(unwindingWays(["-DVFORK"]), "vfork"), hasChildren: true },
]);

/** Until the kernel's tables follow, what is at an address is taken for what was there before. */
const STALE_SHARE_MAX = 0.05;

describe("stacks of code that took another's place", { skip }, () => {
  // Without the randomness of -pie, the second program's code is where the first one's was.
  const next = unwindingWays(["-no-pie", "-O0"]);
  const cases = [
    caseWith(unwindingWays(["-no-pie"]), "exec", next),
    caseWith(unwindingWays(), "reload", unwindingLibrary(), unwindingLibrary(["-O0"])),
  ];
  let samples: ReadonlyMap<UnwindingCase, readonly ProcessSample[]>;
  before(async () => {
    samples = await recordCases(cases, { tells: true, seconds: 5 });
  });

  for (const unwindingCase of cases) {
    it(`${unwindingCase.name} are not walked by the tables of what was there before`, () => {
      assertNeverWrong(unwindingCase, samples.get(unwindingCase) ?? [], STALE_SHARE_MAX);
    });
  }
});
