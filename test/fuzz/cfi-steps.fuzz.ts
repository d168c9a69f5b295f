import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { readFrameSections } from "../../src/symbols/cfi/frame-sections.ts";
import { FrameWriter, TEXT, writeCfiElf } from "../../src/symbols/cfi/testing/cfi-writer.ts";
import { type NaiveFde, NaiveUnwinder } from "../../src/symbols/cfi/testing/naive-unwinder.ts";
import { buildUnwindTable } from "../../src/symbols/cfi/unwind-table.ts";
import { readElf } from "../../src/symbols/elf/elf-file.ts";
import { bytesAccess } from "../../src/symbols/elf/random-access.ts";
import { ARM64_REGISTERS, CfiGrammar, type CfiRegisters, X86_REGISTERS } from "./cfi-grammar.ts";
import { type Comparison, compareStep } from "./cfi-oracle.ts";
import { FUZZ_SEED, fuzzFor } from "./fuzzing.ts";
import { Random } from "./mutate.ts";

/**
 * Call frame information that is well formed, however odd: a table may say "cannot", but where it
 * gives a caller it is the one that a plain interpreter of the same bytes gives.
 */

const EM_X86_64 = 62;
const EM_AARCH64 = 183;
const E_MACHINE = 18;
const FDES_MAX = 6;
const FDE_BYTES = 0x60;
const INSTRUCTIONS_MAX = 14;
const FDES_CHANGED = 4;
const ADDRESSES_PER_FDE = 8;
/** Of the comparisons: with fewer, the test would show little. */
const SAME_SHARE_MIN = 0.1;

/** Pointers by pcrel sdata4, without and with a personality. */
const AUGMENTATIONS = [
  { augmentation: "zR", augmentationData: [0x1b] },
  { augmentation: "zPLR", augmentationData: [0x9b, 0, 0, 0, 0, 0x1b, 0x1b] },
];

interface Machine {
  readonly number: number;
  readonly registers: CfiRegisters;
}

const machines: readonly Machine[] = [
  { number: EM_X86_64, registers: X86_REGISTERS },
  { number: EM_AARCH64, registers: ARM64_REGISTERS },
];

interface Subject {
  readonly file: Uint8Array;
  /** Of .eh_frame in `file`, and where it is loaded. */
  readonly frame: Uint8Array;
  readonly address: number;
  /** FDEs to compare, by their number; all when it is left out. */
  readonly changed?: readonly number[];
}

describe("fuzz: steps by call frame information", () => {
  for (const { name, subjectOf } of [
    { name: "written from a grammar", subjectOf: writtenSubject },
    { name: "of a real file with other instructions", subjectOf: realSubjects() },
  ]) {
    it(`are a plain interpreter's: ${name}`, (test) => {
      const random = new Random(FUZZ_SEED);
      const counts = { same: 0, cannot: 0, "no oracle": 0 };
      const runCase = (count: number): void => {
        const machine = machines[count % 2] as Machine;
        const subject = subjectOf(machine, random);
        for (const result of compareAll(subject, machine, random)) counts[result]++;
      };
      fuzzFor("cfi-steps", runCase, (text) =>
        test.diagnostic(`${text}, ${JSON.stringify(counts)}`),
      );
      const compared = counts.same + counts.cannot;
      assert.ok(counts.same >= compared * SAME_SHARE_MIN, JSON.stringify(counts));
    });
  }
});

function* compareAll(subject: Subject, machine: Machine, random: Random): Generator<Comparison> {
  const { file, frame, address, changed } = subject;
  const table = buildUnwindTable(readElf(bytesAccess(file, "fuzzed")));
  assert.ok("rows" in table);
  const naive = new NaiveUnwinder(frame, address);
  const fdes = changed?.map((number) => naive.fdes[number] as NaiveFde) ?? naive.fdes;
  for (const fde of fdes) {
    for (let count = 0; count < ADDRESSES_PER_FDE; count++) {
      const place = fde.start + random.below(fde.end - fde.start);
      const numbers = machine.registers;
      yield compareStep(table, naive, { fde, address: place, numbers, random });
    }
  }
}

/** One CIE and some FDEs, one behind the other, with and without a gap. */
function writtenSubject(machine: Machine, random: Random): Subject {
  const grammar = new CfiGrammar(random, machine.registers);
  const writer = new FrameWriter();
  const cie = writer.cie({
    version: random.pick([1, 3]),
    ...random.pick(AUGMENTATIONS),
    codeAlignment: random.pick([1, 1, 4]),
    dataAlignment: random.pick([-8, -8, -8, -4, 8]),
    returnRegister: random.below(16) === 0 ? random.below(32) : machine.registers.ra,
    instructions: grammar.initial(),
  });
  let start = TEXT;
  for (let count = 1 + random.below(FDES_MAX); count > 0; count--) {
    const byteCount = 1 + random.below(FDE_BYTES);
    const instructions = grammar.instructions(random.below(INSTRUCTIONS_MAX), 1024);
    writer.fde(cie, { start, byteCount, instructions });
    start += byteCount + random.pick([0, 0, 8, 40]);
  }
  const frame = Uint8Array.from(writer.bytes);
  const file = writeCfiElf({ frame, machine: machine.number });
  return { file, frame, address: writer.address };
}

/** A program of the machine that runs the test; some of its FDEs get other instructions. */
function realSubjects(): (machine: Machine, random: Random) => Subject {
  const path = "/bin/true";
  const original = new Uint8Array(readFileSync(path));
  const elf = readElf(bytesAccess(original, path));
  const [section] = readFrameSections(elf);
  const offset = elf.sections.find(({ name }) => name === ".eh_frame")?.offset;
  assert.ok(section !== undefined && offset !== undefined);
  const address = section.bases.section;
  const { fdes } = new NaiveUnwinder(section.bytes, address);
  return (machine, random) => {
    const file = original.slice();
    new DataView(file.buffer).setUint16(E_MACHINE, machine.number, true);
    const frame = file.subarray(offset, offset + section.bytes.length);
    const grammar = new CfiGrammar(random, machine.registers);
    const changed = Array.from({ length: FDES_CHANGED }, () => random.below(fdes.length));
    for (const number of changed) {
      const [from, to] = (fdes[number] as NaiveFde).instructions;
      const instructions = grammar.instructions(INSTRUCTIONS_MAX, to - from);
      // What is left is nop.
      frame.fill(0, from, to).set(instructions, from);
    }
    return { file, frame, address, changed };
  };
}
