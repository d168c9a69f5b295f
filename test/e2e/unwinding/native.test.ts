import { describeUnwinding } from "../../support/describe-unwinding.ts";
import { requirement } from "../../support/requirements.ts";
import {
  dynCallsCase,
  exceptionsCase,
  lazilyLinked,
  strippedWays,
  unwindingWays,
  waysCases,
} from "../../support/unwinding-programs.ts";

const skip = requirement("root", "bpf", "binutils");

describeUnwinding("stacks of C without frame pointers", { skip }, () =>
  waysCases("gcc -O2", unwindingWays(lazilyLinked())),
);

describeUnwinding("stacks of C as others build it", { skip }, () => [
  ...waysCases("gcc -O3 -static", unwindingWays(["-O3", "-static"]), [
    "sort",
    "signal_handler",
    "thread",
    "vdso",
  ]),
  ...waysCases(
    "gcc -Os with branch tracking",
    unwindingWays([...lazilyLinked(), "-Os", "-fcf-protection", "-Wl,-z,ibtplt"]),
    ["plt", "over_aligned"],
  ),
  ...waysCases("gcc, an .eh_frame without its table", unwindingWays(["-Wl,--no-eh-frame-hdr"]), [
    "recursion_40",
    "sort",
  ]),
  ...waysCases("gcc, .debug_frame", unwindingWays(["-fno-asynchronous-unwind-tables"]), [
    "alloca",
    "aligned_alloca",
  ]),
]);

describeUnwinding(
  "stacks of C by clang and lld",
  { skip: requirement("root", "bpf", "binutils", "clang", "lld") },
  () =>
    waysCases("clang -O3", unwindingWays([...lazilyLinked(), "-O3", "-fuse-ld=lld"], "clang"), [
      "recursion_40",
      "over_aligned",
      "aligned_alloca",
      "plt",
      "sort",
    ]),
);

describeUnwinding("stacks of stripped C", { skip }, () => [
  ...strippedWays(["recursion_40", "sort", "signal_handler", "thread"]),
]);

describeUnwinding(
  "stacks of C with musl",
  { skip: requirement("root", "bpf", "binutils", "musl") },
  () =>
    [[], ["-static"]].flatMap((flags) =>
      waysCases(`musl-gcc ${flags.join(" ")}`, unwindingWays(flags, "musl-gcc"), [
        "recursion_40",
        "sort",
        "signal_handler",
        "thread",
        "vdso",
      ]),
    ),
);

describeUnwinding("stacks of C++ without frame pointers", { skip }, () => [
  exceptionsCase(),
  exceptionsCase(["-static"]),
]);

describeUnwinding(
  "stacks of a Rust release",
  { skip: requirement("root", "bpf", "binutils", "rust") },
  () => [
    dynCallsCase("main"),
    dynCallsCase("thread"),
    dynCallsCase("main", ["-Cpanic=unwind", "-Clto=fat"]),
  ],
);
