import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { formatOfPath } from "../../src/profiles/formats.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { packageRoot } from "../../src/support/package-root.ts";
import { buildProgram } from "../support/build-program.ts";
import { functionTotals } from "../support/function-totals.ts";
import { requirement } from "../support/requirements.ts";
import { runObsforge } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const skip = requirement("root", "bpf");
const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());

describe("record of code that a runtime makes", { skip }, () => {
  it("has JavaScript's functions by the map that node writes, its process gone", async () => {
    const path = join(folder.path, "node.pb.gz");
    const script = join(packageRoot(), "test/programs/busy_node.cjs");
    const command = [process.execPath, "--perf-basic-prof", script, "javascript", "3"];
    const args = ["record", "-F", "997", "-o", path, "--", ...command];
    // V8 leaves a log where it runs.
    const result = await runObsforge(args, { cwd: folder.path });
    assert.equal(result.code, 0, result.stderr);
    const totals = functionTotals(decoded(path));
    // What its compiler inlined has no line of its own in the map.
    const share = (totals.cumulative.get("busyOuter") ?? 0) / totals.all;
    assert.ok(share > 0.8, `busyOuter: ${share}`);
  });

  it("divides the time of JavaScript among its lines by the dump that node writes", async () => {
    const path = join(folder.path, "lines.pb.gz");
    const script = join(packageRoot(), "test/programs/two_loops.cjs");
    const flags = ["--perf-prof", "--no-use-osr", "--no-turbo-inlining", "--no-maglev"];
    const args = ["record", "-F", "997", "-o", path, "--", process.execPath, ...flags, script];
    const result = await runObsforge([...args, "3000"], { cwd: folder.path });
    assert.equal(result.code, 0, result.stderr);
    const [first = 0, second = 0] = [4, 5].map((line) => leafSamples(decoded(path), script, line));
    const share = second / (first + second);
    assert.ok(first + second > 1000, `${first} + ${second} samples`);
    assert.ok(Math.abs(share - 0.75) < 0.06, `the second loop has ${share}`);
  });

  it("says the lines of compiled code, and what was inlined there", async () => {
    const path = join(folder.path, "lines.folded.pb.gz");
    const program = buildProgram("three_paths.cpp");
    const args = ["record", "-F", "997", "-o", path, "--", program, "2"];
    assert.equal((await runObsforge(args)).code, 0);
    const { dictionary } = decoded(path);
    const { functions, locations, strings } = dictionary;
    const lines = new Map<string, Set<number>>();
    for (let location = 1; location < locations.length; location++) {
      for (let row = locations.lineStart(location); row < locations.lineEnd(location); row++) {
        const function_ = locations.lineFunction.at(row);
        const file = strings.at(functions.filename.at(function_));
        if (!file.endsWith("three_paths.cpp")) continue;
        const name = strings.at(functions.name.at(function_));
        lines.getOrInsertComputed(name, () => new Set()).add(locations.lineNumber.at(row));
      }
    }
    const source = readFileSync(join(packageRoot(), "test/programs/three_paths.cpp"), "utf8");
    const start = source.split("\n").findIndex((line) => line.includes("checksum(std::uint64_t"));
    const found = [...(lines.get("shop::checksum(unsigned long)") ?? [])];
    assert.ok(found.length > 0);
    assert.ok(
      found.every((line) => line > start && line <= start + 8),
      `${found} from ${start}`,
    );
  });
});

/** Samples whose innermost frame is on a line of a file. */
function leafSamples(batch: Decoded, file: string, line: number): number {
  const { functions, locations, stacks, strings } = batch.dictionary;
  let sum = 0;
  for (const { profile } of batch.profiles()) {
    if (strings.at(profile.sampleType.type) !== "samples") continue;
    for (let sample = 0; sample < profile.samples.length; sample++) {
      const [leaf = 0] = stacks.row(profile.samples.stack.at(sample));
      const row = locations.lineStart(leaf);
      if (row >= locations.lineEnd(leaf) || locations.lineNumber.at(row) !== line) continue;
      const name = strings.at(functions.filename.at(locations.lineFunction.at(row)));
      if (name === file) sum += profile.samples.value.at(sample);
    }
  }
  return sum;
}

type Decoded = ReturnType<typeof decoded>;

function decoded(path: string): ReturnType<NonNullable<ReturnType<typeof formatOfPath>>["decode"]> {
  const format = formatOfPath(path);
  assert.ok(format);
  return format.decode(readFileSync(path), FILE_LIMITS);
}
