import { describeUnwinding } from "../../support/describe-unwinding.ts";
import { requirement } from "../../support/requirements.ts";
import {
  exceptionsCase,
  lazilyLinked,
  strippedWays,
  unwindingWays,
  waysCases,
} from "../../support/unwinding-programs.ts";
import { busyNodeCases, busyPythonCases } from "../../support/unwinding-runtimes.ts";

const skip = requirement("root", "bpf", "binutils", "python");

/** On a machine that is busy with other things as well. */
const TABLES_WITHIN_SECONDS = 4;

describeUnwinding(
  "stacks of a whole host",
  { skip, wholeHostAfterSeconds: TABLES_WITHIN_SECONDS, seconds: TABLES_WITHIN_SECONDS + 3 },
  () => [
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
  ],
);
