import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { Dictionary } from "../../src/profiles/dictionary.ts";
import { formatOfPath } from "../../src/profiles/formats.ts";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { VDSO_PATH } from "../../src/symbols/executables.ts";
import { buildProgram } from "../support/build-program.ts";
import { requirement } from "../support/requirements.ts";
import { runObsforge } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const CPU_SECONDS = "2";
/** Of the samples in the vdso; x86_64 has both names for one function, arm64 its own. */
const NAMED_SHARE_MIN = 0.9;
const CLOCK_NAME = /^(__vdso_|__kernel_)?clock_gettime$/;

/** Samples whose leaf is in [vdso], by the leaf's name. */
function vdsoLeaves(batch: ProfileBatch): ReadonlyMap<string, number> {
  const { stacks, mappings, locations, strings } = batch.dictionary;
  const leaves = new Map<string, number>();
  for (const { profile } of batch.profiles()) {
    for (let sample = 0; sample < profile.samples.length; sample++) {
      const leaf = stacks.row(profile.samples.stack.at(sample))[0] ?? 0;
      if (strings.at(mappings.filename.at(locations.mapping.at(leaf))) !== VDSO_PATH) continue;
      const name = nameOf(batch.dictionary, leaf);
      leaves.set(name, (leaves.get(name) ?? 0) + profile.samples.value.at(sample));
    }
  }
  return leaves;
}

function nameOf({ locations, functions, strings }: Dictionary, location: number): string {
  const row = locations.lineFunction.at(locations.lineStart(location));
  return strings.at(functions.name.at(row));
}

describe("record of a program that asks for the time", { skip: requirement("root", "bpf") }, () => {
  it("names the function of the vdso", async () => {
    using folder = temporaryFolder();
    const path = folder.file("vdso.pb.gz");
    const program = buildProgram("vdso_clock.c");
    const result = await runObsforge(["record", "-o", path, "--", program, CPU_SECONDS]);
    assert.equal(result.code, 0, result.stderr);
    const leaves = vdsoLeaves(
      formatOfPath(path)?.decode(readFileSync(path), FILE_LIMITS) as ProfileBatch,
    );
    const all = [...leaves.values()].reduce((sum, count) => sum + count, 0);
    assert.ok(all > 0, "no sample lies in the vdso");
    let named = 0;
    for (const [name, count] of leaves) if (CLOCK_NAME.test(name)) named += count;
    assert.ok(named / all >= NAMED_SHARE_MIN, JSON.stringify([...leaves]));
  });
});
