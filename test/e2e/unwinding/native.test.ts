import { describeUnwinding } from "../../support/describe-unwinding.ts";
import { requirement } from "../../support/requirements.ts";
import {
  dynCallsCase,
  exceptionsCase,
  unwindingLibrary,
  unwindingWays,
  waysCases,
} from "../../support/unwinding-programs.ts";

const skip = requirement("root", "bpf", "binutils");

const lazily = (): string[] => ["-Wl,-z,lazy", "-Wl,--no-as-needed", unwindingLibrary()];

describeUnwinding("stacks of C without frame pointers", { skip }, () =>
  waysCases("gcc -O2", unwindingWays(lazily())),
);

describeUnwinding("stacks of C++ without frame pointers", { skip }, () => [
  exceptionsCase(),
  exceptionsCase(["-static"]),
]);

describeUnwinding(
  "stacks of a Rust release",
  { skip: requirement("root", "bpf", "binutils", "rust") },
  () => [dynCallsCase("main"), dynCallsCase("thread")],
);
