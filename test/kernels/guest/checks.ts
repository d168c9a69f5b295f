/**
 * What must hold on every supported kernel. Runs as root in a guest that is thrown away: its last
 * check locks the kernel down.
 *
 *     node --test --test-isolation=none checks.ts
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, describe, it } from "node:test";
import type { DoctorReport } from "../../../src/cli/doctor-report.ts";
import { BpfObject, bpfObjectPath } from "../../../src/linux/bpf.ts";
import { decodePprof } from "../../../src/profiles/pprof/decode.ts";
import { resolvedSamples } from "../../../src/profiles/resolved.ts";
import { FILE_LIMITS } from "../../../src/support/limits.ts";
import { CollectingSink, runReceiver } from "../../support/receiver-run.ts";
import { runCommand, runObsforge, startCommand } from "../../support/run-command.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

/** Of the samples of a program, those whose stack has its whole known chain. */
const WHOLE_SHARE_MIN = 0.99;
const DEPTH = 40;
const CPU_SECONDS = 3;
/** Of a recording; far more are taken. */
const SAMPLES_MIN = 300;
/** Software emulation makes a start of obsforge take seconds. */
const PATIENCE_MS = 120_000;
/** A page holds some twenty records: far less than a CPU gives between two drains. */
const TINY_RING_BYTES = 4096;

const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());

const objectFolder = dirname(bpfObjectPath("any"));

describe("the kernel takes", () => {
  for (const name of readdirSync(objectFolder).filter((file) => file.endsWith(".bpf.o"))) {
    it(`every program and map of ${name}`, () => {
      using object = BpfObject.load(join(objectFolder, name));
      assert.ok(object.mapBytes() >= 0);
    });
  }
});

describe("obsforge doctor", () => {
  it("finds nothing missing", async () => {
    const { code, report } = await doctor();
    assert.deepEqual(
      report.checks.filter(({ ok }) => !ok),
      [],
    );
    assert.deepEqual(
      report.can_run.filter(({ ok }) => !ok),
      [],
    );
    assert.equal(code, 0);
  });
});

async function doctor(): Promise<{ code: number | null; report: DoctorReport }> {
  const { code, stdout, stderr } = await runObsforge(["doctor", "--json"], patient);
  assert.equal(stderr, "");
  return { code, report: JSON.parse(stdout) as DoctorReport };
}

const patient = { timeoutMs: PATIENCE_MS };

describe("a program with frame pointers", () => {
  it("has its whole chain before tables are loaded and after (record -- CMD)", async () => {
    const output = folder.file("with.pb.gz");
    const words = ["/programs/calls", String(DEPTH), String(CPU_SECONDS), "compute"];
    const { code, stderr } = await runObsforge([...recordTo(output), "--", ...words], patient);
    assert.equal(code, 0, stderr);
    // Its leaf has no frame while it computes, so that a walk by frame pointers leaves one out.
    const depths = [DEPTH - 1, DEPTH];
    const expected = { leaves: ["compute"], depths, summary: stderr };
    assertWhole(output, { ...expected, withoutTables: "whole too" });
  });
});

describe("a program without frame pointers", () => {
  const expected = { leaves: ["compute", "ask_kernel", "ask_clock"], depths: [DEPTH] };

  it("has whole stacks when it runs already (record -p PID)", async () => {
    const output = folder.file("without.pb.gz");
    await using command = await startCommand(
      WITHOUT_FP,
      [String(DEPTH), "600", "everything"],
      patient,
    );
    const flags = ["-p", String(command.pid), "-d", String(CPU_SECONDS)];
    const { code, stderr } = await runObsforge([...recordTo(output), ...flags], patient);
    assert.equal(code, 0, stderr);
    assertWhole(output, { ...expected, summary: stderr });
  });

  it("has whole stacks once its tables are loaded (record -- CMD)", async () => {
    const output = folder.file("command.pb.gz");
    const words = [WITHOUT_FP, String(DEPTH), String(4 * CPU_SECONDS), "everything"];
    const { code, stderr } = await runObsforge([...recordTo(output), "--", ...words], patient);
    assert.equal(code, 0, stderr);
    assertWhole(output, { ...expected, summary: stderr, withoutTables: "not counted" });
  });
});

const WITHOUT_FP = "/programs/calls_without_fp";

function recordTo(output: string): string[] {
  return ["record", "-F", "499", "-o", output];
}

interface ExpectedStacks {
  /** Functions that are called at the end of the chain. */
  readonly leaves: readonly string[];
  /** Levels of the recursion that are in a whole stack. */
  readonly depths: readonly number[];
  /** What the recording said, for a message. */
  readonly summary: string;
  /** How stacks that came before the tables are taken; what is not whole there is not counted. */
  readonly withoutTables?: "whole too" | "not counted";
}

