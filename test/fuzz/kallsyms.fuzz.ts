import { describe, it } from "node:test";
import { KernelSymbols, parseKallsyms } from "../../src/symbols/kernel/kallsyms.ts";
import { parseModules } from "../../src/symbols/kernel/modules.ts";
import { kernelBuildId } from "../../src/symbols/kernel/notes.ts";
import { bounded, FUZZ_SEED, fuzzFor } from "./fuzzing.ts";
import { mutated, noise, Random } from "./mutate.ts";

/** Mutated lists of kernel symbols, modules and notes: an answer or a refusal, never a crash. */

const KALLSYMS = Buffer.from(
  "ffffffff81000000 T _text\nffffffff81000010 t a\nffffffff82000000 T _etext\n" +
    "ffffffffc0000000 t b\t[one]\nffffffffc0000100 t c\t[two]\nffffffffc0100000 t d\t[bpf]\n",
);
const MODULES = Buffer.from("one 4096 0 - Live 0xffffffffc0000000\n");
const NOTES = Buffer.from("040000001400000003000000474e5500".replace("0047", "47"), "hex");
const NOISE_BYTES_MAX = 400;

describe("fuzz: kallsyms", () => {
  it("reads or refuses what is mutated", (test) => {
    const random = new Random(FUZZ_SEED);
    const runCase = (count: number): void => {
      const bytes =
        count % 10 === 0 ? noise(random, NOISE_BYTES_MAX) : mutated(KALLSYMS, MODULES, random);
      const modules = parseModules(Buffer.from(mutated(MODULES, KALLSYMS, random)).toString());
      bounded(bytes.length, () => {
        const symbols = parseKallsyms([bytes], modules);
        if (!(symbols instanceof KernelSymbols)) return;
        const place = BigInt(random.below(2 ** 31));
        for (const base of [0n, symbols.textStart, 0xffffffffc0000000n])
          symbols.lookup(base + place);
      });
      const notes = mutated(NOTES, bytes.length > 0 ? bytes : NOTES, random);
      bounded(notes.length, () => kernelBuildId(notes));
    };
    fuzzFor("kallsyms", runCase, (text) => test.diagnostic(text));
  });
});
