import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describeUnwinding, recordCases } from "../../support/describe-unwinding.ts";
import { requirement } from "../../support/requirements.ts";
import { runCommand } from "../../support/run-command.ts";
import { assertComplete, assertStarts, type RunningCase } from "../../support/unwinding-case.ts";
import {
  busyJavaCase,
  busyNodeCases,
  busyPythonCases,
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
]);

describeUnwinding("stacks of node", { skip, settleMs: WARM_UP_MS }, () => [
  ...busyNodeCases(process.execPath, ["javascript", "json", "zlib", "crypto", "regexp", "sort"]),
  namedJavaScriptCase(process.execPath),
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

describe("stacks of a Java virtual machine without frame pointers", { skip: skipJava }, () => {
  it("are marked where its compiled code is in them, and never wrong", async () => {
    const one = busyJavaCase("string", []);
    const samples = (await recordCases([one], { settleMs: WARM_UP_MS })).get(one) ?? [];
    assertStarts(samples);
    assertComplete(samples, 0.05);
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
