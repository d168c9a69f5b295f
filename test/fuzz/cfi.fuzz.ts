import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { readFrameSections } from "../../src/symbols/cfi/frame-sections.ts";
import { FrameWriter, TEXT, writeCfiElf } from "../../src/symbols/cfi/testing/cfi-writer.ts";
import { WORDS_PER_ROW } from "../../src/symbols/cfi/unwind-rows.ts";
import { findRule, unwindStep } from "../../src/symbols/cfi/unwind-step.ts";
import { buildUnwindTable, type UnwindTable } from "../../src/symbols/cfi/unwind-table.ts";
import { readElf, type Section } from "../../src/symbols/elf/elf-file.ts";
import { bytesAccess } from "../../src/symbols/elf/random-access.ts";
import { PAGE } from "../hostile/elf-image.ts";
import { goProgram } from "../hostile/go-files.ts";
import { bounded, FUZZ_SEED, fuzzFor } from "./fuzzing.ts";
import { mutated, noise, Random } from "./mutate.ts";

/**
 * Call frame information of profiled processes is hostile [S4, S5]: whatever the bytes, a table
 * in order or one of the two errors, in time and in bounded memory.
 */

const NOISE_BYTES_MAX = 4096;
const EM_AARCH64 = 183;
const STEPS_MAX = 64;

describe("fuzz: call frame information", () => {
  it("reads or refuses any bytes", (test) => {
    const random = new Random(FUZZ_SEED);
    const sources = { ...seeds(), random };
    let accepted = 0;
    const runCase = (count: number): void => {
      if (judge(inputOf(count, sources))) accepted++;
    };
    fuzzFor("cfi", runCase, (text) => test.diagnostic(`${text}, ${accepted} accepted`));
  });
});

interface Sources {
  readonly real: Uint8Array;
  /** The .eh_frame of `real`. */
  readonly frame: Uint8Array;
  /** The .text of `real`. */
  readonly text: Uint8Array;
  readonly written: Uint8Array;
  /** A program of Go, and where its table of functions is. */
  readonly go: Uint8Array;
  readonly goTable: { readonly offset: number; readonly size: number };
  readonly random: Random;
}

function seeds(): Omit<Sources, "random"> {
  const real = readFileSync("/bin/true");
  const [section] = readFrameSections(readElf(bytesAccess(real, "seed")));
  const writer = new FrameWriter();
  const cie = writer.cie({
    augmentation: "zPLR",
    augmentationData: [0x9b, 0, 0, 0, 0, 0x1b, 0x1b],
  });
  writer.fde(cie, { instructions: [0x41, 0x0e, 16, 0x86, 2, 0x0a, 0x48, 0x0d, 6, 0x0b, 0xc6] });
  const signal = writer.cie({ augmentation: "zRS" });
  const deref = [0x0f, 3, 0x76, 0x78, 6, 0x10, 6, 2, 0x76, 0];
  writer.fde(signal, { start: TEXT + 0x200, instructions: deref });
  return {
    real,
    frame: section?.bytes ?? real,
    text: sectionOf(real, ".text").bytes,
    written: Uint8Array.from(writer.bytes),
    ...goSeed(),
  };
}

function goSeed(): Pick<Sources, "go" | "goTable"> {
  // The stack pointer at the entry, a word below it, far below it, and back.
  const places = Uint8Array.from([2, 4, 16, 8, 128, 1, 20, 143, 1, 32, 0]);
  const table = { count: 64, entry: (index: number): number => PAGE + 64 * index, places };
  const go = goProgram(0, table, 4 * PAGE).toBytes();
  return { go, goTable: sectionOf(go, ".gopclntab") };
}

function sectionOf(file: Uint8Array, name: string): Section & { readonly bytes: Uint8Array } {
  const section = readElf(bytesAccess(file, "seed")).sections.find((one) => one.name === name);
  assert.ok(section !== undefined, name);
  const bytes = file.subarray(section.offset, section.offset + section.size);
  return { ...section, bytes };
}

/** The table mutated where it is, and the rest of the file as it was. */
function mutatedGo({ go, goTable, random }: Sources): Uint8Array {
  const { offset, size } = goTable;
  const table = go.subarray(offset, offset + size);
  const result = Uint8Array.from(go);
  result.set(mutated(table, table, random).subarray(0, size), offset);
  return result;
}

/** By turns: a file mutated as a whole, sections mutated in a good file, noise as a section. */
function inputOf(count: number, sources: Sources): Uint8Array {
  const { real, frame, text, written, random } = sources;
  const machine = count % 2 === 0 ? 62 : EM_AARCH64;
  switch (count % 7) {
    case 0:
      return mutated(real, real, random);
    case 1:
      return writeCfiElf({ frame: mutated(frame, written, random), machine });
    case 2:
      return writeCfiElf({ frame: noise(random, NOISE_BYTES_MAX), machine, isDebugFrame: true });
    case 3:
      return mutated(
        writeCfiElf({ frame: written, machine, withoutSections: true }),
        frame,
        random,
      );
    case 4:
      return writeCfiElf({ frame: mutated(written, frame, random), machine });
    case 5:
      return writeCfiElf({ frame: [], text: mutated(text, frame, random), machine });
    default:
      return mutatedGo(sources);
  }
}

/** True when the bytes had a table. */
function judge(input: Uint8Array): boolean {
  const result = bounded(input.length, () => {
    const table = buildUnwindTable(readElf(bytesAccess(input, "fuzzed")));
    if ("rows" in table) walk(table);
    return table;
  });
  if (result instanceof Error || !("rows" in result)) return false;
  checkOrder(result);
  return true;
}

/** Any table can be looked up and walked; memory holds what lies above. */
function walk(table: UnwindTable): void {
  for (const address of [0, table.base - 1, TEXT, TEXT + 0x88, 2 ** 52]) findRule(table, address);
  const read = (address: bigint): bigint => address + 0x10n;
  let frame = { pc: BigInt(TEXT), sp: 0x1000n, fp: 0x2000n, lr: 0n, isExact: true };
  for (let step = 0; step < STEPS_MAX; step++) {
    const result = unwindStep(table, frame, { bias: 0n, read });
    if (!("caller" in result)) return;
    frame = { ...result.caller, pc: BigInt(TEXT + step) };
  }
}

function checkOrder({ rows, pageFirst, statistics }: UnwindTable): void {
  assert.equal(pageFirst.at(-1), rows.length / WORDS_PER_ROW);
  assert.equal(statistics.rows, rows.length / WORDS_PER_ROW);
  for (let page = 0; page + 1 < pageFirst.length; page++) {
    let before = -1;
    const end = pageFirst[page + 1] as number;
    assert.ok((pageFirst[page] as number) <= end, `page ${page}`);
    for (let row = pageFirst[page] as number; row < end; row++) {
      const low = (rows[row * WORDS_PER_ROW] as number) & 0xffff;
      assert.ok(low > before, `row ${row} of page ${page}`);
      before = low;
    }
  }
}