/** Every leaf was seen, and all but a few samples have the chain from the leaf to the start. */
function assertWhole(path: string, expected: ExpectedStacks): void {
  const batch = decodePprof(readFileSync(path), FILE_LIMITS);
  const sums = { all: 0, whole: 0, early: 0, inKernel: 0 };
  const seen = new Map<string, number>();
  for (const { stack, type, value } of resolvedSamples(batch, "names")) {
    if (type !== "samples") continue;
    const chain = chainOf(stack, expected);
    sums.all += value;
    if (chain === undefined && stack.some((frame) => BEFORE_TABLES.test(frame)))
      sums.early += value;
    if (chain !== undefined) sums.whole += value;
    if (chain === "ask_kernel" && stack.some(isReadOfZero)) sums.inKernel += value;
    const key = chain ?? `not whole: ${shortened(stack)}`;
    seen.set(key, (seen.get(key) ?? 0) + value);
  }
  const most = [...seen].sort((a, b) => b[1] - a[1]).slice(0, TOLD_MAX);
  const told = `${expected.summary}${most.map(([what, count]) => `${count} ${what}\n`).join("")}`;
  const counted = sums.all - (expected.withoutTables === undefined ? 0 : sums.early);
  assert.ok(counted >= SAMPLES_MIN, told);
  assert.ok(sums.whole >= WHOLE_SHARE_MIN * counted, told);
  for (const leaf of expected.leaves) assert.ok(seen.has(leaf), `${leaf}: ${told}`);
  if (expected.leaves.includes("ask_kernel")) assert.ok(sums.inKernel > 0, `kernel: ${told}`);
}

/** Not yet: the program has only begun, and in emulation a table takes seconds. */
const BEFORE_TABLES = /^\[incomplete: (tables not loaded|no mapping)\]$/;

/** The kernel's functions that read from /dev/zero, in one version or another. */
function isReadOfZero(frame: string): boolean {
  return /^(read_zero|read_iter_zero)/.test(frame);
}

/**
 * What the stack goes through at its end, when all of the known chain stands in it and nothing
 * says that it is not whole: one of the leaves, or where there was none at that time.
 */
function chainOf(
  stack: readonly string[],
  { depths, leaves, withoutTables }: ExpectedStacks,
): string | undefined {
  const start = stack.findIndex((frame) => frame === "main" || frame === "in_thread");
  const mark = stack.find((frame) => /^\[(incomplete|truncated)/.test(frame));
  const isTaken = BEFORE_TABLES.test(mark ?? "") && withoutTables === "whole too" && start > 0;
  if (mark !== undefined && !isTaken) return undefined;
  if (start < 0) return "before main";
  const inner = stack.slice(0, start);
  if (!inner.includes("work")) return inner.length === 0 ? "in main" : "under main";
  const depth = inner.filter((frame) => frame === "descend").length;
  const leaf = inner.find((frame) => leaves.includes(frame));
  if (leaf === undefined) return depth <= DEPTH ? "on the way" : undefined;
  return depths.includes(depth) ? leaf : undefined;
}

/** The user's part, equal neighbours as one, for a message. */
function shortened(stack: readonly string[]): string {
  const user = stack.slice(stack.findLastIndex((frame) => KERNEL_ENTRY.test(frame)) + 1);
  return user.filter((frame, index) => frame !== user[index - 1]).join(" ← ");
}

/** The outermost function of the kernel, on both architectures. */
const KERNEL_ENTRY = /^(entry_SYSCALL|asm_|el0|ret_to_user|work_pending)/;

/** Kinds of stacks that a message tells. */
const TOLD_MAX = 12;

describe("what was taken is delivered or lost", () => {
  const rings = [
    { name: "with a ring that is large enough", config: {}, loses: false },
    { name: "with a ring too small", config: { ring_bytes: TINY_RING_BYTES }, loses: true },
  ];
  for (const { name, config, loses } of rings) {
    it(name, async () => {
      const sink = new CollectingSink();
      const words = [String(DEPTH), String(CPU_SECONDS), "compute"];
      const counters = await runReceiver({
        config,
        sink,
        work: () => runCommand("/programs/calls", words, patient),
      });
      assert.ok(counters.taken > 0);
      assert.equal(counters.taken, counters.delivered + counters.lost);
      assert.equal(counters.dropped, 0);
      assert.equal(sink.total, counters.delivered);
      assert.equal(counters.lost > 0, loses, `${counters.lost} lost of ${counters.taken}`);
    });
  }
});

describe("obsforge doctor, after the kernel was locked down", () => {
  it("says that this is why", async () => {
    writeFileSync("/sys/kernel/security/lockdown", "confidentiality");
    const { code, report } = await doctor();
    assert.equal(code, 1);
    const onCpu = report.can_run.find(({ id }) => id === "ebpf_on_cpu");
    assert.equal(onCpu?.why, "kernel lockdown: confidentiality");
    assert.match(onCpu.mend, /lockdown=integrity/);
  });
});
