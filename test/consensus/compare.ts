/**
 * Compares obsforge with llvm-symbolizer and addr2line on random addresses of any file.
 *
 *     node test/consensus/compare.ts [--count N] [--seed N] [--show N] PATH…
 *     node test/consensus/compare.ts --programs [TEXT]    those of the test whose name has TEXT
 */
import { parseArgs } from "node:util";
import { requirement } from "../support/requirements.ts";
import { randomAddresses, textOf } from "./addresses.ts";
import { askGnu, askLlvm, askObsforge } from "./answers.ts";
import { compare, describe } from "./comparison.ts";
import { buildConsensusProgram, programs } from "./programs.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    show: { type: "string", default: "3" },
    programs: { type: "boolean", default: false },
  },
});

function* files(): Generator<{ name: string; path: string }> {
  if (!values.programs) return yield* positionals.map((path) => ({ name: path, path }));
  for (const program of programs) {
    const isWanted = positionals.every((text) => program.name.includes(text));
    if (!isWanted || requirement(...program.needs) !== false) continue;
    yield { name: program.name, path: buildConsensusProgram(program) };
  }
}

for (const { name, path } of files()) {
  process.stdout.write(`## ${name}\n${path}\n`);
  const addresses = randomAddresses(textOf(path), Number(values.count), Number(values.seed));
  const [llvm, gnu] = [askLlvm(path, addresses), askGnu(path, addresses)];
  const answers = { addresses, llvm, gnu, ours: askObsforge(path, addresses) };
  for (const aspect of ["chain", "path", "name"] as const) {
    const { decided, decidedBy, share, differences } = compare(aspect, answers);
    const percent = (share * 100).toFixed(2);
    process.stdout.write(`${aspect}: ${percent} % equal of ${decided}, decided by ${decidedBy}\n`);
    if (aspect === "path" && differences.length === compare("chain", answers).differences.length) {
      continue;
    }
    for (const one of differences.slice(0, Number(values.show))) {
      process.stdout.write(describe(one));
    }
  }
  process.stdout.write("\n");
}
