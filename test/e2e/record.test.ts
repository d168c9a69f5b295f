import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { formatOfPath } from "../../src/profiles/formats.ts";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { buildProgram } from "../support/build-program.ts";
import { functionTotals } from "../support/function-totals.ts";
import { requirement } from "../support/requirements.ts";
import { runCommand, runObsforge } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const skip = requirement("root", "bpf");
const CPU_SECONDS = "6";
/** A share is right within three points of what the program measured of itself. */
const SHARE_TOLERANCE = 0.03;
/** Samples × period is the CPU time that the kernel charged, within two percent. */
const CPU_TIME_TOLERANCE = 0.02;

/** Of six seconds, the ten milliseconds or so until the program is known are some 0.3 %. */
const INCOMPLETE_PERCENT_MAX = 1;

interface Recording {
  readonly path: string;
  readonly batch: ProfileBatch;
  /** What the program says of itself. */
  readonly truth: Record<string, number>;
  readonly summary: string;
}

async function record(program: string, ...flags: string[]): Promise<Recording> {
  const path = join(folder.path, `${program.split("/").at(-1)}-${flags.length}.pb.gz`);
  const result = await runObsforge(["record", ...flags, "-o", path, "--", program, CPU_SECONDS]);
  assert.equal(result.code, 0, result.stderr);
  const truth = JSON.parse(result.stdout) as Record<string, number>;
  return { path, batch: readBatch(path), truth, summary: result.stderr };
}

function readBatch(path: string): ProfileBatch {
  const format = formatOfPath(path);
  assert.ok(format);
  return format.decode(readFileSync(path), FILE_LIMITS);
}

const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());

/** The leaf of each path, and how a profile names it. */
const leaves = {
  "three_paths.cpp": {
    parse: "shop::checksum(unsigned long)",
    render: "shop::blend(unsigned long)",
    audit: "shop::digits(unsigned long)",
  },
  "three_paths.rs": {
    parse: "three_paths::shop::checksum",
    render: "three_paths::shop::blend",
    audit: "three_paths::shop::digits",
  },
} as const;

for (const [source, names] of Object.entries(leaves)) {
  const needs = source.endsWith(".rs") ? requirement("root", "bpf", "rust") : skip;

  describe(`record of ${source}`, { skip: needs }, () => {
    let recording: Recording;
    before(async () => {
      // At 99 Hz a neighbour that takes the CPU away moves the sum of six seconds by over 2 %.
      recording = await record(buildProgram(source), "-F", "997");
    });

    it("gives the shares that the program measured, within 3 points", () => {
      const totals = functionTotals(recording.batch);
      for (const [path, name] of Object.entries(names)) {
        const share = (totals.cumulative.get(name) ?? 0) / totals.all;
        const error = Math.abs(share - (recording.truth[path] as number));
        assert.ok(error < SHARE_TOLERANCE, `${name}: ${share} for ${recording.truth[path]}`);
      }
    });

    it("has samples × period within 2 % of the CPU time that the kernel charged", () => {
      const sampled = functionTotals(recording.batch).cpuNanos;
      const ratio = sampled / (recording.truth["cpuNanos"] as number);
      assert.ok(Math.abs(ratio - 1) < CPU_TIME_TOLERANCE, `${ratio}`);
    });

    it("is whole from its first moments on, without frame pointers", () => {
      const [, percent] = /([\d.]+) % of stacks incomplete/.exec(recording.summary) ?? [];
      assert.ok(Number(percent) <= INCOMPLETE_PERCENT_MAX, recording.summary);
    });

    it("says in one line what it did", () => {
      assert.match(
        recording.summary,
        /^[\d,]+ samples of 1 process, 0 lost, [\d.]+ % of frames without a name, [\d.]+ % of stacks incomplete → .*\.pb\.gz\n$/,
      );
    });

    it("is read by go tool pprof, with the same shares", { skip: requirement("go") }, async () => {
      const { stdout, stderr, code } = await runCommand("go", [
        "tool",
        "pprof",
        "-top",
        "-cum",
        "-nodefraction=0",
        recording.path,
      ]);
      assert.equal(code, 0, stderr);
      for (const [path, name] of Object.entries(names)) {
        const line = stdout.split("\n").find((row) => row.endsWith(` ${name}`));
        const percent = /([\d.]+)%\s+\S+$/.exec(line?.replace(/\(.*\)$/, "") ?? "")?.[1];
        const error = Math.abs(Number(percent) / 100 - (recording.truth[path] as number));
        assert.ok(error < SHARE_TOLERANCE, `${line} for ${recording.truth[path]}`);
      }
    });
  });
}

describe("record of a program that lives in the kernel", { skip }, () => {
  it("names the kernel's functions and charges it what the kernel charged", async () => {
    const { batch, truth } = await record(buildProgram("dev_zero.c"));
    const totals = functionTotals(batch);
    const kernelShare = totals.byFrameType.get("kernel") ?? 0;
    const expected = (truth["systemNanos"] as number) / (truth["cpuNanos"] as number);
    assert.ok(Math.abs(kernelShare / totals.all - expected) < SHARE_TOLERANCE, `${kernelShare}`);
    const readZero = (totals.cumulative.get("read_zero") ?? 0) / totals.all;
    assert.ok(readZero > 0.5, `read_zero has ${readZero}`);
    const ratio = totals.cpuNanos / (truth["cpuNanos"] as number);
    assert.ok(Math.abs(ratio - 1) < CPU_TIME_TOLERANCE, `${ratio}`);
  });
});
