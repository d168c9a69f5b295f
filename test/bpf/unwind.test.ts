import assert from "node:assert/strict";
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { describe, it } from "node:test";
import { dropBlockArrays, putBlockArray } from "../../src/linux/bpf-block-array.ts";
import { OnCpuSampler } from "../../src/receivers/ebpf/on-cpu-sampler.ts";
import {
  type RawSample,
  type StackResultName,
  sampleResult,
} from "../../src/receivers/ebpf/sample-record.ts";
import {
  BY_FRAME_POINTERS,
  BY_GUESS,
  UnwindMaps,
} from "../../src/receivers/ebpf/unwinding/unwind-maps.ts";
import { sleep } from "../../src/support/clock.ts";
import { tableBlocks } from "../../src/symbols/cfi/table-blocks.ts";
import * as cfi from "../../src/symbols/cfi/unwind-rows.ts";
import type { UnwindTable } from "../../src/symbols/cfi/unwind-table.ts";
import { buildProgram } from "../support/build-program.ts";
import { ExpectedWalk, type Region, type WalkedStack } from "../support/expected-walk.ts";
import { requirement } from "../support/requirements.ts";
import { startCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** As in still_state.c. */
const MEMORY = 0x1000_0000;
const MEMORY_BYTES = 0x2_0000;
const CODE = 0x2000_0000;
const LEAF = CODE + 0x100;
/** Of the code: the part with a table, the part that keeps frame pointers, what is guessed. */
const TABLE_BYTES = 0x2_0000;
const ANONYMOUS = CODE + TABLE_BYTES;
const GUESSED = ANONYMOUS + 0x1_0000;
const CODE_END = GUESSED + 0x1_0000;
/** Never mapped. */
const NOWHERE = 0x3000_0000;
const KERNEL = 0xffff_8880_0000_0000n;
const NOPS = 0x9090_9090_9090_9090n;

const SLOT = 7;
const RSP = 7;
const RBP = 6;
const RBX = 3;
const FREQUENCY_HZ = 2000;
const SAMPLE_WAIT_MS = 5000;

const SEEDS = 5;
const CASES = 100;

/** Registers by their DWARF numbers, then the rest of the memory. */
type Memory = BigUint64Array;

/** A rule at an offset in the code. */
interface Rule {
  readonly at: number;
  readonly cfa: number;
  readonly fp?: number;
  readonly cfaWords?: number;
  readonly fpWords?: number;
}

const { kindByte } = cfi;
const special = (at: number, rule: number): Rule => ({ at, cfa: kindByte(cfi.CFA_SPECIAL, rule) });
/** The caller's stack pointer is so many words from rsp. */
const fromSp = (at: number, cfaWords: number): Rule => ({
  at,
  cfa: kindByte(cfi.CFA_AT_REGISTER, RSP),
  cfaWords,
});

function tableOf(rules: readonly Rule[]): UnwindTable {
  const rows = new cfi.RowBuilder("test", { start: 0, end: TABLE_BYTES }, rules.length);
  for (const { at, cfa, fp = 0, cfaWords = 0, fpWords = 0 } of rules) {
    rows.add(at, cfi.packHead(cfa, fp), cfi.packOffsets(cfaWords, fpWords));
  }
  return { ...rows.finish(), machine: "x86_64" } as UnwindTable;
}

function regionOf(table: UnwindTable, address: bigint): Region {
  const at = Number(address);
  if (at >= CODE && at < ANONYMOUS) return { table, bias: BigInt(CODE) };
  if (at >= ANONYMOUS && at < GUESSED) return { guess: sampleResult.notAFrame };
  if (at >= GUESSED && at < CODE_END) return { guess: sampleResult.pending };
  return { guess: sampleResult.noMapping };
}

/** Eight bytes of the process, at any address. */
function wordAt(memory: Memory, address: bigint): bigint | undefined {
  const isIn = (start: number, bytes: number): boolean =>
    address >= BigInt(start) && address + 8n <= BigInt(start + bytes);
  if (isIn(CODE, CODE_END - CODE)) {
    return Math.abs(Number(address) - LEAF) < 8 ? assert.fail("reads the leaf") : NOPS;
  }
  if (!isIn(MEMORY, MEMORY_BYTES)) return undefined;
  return new DataView(memory.buffer).getBigUint64(Number(address) - MEMORY, true);
}

function stackOf({ user, userCount, result }: RawSample): WalkedStack {
  const frames = [...new BigUint64Array(user.buffer, 0, userCount)];
  return { frames, results: [result] };
}

/** A process that stands still, and the program in the kernel that walks its stack. */
class Bench implements AsyncDisposable {
  readonly #owned: AsyncDisposableStack;
  readonly #sampler: OnCpuSampler;
  readonly #maps: UnwindMaps;
  readonly #file: number;
  readonly #pid: number;
  readonly #registers: Memory;

  private constructor(
    owned: AsyncDisposableStack,
    parts: { sampler: OnCpuSampler; file: number; pid: number; registers: Memory },
  ) {
    this.#owned = owned;
    this.#sampler = parts.sampler;
    this.#maps = new UnwindMaps(parts.sampler.unwindMaps);
    this.#file = parts.file;
    this.#pid = parts.pid;
    this.#registers = parts.registers;
  }

  /** @param memory  its first 16 words are the registers, for good */
  static async start(memory: Memory): Promise<Bench> {
    await using stack = new AsyncDisposableStack();
    const path = stack.use(temporaryFolder()).file("image");
    writeFileSync(path, new Uint8Array(memory.buffer));
    const file = stack.adopt(openSync(path, "r+"), closeSync);
    const { pid } = stack.use(await startCommand(buildProgram("still_state.c"), [path]));
    const options = { frequencyHz: FREQUENCY_HZ, ringBytes: 1024 * 1024, startsPaused: true };
    const sampler = stack.use(OnCpuSampler.start({ ...options, pids: [pid] }));
    return new Bench(stack.move(), { sampler, file, pid, registers: memory.slice(0, 16) });
  }

  /** From here on the process is known, its code mapped but for the first part's table. */
  know(): void {
    assert.ok(this.#maps.know(this.#pid, this.#pid));
    this.#maps.addRanges(this.#pid, [
      { start: ANONYMOUS, end: GUESSED, ...BY_FRAME_POINTERS },
      { start: GUESSED, end: CODE_END, ...BY_GUESS },
    ]);
  }

  /** Puts a table in for the code's first part. */
  load(table: UnwindTable): void {
    const { blocks, base, pageCount } = tableBlocks(table);
    putBlockArray(this.#maps.tables, SLOT, blocks);
    const rules = { slot: SLOT, pageCount, tableStart: BigInt(CODE + base) };
    this.#maps.addRanges(this.#pid, [{ start: CODE, end: ANONYMOUS, ...rules }]);
  }

  drop(): void {
    dropBlockArrays(this.#maps.tables, [SLOT]);
  }

  /** Replaces the memory but for the registers. */
  write(memory: Memory): void {
    const bytes = new Uint8Array(memory.buffer, 128);
    writeSync(this.#file, bytes, 0, bytes.byteLength, 128);
  }

  /** The next stack of the process while it stands still. */
  async sample(): Promise<WalkedStack> {
    this.#sampler.drain(() => {});
    this.#sampler.resume();
    const found: WalkedStack[] = [];
    const end = performance.now() + SAMPLE_WAIT_MS;
    while (found.length === 0 && performance.now() < end) {
      await sleep(2);
      this.#sampler.drain((sample) => {
        const stack = stackOf(sample);
        if (stack.frames[0] === BigInt(LEAF)) found.push(stack);
      });
    }
    this.#sampler.pause();
    return found[0] ?? assert.fail("no sample");
  }

  /** What the kernel is to find. */
  expected(table: UnwindTable, memory: Memory): WalkedStack {
    const registers = this.#registers;
    const leaf = {
      pc: BigInt(LEAF),
      sp: registers[RSP] as bigint,
      fp: registers[RBP] as bigint,
      lr: 0n,
      isExact: true,
      register: (number: number) => registers[number],
    };
    const read = (address: bigint): bigint | undefined => wordAt(memory, address);
    return new ExpectedWalk(leaf, { regionOf: (at) => regionOf(table, at), read }).walk();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned[Symbol.asyncDispose]();
  }
}

/** Random numbers that are the same for each seed (xorshift). */
function randomOf(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

type Random = (below: number) => number;

/** What code may find where it was not prepared for it, and mostly a good stack. */
function randomWord(random: Random): bigint {
  const kind = random(100);
  if (kind < 75) return BigInt(randomCode(random));
  if (kind < 93) return BigInt(MEMORY + 8 * random(MEMORY_BYTES / 8));
  if (kind < 95) return 0n;
  if (kind < 96) return BigInt(random(4096));
  if (kind < 98) return KERNEL + BigInt(random(4096));
  return BigInt(NOWHERE + 8 * random(4096));
}

/** None whose low byte, read as an instruction of a leaf, begins or ends a frame. */
function randomCode(random: Random): number {
  const inTable = random(100) < 97;
  const offset = inTable ? random(TABLE_BYTES) : random(CODE_END - CODE);
  const low = offset & 0xff;
  const isTelling = [0xc2, 0xc3, 0xf3, 0x55].includes(low);
  const far = offset < 0x200 ? offset + 0x200 : offset;
  return CODE + (isTelling ? far + 1 : far);
}

function randomMemory(random: Random): Memory {
  const memory = new BigUint64Array(MEMORY_BYTES / 8);
  for (let word = 0; word < memory.length; word++) memory[word] = randomWord(random);
  memory[RSP] = BigInt(MEMORY + 0x400 + 8 * random(128));
  memory[RBP] = BigInt(MEMORY + 0x800 + 8 * random(128));
  return memory;
}

/** The stack pointer and the frame pointer have rules of their own. */
const OTHER_REGISTERS = [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];

function randomRule(at: number, random: Random): Rule {
  const register = [RSP, RSP, RBP, random(20)][random(4)] as number;
  const other = OTHER_REGISTERS[random(OTHER_REGISTERS.length)] as number;
  const fp = [
    kindByte(cfi.FP_SAME, 0),
    kindByte(cfi.FP_AT_CFA, 0),
    kindByte(cfi.FP_AT_FP, 0),
    kindByte(cfi.FP_AT_SP, 0),
    kindByte(cfi.FP_IN_REGISTER, other),
    kindByte(cfi.FP_UNDEFINED, 0),
  ][random(6)] as number;
  const offsets = { cfaWords: random(24) - 2, fpWords: random(8) - 4 };
  const extra = { fp: kindByte(fp & 3, random(4)) };
  const kind = random(100);
  if (kind < 72) return { ...fromSp(at, 1 + random(16)), fp, fpWords: offsets.fpWords };
  if (kind < 80) return { at, cfa: kindByte(cfi.CFA_AT_REGISTER, register), fp, ...offsets };
  if (kind < 84) return { at, cfa: kindByte(cfi.CFA_PLT, random(16)), fp, ...offsets };
  if (kind < 88) return { at, cfa: kindByte(cfi.CFA_DEREF, register), ...extra, ...offsets };
  if (kind < 90) return { at, cfa: kindByte(cfi.CFA_INDEXED, register), ...extra, ...offsets };
  if (kind < 92) return { at, cfa: kindByte(cfi.CFA_RA_REGISTER, other), fp, ...offsets };
  if (kind < 93) return { at, cfa: kindByte(cfi.CFA_FAR, register), fp: 0, ...offsets };
  if (kind < 95) return { at, cfa: kindByte(cfi.CFA_LEAF, register), fp, ...offsets };
  return { ...special(at, random(6)), cfaWords: random(64) - 10 };
}

/** Rules all over the code, the first page's beginning left out in one table of two. */
function randomTable(random: Random): UnwindTable {
  const rules: Rule[] = [];
  for (let at = random(2) * 0x80; at < TABLE_BYTES; at += 1 + random(2000)) {
    rules.push(randomRule(at, random));
  }
  return tableOf(rules);
}

function assertSame(found: WalkedStack, expected: WalkedStack, name: string): void {
  assert.deepEqual(found.frames, expected.frames, name);
  const [result] = found.results as [number];
  assert.ok(expected.results.includes(result), `${name}: ${result}, not ${expected.results}`);
}

const skip = process.arch === "x64" ? requirement("root", "bpf") : "the program is one of x86-64";

/** The leaf's rule, and what its caller at CODE + 0x1000 has. */
function leafAnd(caller: Rule): UnwindTable {
  return tableOf([fromSp(0, 1), { ...caller, at: 0x1000 }]);
}

const CALLER = CODE + 0x1010;
/** Where the leaf's return address stands. */
const TOP = MEMORY + 0x400;

/** Memory in which the leaf was called from CALLER. */
function calledMemory(words: Readonly<Record<number, bigint>> = {}): Memory {
  const memory = new BigUint64Array(MEMORY_BYTES / 8);
  memory[RSP] = BigInt(TOP);
  memory[(TOP - MEMORY) / 8] = BigInt(CALLER);
  for (const [at, word] of Object.entries(words)) memory[Number(at)] = word;
  return memory;
}

const plainEnds: readonly {
  readonly result: StackResultName;
  readonly caller: Rule;
  readonly words?: Readonly<Record<number, bigint>>;
}[] = [
  { result: "complete", caller: special(0, cfi.SPECIAL_END) },
  { result: "noRule", caller: special(0, cfi.SPECIAL_CANNOT) },
  {
    result: "noRegister",
    caller: { at: 0, cfa: kindByte(cfi.CFA_AT_REGISTER, RBX), cfaWords: 1 },
  },
  { result: "badFrame", caller: fromSp(0, 0), words: { [(TOP - MEMORY) / 8 + 1]: 5n } },
  {
    result: "unreadable",
    caller: { at: 0, cfa: kindByte(cfi.CFA_FAR, RSP), fp: kindByte(cfi.FP_SAME, 31) },
  },
  { result: "notAFrame", caller: special(0, cfi.SPECIAL_FRAME_POINTER), words: { [RBP]: 3n } },
  {
    result: "noMapping",
    caller: fromSp(0, 1),
    words: { [(TOP - MEMORY) / 8 + 1]: BigInt(NOWHERE) },
  },
  {
    result: "pending",
    caller: fromSp(0, 1),
    words: { [(TOP - MEMORY) / 8 + 1]: BigInt(GUESSED + 16) },
  },
];

describe("a walk by tables in the kernel", { skip }, () => {
  for (const { result, caller, words } of plainEnds) {
    it(`ends as ${result}`, async () => {
      const memory = calledMemory(words);
      await using bench = await Bench.start(memory);
      bench.know();
      const table = leafAnd(caller);
      bench.load(table);
      const found = await bench.sample();
      assert.deepEqual(found.results, [sampleResult[result]]);
      assert.deepEqual(found.frames.slice(0, 2), [BigInt(LEAF), BigInt(CALLER)]);
      assertSame(found, bench.expected(table, memory), result);
    });
  }

  it("is truncated behind 512 frames", async () => {
    const memory = calledMemory().fill(BigInt(CALLER), (TOP - MEMORY) / 8);
    await using bench = await Bench.start(memory);
    bench.know();
    const table = leafAnd(fromSp(0, 1));
    bench.load(table);
    const found = await bench.sample();
    assert.deepEqual(found.results, [sampleResult.truncated]);
    assert.equal(found.frames.length, 512);
  });

  it("is pending before the process is known, and again when its table is gone", async () => {
    const table = leafAnd(special(0, cfi.SPECIAL_END));
    await using bench = await Bench.start(calledMemory());
    bench.load(table);
    assert.deepEqual((await bench.sample()).results, [sampleResult.pending]);
    bench.know();
    assert.deepEqual((await bench.sample()).results, [sampleResult.complete]);
    bench.drop();
    assert.deepEqual((await bench.sample()).results, [sampleResult.noRule]);
  });

  for (let seed = 1; seed <= SEEDS; seed++) {
    it(`is that of the reference, whatever tables and stacks say (seed ${seed})`, async () => {
      const random = randomOf(seed * 7919);
      const first = randomMemory(random);
      await using bench = await Bench.start(first);
      bench.know();
      const seen = new Set<number>();
      let frames = 0;
      for (let turn = 0; turn < CASES; turn++) {
        const memory = randomMemory(random);
        memory.set(first.subarray(0, 16));
        const table = randomTable(random);
        bench.write(memory);
        bench.load(table);
        const found = await bench.sample();
        assertSame(found, bench.expected(table, memory), `case ${turn}`);
        seen.add(found.results[0] as number);
        frames += found.frames.length;
      }
      assert.ok(seen.size >= 5, `only the results ${[...seen]}`);
      assert.ok(frames > 2 * CASES, `${frames} frames`);
    });
  }
});

/** An ELF file of 32-bit x86 whose code is a loop of one instruction. */
function compatProgram(): Uint8Array {
  const bytes = new Uint8Array(0x56);
  const view = new DataView(bytes.buffer);
  const base = 0x0804_8000;
  const words = (at: number, ...values: readonly number[]): void => {
    for (const [index, value] of values.entries()) view.setUint32(at + 4 * index, value, true);
  };
  // Ehdr: class 1, little endian, version 1; ET_EXEC, EM_386.
  words(0, 0x464c_457f, 0x0001_0101);
  words(16, 0x0003_0002, 1, base + 0x54, 0x34, 0, 0, 0x0020_0034, 1);
  // Phdr: PT_LOAD of the whole file, to be read and executed.
  words(0x34, 1, 0, base, base, bytes.length, bytes.length, 5, 0x1000);
  bytes.set([0xeb, 0xfe], 0x54);
  return bytes;
}

/** Samples until one has the result. */
async function sampleWith(result: number, pids: readonly number[] | undefined): Promise<RawSample> {
  const options = { frequencyHz: 997, ringBytes: 8 * 1024 * 1024 };
  using sampler = OnCpuSampler.start({ ...options, ...(pids !== undefined && { pids }) });
  const found: RawSample[] = [];
  const end = performance.now() + SAMPLE_WAIT_MS;
  while (found.length === 0 && performance.now() < end) {
    await sleep(20);
    sampler.drain((sample) => {
      if (sample.result === result) found.push({ ...sample });
    });
  }
  return found[0] ?? assert.fail("no such sample");
}

describe("a stack that is not walked", { skip }, () => {
  it("is that of a 32-bit program", async () => {
    using folder = temporaryFolder();
    const path = folder.file("compat");
    writeFileSync(path, compatProgram(), { mode: 0o700 });
    await using program = await startCommand(path);
    const { userCount, pid } = await sampleWith(sampleResult.compat, [program.pid]);
    assert.deepEqual({ userCount, pid }, { userCount: 0, pid: program.pid });
  });

  it("is that of a kernel thread", async () => {
    using folder = temporaryFolder();
    // What is written back is written by one.
    const writes = [`of=${folder.file("zeros")}`, "bs=64k", "count=4000", "oflag=dsync"];
    await using writer = await startCommand("dd", ["if=/dev/zero", ...writes]);
    const { userCount, pid } = await sampleWith(sampleResult.kernelThread, undefined);
    assert.equal(userCount, 0);
    assert.notEqual(pid, writer.pid);
  });
});
