import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { packageRoot } from "../../src/support/package-root.ts";
import { requirement } from "../support/requirements.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { randomAddresses, textOf } from "./addresses.ts";
import { askGnu, askLlvm, askObsforge, obsforgeLines } from "./answers.ts";
import { type Aspect, compare, describe as inWords } from "./comparison.ts";
import { buildConsensusProgram, programs, splitPrograms } from "./programs.ts";
import { baseOf, type Variant, variants } from "./variants.ts";

const ADDRESSES = 1000;
const VARIANT_ADDRESSES = 300;
const SEED = 20_261_125;
/** Differing answers that a failure shows. */
const SHOWN_MAX = 5;

/** Smallest shares of equal answers, by what is compared. */
const sharesMin: Readonly<Record<Aspect, number>> = { chain: 0.999, path: 0.999, name: 0.995 };

/** Nothing that another test or user has kept is read, and nothing of this one stays. */
function coldCache(path: string): NodeJS.ProcessEnv {
  return { OBSFORGE_CACHE_DIR: path };
}

describe("answers beside llvm-symbolizer's and addr2line's", () => {
  for (const program of programs) {
    const skip = requirement("llvm", ...program.needs);
    it(program.name, { skip }, (test) => {
      using folder = temporaryFolder();
      const path = buildConsensusProgram(program);
      const addresses = randomAddresses(textOf(path), ADDRESSES, SEED);
      const answers = {
        addresses,
        ours: askObsforge(path, addresses, { environment: coldCache(folder.path) }),
        llvm: askLlvm(path, addresses),
        gnu: askGnu(path, addresses),
      };
      for (const [aspect, least] of Object.entries(sharesMin)) {
        const { share, decided, decidedBy, differences } = compare(aspect as Aspect, answers);
        // Names of marks are nobody's: there only what both others agree on counts.
        if (program.hasMarks === true && decidedBy === "llvm") continue;
        test.diagnostic(`${aspect}: ${share * 100} % of ${decided}, decided by ${decidedBy}`);
        const shown = differences.slice(0, SHOWN_MAX).map(inWords).join("");
        assert.ok(share >= least, `${aspect}: ${differences.length} differ in ${path}\n${shown}`);
      }
    });
  }
});

/** The addresses whose lines are not the same, a few of them in full. */
function assertSame(lines: readonly string[], expected: readonly string[], path: string): void {
  const differing = lines.flatMap((line, index) =>
    line === expected[index] ? [] : [`${line}\n  instead of\n${expected[index]}`],
  );
  const shown = differing.slice(0, SHOWN_MAX).join("\n");
  assert.equal(differing.length, 0, `${differing.length} differ in ${path}\n${shown}`);
}

describe("variants of one program give its answers", () => {
  for (const { program, whole } of splitPrograms) {
    it(program.name, { skip: requirement(...program.needs) }, () => {
      using folder = temporaryFolder();
      const [path, base] = [buildConsensusProgram(program), buildConsensusProgram(whole)];
      const addresses = randomAddresses(textOf(base), VARIANT_ADDRESSES, SEED);
      const environment = coldCache(folder.path);
      const expected = obsforgeLines(base, addresses, { environment });
      assertSame(obsforgeLines(path, addresses, { environment }), expected, path);
    });
  }

  for (const variant of variants) {
    const { name, program, needs = [] } = variant;
    const skip = requirement(...program.needs, ...needs);
    it(`${program.name}: ${name}`, { skip }, () => compareVariant(variant));
  }
});

describe("an index gives the answers of the file that it was made of", () => {
  for (const program of [...programs, ...splitPrograms.map(({ program }) => program)]) {
    const isInFiles = program.flags.includes("-gsplit-dwarf") && program.packager === undefined;
    it(program.name, { skip: requirement(...program.needs) }, () => {
      using folder = temporaryFolder();
      const path = buildConsensusProgram(program);
      const addresses = randomAddresses(textOf(path), ADDRESSES, SEED);
      const environment = coldCache(folder.path);
      const asked = [[], ["--no-inlines"], ["--no-demangle"]].map((flags) => () => {
        return obsforgeLines(path, addresses, { flags, environment });
      });
      const expected = asked.map((ask) => ask());
      const made = runIndex(path, environment);
      if (isInFiles) {
        assert.match(made.stderr, /has no index: its units are in \.dwo files/);
        return;
      }
      assert.equal(made.status, 0, made.stderr);
      assert.equal(globSync(join(folder.path, "symbol-indexes/*.symbols")).length, 1);
      for (const [index, ask] of asked.entries()) assertSame(ask(), expected[index] ?? [], path);
    });
  }
});

function runIndex(path: string, env: NodeJS.ProcessEnv): { status: number | null; stderr: string } {
  const args = ["symbolize", "--binary", path, "--index"];
  return spawnSync(join(packageRoot(), "bin/obsforge"), args, {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
}

function compareVariant(variant: Variant): void {
  using folder = temporaryFolder();
  using cache = temporaryFolder();
  const base = baseOf(variant);
  const { path, flags = [] } = variant.make(base, folder.path);
  const addresses = randomAddresses(textOf(path), VARIANT_ADDRESSES, SEED);
  const environment = coldCache(cache.path);
  if (variant.hasNamesOnly === true) {
    const outermost = (of: string): (string | undefined)[] =>
      askObsforge(of, addresses, { environment }).map((frames) => frames.at(-1)?.name);
    assert.deepEqual(outermost(path), outermost(base));
    return;
  }
  // The same file name, so that answers may speak of it.
  const expected = obsforgeLines(base, addresses, { environment });
  assert.ok(readFileSync(path).length > 0);
  assertSame(obsforgeLines(path, addresses, { flags, environment }), expected, path);
}
