import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { JitDump } from "../../src/symbols/jit/jitdump.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { bounded, FUZZ_SEED, fuzzFor } from "./fuzzing.ts";
import { mutated, Random } from "./mutate.ts";

/** Dumps are written by the profiled process [S4, S6]. */

const CODE = 0x7f00_1000;

describe("fuzz: jitdump", () => {
  it("reads or refuses any bytes", (test) => {
    using folder = temporaryFolder();
    const path = join(folder.path, "jit-1.dump");
    const random = new Random(FUZZ_SEED);
    const dump = dumpOf(random);
    let named = 0;
    const runCase = (): void => {
      const input = mutated(dump, dump, random);
      writeFileSync(path, input);
      const fd = openSync(path, "r");
      try {
        bounded(input.length, () => {
          const read = new JitDump(path);
          read.readOn(fd, random.below(input.length + 1));
          read.readOn(fd, input.length);
          for (let at = 0; at < 64; at++) if (read.lookup(CODE + at * 8)) named++;
        });
      } finally {
        closeSync(fd);
      }
    };
    fuzzFor("jitdump", runCase, (text) => test.diagnostic(`${text}, ${named} named`));
  });
});

/** A header, and lines, code and a move of eight functions. */
function dumpOf(random: Random): Uint8Array {
  const header = Buffer.alloc(40);
  header.writeUInt32LE(0x4a69_5444, 0);
  header.writeUInt32LE(1, 4);
  header.writeUInt32LE(40, 8);
  const records = Array.from({ length: 8 }, (_, index) => {
    const address = CODE + 64 * index;
    const lines = record(2, [word(address), word(1), word(address), Buffer.from([3, 0, 0, 0])]);
    const name = Buffer.from(`JS:*f${random.below(100)} /a.js:${index}:1\0`);
    const load = [word(0), word(address), word(address), word(64), word(index), name];
    const move = [word(0), word(address), word(address), word(address + 8), word(64), word(index)];
    return [lines, record(0, load), record(1, move)];
  });
  return new Uint8Array(Buffer.concat([header, ...records.flat(), record(3, [])]));
}

function record(id: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(16);
  head.writeUInt32LE(id, 0);
  head.writeUInt32LE(16 + body.length, 4);
  return Buffer.concat([head, body]);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
