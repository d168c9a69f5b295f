import { readFileSync } from "node:fs";
import { readElf } from "../../src/symbols/elf/elf-file.ts";
import { bytesAccess } from "../../src/symbols/elf/random-access.ts";
import { findFunctions } from "../../src/symbols/elf/symbol-table.ts";
import { buildProgram } from "./build-program.ts";
import type { CallChain, FramePattern, UnwindingCase } from "./unwinding-case.ts";

/** The programs of test/programs that are hard to unwind, with what is known of their stacks. */

/** No frame pointers, and no call that became a jump, which would leave the chain. */
export const NO_FRAME_POINTERS: readonly string[] = [
  "-fomit-frame-pointer",
  "-fno-optimize-sibling-calls",
];

const SECONDS = "60";

const times = (count: number, frame: FramePattern): FramePattern[] => Array(count).fill(frame);

/** By the way of unwinding_ways.c. */
const waysChains: Readonly<Record<string, readonly CallChain[]>> = {
  recursion_40: [{ frames: ["spin", ...times(40, "descend"), "recursion_40", "main"], share: 0.9 }],
  pushes: [{ frames: ["pushing_leaf", "calls_pushing", "pushes", "main"], share: 0.9 }],
  bare_pushes: [
    { frames: ["bare_pushing_leaf", "calls_bare_pushing", "bare_pushes", "main"], share: 0.9 },
  ],
  over_aligned: [{ frames: ["spin", ...times(3, "aligned"), "over_aligned", "main"], share: 0.9 }],
  alloca: [{ frames: ["spin", ...times(5, "dynamic"), "alloca_frames", "main"], share: 0.9 }],
  large_frame: [{ frames: ["spin", "large", "large_frame", "main"], share: 0.9 }],
  aligned_alloca: [
    { frames: ["spin", ...times(5, "aligned_dynamic"), "aligned_alloca", "main"], share: 0.9 },
  ],
  plt: [{ frames: ["calls_through_plt", "plt", "main"], share: 0.99 }],
  sort: [
    { frames: ["spin", "compare_work", "compare"], share: 0.9 },
    { frames: ["sorts", "sort", "main"], share: 0.9 },
  ],
  signal_handler: handlerChains("signal_handler"),
  signal_in_pushes: [
    {
      frames: ["on_signal", null, "pushing_leaf", "calls_pushing", "with_signals"],
      share: 0.1,
    },
    { frames: ["pushing_leaf", "calls_pushing", "with_signals", "signal_in_pushes"], share: 0.9 },
  ],
  signal_on_other_stack: handlerChains("signal_on_other_stack"),
  vdso: [{ frames: ["asks_clock", "vdso", "main"], share: 0.99 }],
  system_calls: [{ frames: ["reads_zeros", "system_calls", "main"], share: 0.95 }],
  thread: [{ frames: ["spin", ...times(3, "descend"), "thread_work", "in_thread"], share: 0.9 }],
  coroutine: [
    // Any frame: what started the coroutine.
    { frames: ["thread_work", "in_coroutine", null], share: 0.3 },
    { frames: ["coroutine", "main"], share: 0.3 },
  ],
  cloned_thread: [
    { frames: ["spin", ...times(3, "descend"), "thread_work", "in_clone"], share: 0.9 },
  ],
};

/** Ways that are not among the usual ones, since each needs something of its own. */
const otherChains: Readonly<Record<string, readonly CallChain[]>> = {
  recursion_400: [
    { frames: ["spin", ...times(400, "descend"), "recursion_400", "main"], share: 0.9 },
  ],
  late: [
    { frames: ["late_leaf", ...times(5, "late_inner"), "late_outer", "work_in"], share: 0.2 },
    { frames: ["spin", ...times(3, "descend"), "until_told", "late", "main"], share: 0.05 },
  ],
  reload: [
    {
      frames: ["late_leaf", ...times(5, "late_inner"), "late_outer", "work_in", "reload"],
      share: 0.9,
    },
  ],
  exec: [
    { frames: [...times(3, "descend"), "until_told", "exec", "main"], share: 0.02 },
    { frames: ["compare_work", "compare"], share: 0.5 },
    { frames: ["sorts", "sort", "main"], share: 0.5 },
  ],
  vfork: [
    { frames: ["child_work", "vforks", "vfork_children", "main"], share: 0.3 },
    { frames: ["parent_work", "vforks", "vfork_children", "main"], share: 0.3 },
  ],
};

