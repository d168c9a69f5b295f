import assert from "node:assert/strict";
import { closeSync, globSync, openSync, realpathSync } from "node:fs";
import { describe, it } from "node:test";
import { type ElfFile, readElf } from "../elf/elf-file.ts";
import { fileAccess } from "../elf/random-access.ts";
import { readFrameSections } from "./frame-sections.ts";
import { type NaiveFde, NaiveUnwinder } from "./testing/naive-unwinder.ts";
import {
  CFA_AT_REGISTER,
  CFA_RA_REGISTER,
  CFA_SPECIAL,
  kindByte,
  packOffsets,
  RowBuilder,
  SPECIAL_CANNOT,
  signalRule,
} from "./unwind-rows.ts";
import { findRule, unwindStep } from "./unwind-step.ts";
import { buildUnwindTable, type UnwindTable } from "./unwind-table.ts";

const ADDRESSES_PER_FILE = 20_000;
const MASK = (1n << 64n) - 1n;

/** The same numbers each run; another seed by the environment. */
const SEED = Number(process.env["FUZZ_SEED"] ?? 1);

function randomFrom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Memory that holds at each address another address above it, so that stacks go up. */
function read(address: bigint): bigint {
  return (address + 0x1000n + ((address * 0x9e3779b97f4a7c15n) & 0xfff8n)) & MASK;
}

describe("unwinding one frame", () => {
  const libraries = "/usr/lib/{x86_64,aarch64}-linux-gnu/lib{c.so.6,crypto.so.3,stdc++.so.6}";
  const paths = [process.execPath, ...globSync(libraries)].map((path) => realpathSync(path));
  for (const path of paths) {
    it(`${path}: as a plain interpreter of its FDEs does`, (test) => {
      const fd = openSync(path, "r");
      try {
        test.diagnostic(compareFile(readElf(fileAccess(fd, path))));
      } finally {
        closeSync(fd);
      }
    });
  }
});

const TEXT = 0x1000;

/** A table of three rules: of a signal's stub, of glibc's vfork, of what has pushed nothing. */
function tableOfThree(): UnwindTable {
  const rows = new RowBuilder("test", { start: TEXT, end: TEXT + 0x1000 }, 3);
  const signal = signalRule(true);
  rows.add(TEXT, signal.head, signal.offsets);
  rows.add(TEXT + 0x10, kindByte(CFA_RA_REGISTER, 5), 0);
  rows.add(TEXT + 0x20, kindByte(CFA_AT_REGISTER, 7), packOffsets(1, 0));
  return { machine: "x86_64", ...rows.finish() } as UnwindTable;
}

describe("behind a signal", () => {
  it("every register is what the signal interrupted", () => {
    // Each word of the stack holds its own number above 0x1000, as do the registers there.
    const read = (address: bigint): bigint => 0x1000n + (address - 0x7000n) / 8n;
    const frame = { pc: 0x1000n, sp: 0x7000n, fp: 0n, lr: 0n, isExact: true };
    const step = unwindStep(tableOfThree(), frame, { bias: 0n, read });
    assert.ok("caller" in step);
    const { pc, sp, fp, register } = step.caller;
    assert.deepEqual([pc, sp, fp], [0x1015n, 0x1014n, 0x100fn]);
    const [di, r15, cx] = [5, 15, 2].map((number) => register?.(number));
    assert.deepEqual([di, r15, cx], [0x100dn, 0x100cn, 0x1013n]);
    const inVfork = { ...step.caller, pc: 0x1010n };
    const behind = unwindStep(tableOfThree(), inVfork, { bias: 0n, read });
    assert.ok("caller" in behind);
    assert.equal(behind.caller.pc, 0x100dn);
  });
});

describe("a return address of 0", () => {
  it("is the end of the stack: a thread that has just begun", () => {
    const frame = { pc: 0x1020n, sp: 0x7000n, fp: 1n, lr: 0n, isExact: true };
    const step = unwindStep(tableOfThree(), frame, { bias: 0n, read: () => 0n });
    assert.deepEqual(step, { end: "zero_return_address" });
  });
});

function compareFile(elf: ElfFile): string {
  const table = buildUnwindTable(elf);
  const section = readFrameSections(elf)[0];
  assert.ok("rows" in table && section !== undefined);
  const naive = new NaiveUnwinder(section.bytes, section.bases.section);
  const fdes = naive.fdes.filter(({ start, end }) => start < end);
  const random = randomFrom(SEED);
  let cannot = 0;
  for (let count = 0; count < ADDRESSES_PER_FILE; count++) {
    const fde = fdes[Math.floor(random() * fdes.length)] as NaiveFde;
    const address = fde.start + Math.floor(random() * (fde.end - fde.start));
    if (!compareAt(table, naive, { fde, address, random })) cannot++;
  }
  assert.ok(cannot <= ADDRESSES_PER_FILE / 1000, `${cannot} without a rule`);
  return `${ADDRESSES_PER_FILE} addresses, ${cannot} without a rule`;
}

/** False when the row says "cannot". */
function compareAt(
  table: UnwindTable,
  naive: NaiveUnwinder,
  place: { fde: NaiveFde; address: number; random: () => number },
): boolean {
  const { fde, address, random } = place;
  const rule = findRule(table, address);
  if (rule?.kind === CFA_SPECIAL && rule.register === SPECIAL_CANNOT) return false;
  const isX86 = table.machine === "x86_64";
  const fpNumber = isX86 ? 6 : 29;
  const registers = Array.from({ length: 33 }, () => BigInt(Math.floor(random() * 2 ** 40)) * 8n);
  const bias = BigInt(Math.floor(random() * 2 ** 20)) * 4096n;
  const pc = BigInt(address) + bias;
  // The index of libcrypto's expression; its frames are small.
  registers[9] = BigInt(Math.floor(random() * 64));
  const register = (number: number): bigint =>
    number === 16 && isX86 ? pc : (registers[number] as bigint);
  const machine = { register, read };
  const expected = naive.unwind(fde, address, machine, fpNumber);
  const [sp, fp] = [register(isX86 ? 7 : 31), register(fpNumber)];
  const frame = { pc, sp, fp, lr: isX86 ? 0n : register(30), isExact: true, register };
  const step = unwindStep(table, frame, { bias, read });
  const where = `0x${address.toString(16)}: ${JSON.stringify(rule)}`;
  if (expected.pc === "undefined") {
    assert.deepEqual(step, { end: "undefined_return_address" }, where);
  } else if ("caller" in step) {
    assert.equal(step.caller.sp, expected.sp, `${where} sp`);
    const addressMask = isX86 ? MASK : (1n << 48n) - 1n;
    assert.equal(step.caller.pc, expected.pc & addressMask, `${where} pc`);
    assert.equal(step.caller.fp, expected.fp === "undefined" ? 0n : expected.fp, `${where} fp`);
  } else {
    // Made-up registers may put the caller's frame below the callee's, which is refused.
    assert.deepEqual(step, { failed: "no_progress" }, where);
    assert.ok(expected.sp <= sp, `${where} progress`);
  }
  return true;
}
