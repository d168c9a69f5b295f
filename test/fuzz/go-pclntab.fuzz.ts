import { describe, it } from "node:test";
import { readElf } from "../../src/symbols/elf/elf-file.ts";
import { bytesAccess } from "../../src/symbols/elf/random-access.ts";
import {
  TEXT_ADDRESS,
  type WrittenGoProgram,
  writeGoProgram,
} from "../../src/symbols/go/testing/go-program-writer.ts";
import { openGoNames } from "../../src/symbols/native/go-names.ts";
import { bounded, FUZZ_SEED, fuzzFor } from "./fuzzing.ts";
import { mutated, Random } from "./mutate.ts";

/** Tables of functions and inlined calls are the profiled program's [S4, S5]. */

const VERSIONS = ["go12", "go116", "go118", "go120"] as const;
const MODULES = ["section", "data", "relocations"] as const;
/** The header of the file and the one segment, without which nothing is looked at. */
const HEAD_BYTES = 128;
const LOOKUPS = 64;

describe("fuzz: Go's table of functions", () => {
  it("names or refuses any bytes", (test) => {
    const random = new Random(FUZZ_SEED);
    let named = 0;
    let inlined = 0;
    const runCase = (): void => {
      const input = inputOf(random);
      bounded(input.length, () => {
        const names = openGoNames(readElf(bytesAccess(input, "fuzzed")));
        for (let at = 0; at < LOOKUPS; at++) {
          const frames = names.framesAt(TEXT_ADDRESS + 4 * at, true);
          if (frames.length > 0) named++;
          if (frames.length > 1) inlined++;
        }
      });
    };
    fuzzFor("go-pclntab", runCase, (text) =>
      test.diagnostic(`${text}, ${named} named, ${inlined} inlined`),
    );
  });
});

/** A program of any kind, changed behind its header. */
function inputOf(random: Random): Uint8Array {
  const bytes = writeGoProgram(programOf(random));
  const body = bytes.subarray(0x1000);
  const head = bytes.subarray(0, 0x1000);
  if (random.below(8) === 0) mutateInPlace(head, random);
  return new Uint8Array(Buffer.concat([head, mutated(body, body, random)]));
}

/** Places of sections, and all else that the header says. */
function mutateInPlace(head: Uint8Array, random: Random): void {
  head[random.below(HEAD_BYTES)] = random.below(256);
}

function programOf(random: Random): WrittenGoProgram {
  const isWide = random.below(2) === 0;
  return {
    version: random.pick(VERSIONS),
    is64: isWide,
    littleEndian: random.below(4) > 0,
    hasText: random.below(2) === 0,
    module: isWide ? random.pick(MODULES) : "data",
    functions: Array.from({ length: 8 }, (_, index) => ({
      name: `main.f${index}`,
      pieces: Array.from({ length: 4 }, (__, piece) => ({
        byteCount: 8,
        file: `/src/f${piece}.go`,
        line: 1 + random.below(1000),
        call: random.below(5) - 1,
      })),
      calls: Array.from({ length: 4 }, (__, call) => ({
        name: `main.call${call}`,
        at: 8 * random.below(4),
      })),
    })),
  };
}
