import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { openDebugInfo } from "../../src/symbols/dwarf/debug-info.ts";
import { readAltLink, readDebugLink } from "../../src/symbols/elf/debug-links.ts";
import { readElf, type Section } from "../../src/symbols/elf/elf-file.ts";
import { PltStubs } from "../../src/symbols/elf/plt-stubs.ts";
import { bytesAccess } from "../../src/symbols/elf/random-access.ts";
import { buildProgram } from "../support/build-program.ts";
import { bounded, FUZZ_SEED, fuzzFor } from "./fuzzing.ts";
import { mutated, Random } from "./mutate.ts";

/**
 * Debug information of hostile files [S4, S5]: whatever the bytes of a section are, frames or one
 * of the two errors, in time and in bounded memory.
 */

/** Addresses that each case asks for, spread over the code. */
const ADDRESSES = 24;

const SECTIONS = {
  "entries and abbreviations": [".debug_info", ".debug_abbrev"],
  "lists of ranges": [".debug_rnglists", ".debug_ranges", ".debug_aranges", ".debug_addr"],
  "line programs": [".debug_line", ".debug_line_str", ".debug_str"],
  "stubs and links": [".plt", ".plt.sec", ".rela.plt", ".dynsym", ".dynstr", ".gnu_debuglink"],
} as const;

describe("fuzz: DWARF", () => {
  for (const [what, names] of Object.entries(SECTIONS)) {
    it(`reads or refuses any ${what}`, (test) => {
      const random = new Random(FUZZ_SEED);
      const programs = ["-gdwarf-4", "-gdwarf-5"].map((flag) =>
        readFileSync(buildProgram("exceptions.cpp", [flag, "-O2"])),
      );
      let named = 0;
      const runCase = (count: number): void => {
        const program = programs[count % programs.length] as Buffer;
        named += judge(withMutated(program, names, random));
      };
      fuzzFor(what, runCase, (text) => test.diagnostic(`${text}, ${named} frames`));
    });
  }
});

/** One of the sections is changed, where it lies. */
function withMutated(program: Buffer, names: readonly string[], random: Random): Uint8Array {
  const { sections } = readElf(bytesAccess(program, "program"));
  const found = sections.filter(({ name, size }) => names.includes(name) && size > 0);
  const { offset, size } = found[random.below(found.length)] as Section;
  const bytes = new Uint8Array(program);
  const before = bytes.slice(offset, offset + size);
  bytes.set(mutated(before, before, random).subarray(0, size), offset);
  return bytes;
}

/** How many frames were found. */
function judge(input: Uint8Array): number {
  let frames = 0;
  bounded(input.length, () => {
    const elf = readElf(bytesAccess(input, "fuzzed"));
    readDebugLink(elf);
    readAltLink(elf);
    const stubs = new PltStubs(elf);
    const info = openDebugInfo(elf);
    for (const address of addressesOf(elf.sections)) {
      stubs.nameAt(BigInt(address));
      if (!("missing" in info)) frames += info.framesAt(address).length;
    }
  });
  return frames;
}

function addressesOf(sections: readonly Section[]): number[] {
  const code = sections.filter(({ name }) => name === ".text" || name === ".plt");
  return code.flatMap(({ address, size }) =>
    Array.from({ length: ADDRESSES }, (_, index) =>
      Math.floor(Number(address) + (index * size) / ADDRESSES),
    ),
  );
}
