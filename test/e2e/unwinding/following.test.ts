import { describeUnwinding } from "../../support/describe-unwinding.ts";
import { requirement } from "../../support/requirements.ts";
import { unwindingLibrary, unwindingWays, waysCases } from "../../support/unwinding-programs.ts";

const skip = requirement("root", "bpf", "binutils");

// Alone, since it opens its library two seconds after it started, when the recording runs.
describeUnwinding("stacks of code that is loaded late", { skip, settleMs: 0, seconds: 4 }, () =>
  waysCases("dlopen", unwindingWays(), ["late"]).map((one) => ({
    ...one,
    command: [...one.command, unwindingLibrary()],
  })),
);

describeUnwinding("stacks of vfork's children", { skip, seconds: 4 }, () =>
  // A build of its own: its children are told by their executable.
  waysCases("vfork", unwindingWays(["-DVFORK"]), ["vfork"]).map((one) => ({
    ...one,
    hasChildren: true,
  })),
);