function handlerChains(way: string): CallChain[] {
  return [
    // The frame between is the one that the kernel makes.
    { frames: ["handler_work", "on_signal", null, "spin", "interrupted"], share: 0.1 },
    { frames: ["interrupted", "with_signals", way, "main"], share: 0.9 },
  ];
}

/** The library that unwinding_ways.c calls through its procedure linkage table, or opens. */
export function unwindingLibrary(flags: readonly string[] = []): string {
  return buildProgram("unwinding_library.c", [...NO_FRAME_POINTERS, "-shared", "-fPIC", ...flags]);
}

/** unwinding_ways.c, whose calls of the library are bound when they are first made. */
export function unwindingWays(flags: readonly string[] = [], compiler?: string): string {
  return buildProgram("unwinding_ways.c", [...NO_FRAME_POINTERS, ...flags], compiler);
}

/** The flags for a program whose calls of the library go through a lazily bound table. */
export function lazilyLinked(): string[] {
  return ["-Wl,-z,lazy", "-Wl,--no-as-needed", unwindingLibrary()];
}

/** Cases of unwinding_ways.c without symbols, which the program before it was stripped names. */
export function strippedWays(ways: readonly string[]): UnwindingCase[] {
  const named = unwindingWays();
  const stripped = unwindingWays(["-s"]);
  const nameOf = functionNamer(named);
  return waysCases("gcc -O2 -s", stripped, ways).map((one) => ({
    ...one,
    nameOf: (frame) => (frame.path === stripped ? nameOf(frame.address) : frame.name),
  }));
}

/** Names addresses of a file by its own symbol table. */
export function functionNamer(path: string): (address: bigint) => string {
  const elf = readElf(bytesAccess(readFileSync(path), path));
  return (address) => findFunctions(elf, [address])[0]?.symbol?.name ?? "";
}

/** Cases of one build of unwinding_ways.c. */
export function waysCases(
  build: string,
  program: string,
  ways: readonly string[] = Object.keys(waysChains),
): UnwindingCase[] {
  return ways.map((way) => ({
    name: `${build}: ${way}`,
    command: [program, way, SECONDS],
    chains: waysChains[way] ?? otherChains[way] ?? [],
  }));
}

/** exceptions.cpp at -O3. */
export function exceptionsCase(flags: readonly string[] = []): UnwindingCase {
  const served = ["shop::Express::handle(shop::Order const&, unsigned long)", /^shop::serve\(/];
  return {
    name: `exceptions.cpp ${flags.join(" ")}`,
    command: [buildProgram("exceptions.cpp", ["-O3", ...NO_FRAME_POINTERS, ...flags]), SECONDS],
    chains: [
      {
        frames: [
          "shop::tax(unsigned long)",
          "shop::Order::price(unsigned long) const",
          ...served,
          "main",
        ],
        share: 0.1,
      },
      {
        frames: [
          "__cxa_throw",
          /^shop::refuse\(/,
          ...times(10, "shop::refuse(unsigned long)"),
          ...served,
          "main",
        ],
        share: 0.1,
      },
    ],
  };
}

const RUST_FLAGS = ["-Copt-level=3", "-Cforce-frame-pointers=no", "-Cdebuginfo=0"];

/** dyn_calls.rs as a release, with the work on its main thread or on another. */
export function dynCallsCase(
  thread: "main" | "thread",
  flags: readonly string[] = [],
): UnwindingCase {
  const served = [
    /<dyn_calls::shop::Express as dyn_calls::shop::Handler>::handle/,
    /^dyn_calls::shop::serve/,
    /^dyn_calls::busy_until/,
  ];
  return {
    name: `dyn_calls.rs ${thread} ${flags.join(" ")}`,
    command: [buildProgram("dyn_calls.rs", [...RUST_FLAGS, ...flags]), thread, SECONDS],
    chains: [
      { frames: [/^dyn_calls::shop::tax/, /^dyn_calls::shop::price/, ...served], share: 0.3 },
      {
        frames: ["core::panicking::panic_fmt", ...times(11, /^dyn_calls::shop::refuse/), ...served],
        share: 0.02,
      },
    ],
  };
}
