import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { readElf } from "../../src/symbols/elf/elf-file.ts";
import { fileAddress } from "../../src/symbols/elf/file-address.ts";
import { htlhash } from "../../src/symbols/elf/htlhash.ts";
import { bytesAccess } from "../../src/symbols/elf/random-access.ts";
import { findFunctions } from "../../src/symbols/elf/symbol-table.ts";
import { bounded, FUZZ_SEED, fuzzFor } from "./fuzzing.ts";
import { mutated, noise, Random } from "./mutate.ts";

/**
 * ELF files of profiled processes are hostile [S4, S5]: whatever the bytes, an answer or one of
 * the two errors, in time and in bounded memory.
 */

const NOISE_BYTES_MAX = 4096;
/** Where mutations of a file matter most: its header and the tables behind it. */
const HEAD_BYTES = 4096;

describe("fuzz: ELF", () => {
  it("reads or refuses any bytes", (test) => {
    const random = new Random(FUZZ_SEED);
    const real = readFileSync("/bin/true");
    const headers = real.subarray(real.length - sectionTableBytes(real));
    let accepted = 0;
    const runCase = (count: number): void => {
      if (judge(inputOf(count, { real, headers, random }))) accepted++;
    };
    fuzzFor("elf", runCase, (text) => test.diagnostic(`${text}, ${accepted} accepted`));
  });
});

interface Sources {
  readonly real: Uint8Array;
  readonly headers: Uint8Array;
  readonly random: Random;
}

/** By turns: the file mutated as a whole, in its header, in its section headers, or no file. */
function inputOf(count: number, { real, headers, random }: Sources): Uint8Array {
  switch (count % 4) {
    case 0:
      return mutated(real, real, random);
    case 1:
      return joined(mutated(real.subarray(0, HEAD_BYTES), headers, random), real, HEAD_BYTES);
    case 2: {
      const start = real.length - headers.length;
      return new Uint8Array(
        Buffer.concat([real.subarray(0, start), mutated(headers, headers, random)]),
      );
    }
    default:
      return joined(Uint8Array.from([0x7f, 0x45, 0x4c, 0x46]), noise(random, NOISE_BYTES_MAX), 4);
  }
}

function joined(head: Uint8Array, rest: Uint8Array, from: number): Uint8Array {
  return new Uint8Array(Buffer.concat([head, rest.subarray(from)]));
}

function sectionTableBytes(elf: Buffer): number {
  return elf.length - Number(elf.readBigUInt64LE(40));
}

/** True when the bytes were taken for an ELF file. */
function judge(input: Uint8Array): boolean {
  const result = bounded(input.length, () => {
    const access = bytesAccess(input, "fuzzed");
    const elf = readElf(access);
    htlhash(access);
    fileAddress(elf.segments, { start: 0x7000_0000n, fileOffset: 0x1000n }, 0x7000_0010n);
    return findFunctions(elf, [0n, 0x1000n, 0x4000n, 1n << 63n, (1n << 64n) - 1n]);
  });
  return !(result instanceof Error);
}
