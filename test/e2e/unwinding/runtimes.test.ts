import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { describeUnwinding, recordCases } from "../../support/describe-unwinding.ts";
import type { ProcessSample } from "../../support/process-stacks.ts";
import { requirement } from "../../support/requirements.ts";
import { runCommand } from "../../support/run-command.ts";
import {
  assertStarts,
  assertUnwound,
  type RunningCase,
  type UnwindingCase,
} from "../../support/unwinding-case.ts";
import {
  busyJavaCase,
  busyNodeCases,
  busyPythonCases,
  cgoCase,
  goroutinesCase,
  namedJavaScriptCase,
  pyenvPythons,
} from "../../support/unwinding-runtimes.ts";

/** Until the programs run the code that their compilers make of what runs often. */
const WARM_UP_MS = 1500;

const skip = requirement("root", "bpf", "binutils");

describeUnwinding("stacks of Go", { skip: requirement("root", "bpf", "binutils", "go") }, () => [
  goroutinesCase(),
  goroutinesCase(true),
  cgoCase(),
]);

describeUnwinding("stacks of node", { skip, settleMs: WARM_UP_MS }, () => [
  ...busyNodeCases(process.execPath, ["javascript", "json", "zlib", "crypto", "regexp", "sort"]),
  namedJavaScriptCase(process.execPath),
  ...busyNodeCases(process.execPath, ["javascript"], ["--jitless"]),
  ...busyNodeCases(process.execPath, ["javascript"], ["--interpreted-frames-native-stack"]),
]);

describeUnwinding(
  "stacks of another node",
  { skip: requirement("root", "bpf", "binutils", "node"), settleMs: WARM_UP_MS },
  () => [...busyNodeCases("node", ["json"]), namedJavaScriptCase("node")],
);

describeUnwinding(
  "stacks of the system's CPython",
  { skip: requirement("root", "bpf", "binutils", "python") },
  () => busyPythonCases("/usr/bin/python3", ["python", "json", "sort"]),
);

describeUnwinding(
  "stacks of other versions of CPython",
  { skip: requirement("root", "bpf", "binutils", "pyenv") },
  () => pyenvPythons().flatMap((python) => busyPythonCases(python, ["python"])),
);

const skipJava = requirement("root", "bpf", "binutils", "java");

describeUnwinding(
  "stacks of a Java virtual machine with frame pointers",
  { skip: skipJava, settleMs: WARM_UP_MS, afterwards: writePerfMaps },
  () =>
    ["java", "string", "collect"].map((way) => busyJavaCase(way, ["-XX:+PreserveFramePointer"])),
);

/**
 * The compilers of the virtual machine use the frame pointer for other things, so that a stack is
 * followed to its first frame of compiled code and no further. Of BusyJava that has warmed up 96.2
 * (collect) to 99.8 % (java) of the samples are marked so; what is whole are threads of the virtual
 * machine itself. Interpreted code has its frame pointers.
 */
describe("stacks of a Java virtual machine without frame pointers", { skip: skipJava }, () => {
  const compiled = busyJavaCase("string", []);
  const interpreted = busyJavaCase("string", ["-Xint"]);
  let samples: ReadonlyMap<UnwindingCase, readonly ProcessSample[]>;
  before(async () => {
    samples = await recordCases([compiled, interpreted], { settleMs: WARM_UP_MS });
  });

  it("are never wrong where they go through compiled code", () => {
    assertStarts(samples.get(compiled) ?? []);
  });

  it("are whole where all code is interpreted", () => {
    assertUnwound(interpreted, samples.get(interpreted) ?? []);
  });
});

/** Asks for the names of compiled code. */
async function writePerfMaps(running: readonly RunningCase[]): Promise<void> {
  for (const { unwindingCase, process } of running) {
    if (unwindingCase.nameOf === undefined) continue;
    const { code, stderr } = await runCommand("jcmd", [String(process.pid), "Compiler.perfmap"]);
    assert.equal(code, 0, stderr);
  }
}
