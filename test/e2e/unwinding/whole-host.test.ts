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

/** Long enough for the tables of all that a busy machine runs, which come in some order. */
const SECONDS = 10;

describeUnwinding("stacks of a whole host", { skip, isWholeHost: true, seconds: SECONDS }, () => [
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
]);
