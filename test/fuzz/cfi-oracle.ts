import assert from "node:assert/strict";
import type { NaiveFde, NaiveUnwinder } from "../../src/symbols/cfi/testing/naive-unwinder.ts";
import { CFA_DEREF, FP_UNDEFINED } from "../../src/symbols/cfi/unwind-rows.ts";
import { findRule, type UnwindRule, unwindStep } from "../../src/symbols/cfi/unwind-step.ts";
import type { UnwindTable } from "../../src/symbols/cfi/unwind-table.ts";
import type { CfiRegisters } from "./cfi-grammar.ts";
import type { Random } from "./mutate.ts";

const REGISTERS = 33;
const MASK = (1n << 64n) - 1n;
const ARM64_ADDRESS_MASK = (1n << 48n) - 1n;

/** What a comparison came to. */
export type Comparison =
  /** Both have the same caller, or the same end. */
  | "same"
  /** The table does not know: never wrong. */
  | "cannot"
  /** The plain interpreter does not know what the bytes mean. */
  | "no oracle";

/** Memory that holds at each address another address above it. */
function read(address: bigint): bigint {
  return (address + 0x1000n + ((address * 0x9e3779b97f4a7c15n) & 0xfff8n)) & MASK;
}

/**
 * Unwinds a made-up leaf by the table and by a plain interpreter of the FDE.
 *
 * @throws AssertionError  when the table gives another caller than the FDE
 */
export function compareStep(
  table: UnwindTable,
  naive: NaiveUnwinder,
  place: {
    readonly fde: NaiveFde;
    readonly address: number;
    readonly numbers: CfiRegisters;
    readonly random: Random;
  },
): Comparison {
  const { fde, address, numbers, random } = place;
  const isX86 = table.machine === "x86_64";
  const values = Array.from({ length: REGISTERS }, () => BigInt(random.below(2 ** 32)) * 8n);
  const pc = BigInt(address);
  const register = (number: number): bigint => {
    if (isX86 && number === numbers.ra) return pc;
    const value = values[number];
    if (value === undefined) throw new RangeError(`register ${number}`);
    return value;
  };
  const [sp, fp] = [register(numbers.sp), register(numbers.fp)];
  const frame = { pc, sp, fp, lr: isX86 ? 0n : register(numbers.ra), isExact: true };
  const known = (number: number): bigint | undefined =>
    number < REGISTERS ? register(number) : undefined;
  const step = unwindStep(table, { ...frame, register: known }, { bias: 0n, read });
  const expected = expectedOf(() => naive.unwind(fde, address, { register, read }, numbers.fp));
  if (expected === undefined) return "no oracle";
  const rule = findRule(table, address);
  const where = `0x${address.toString(16)} ${table.machine}: ${JSON.stringify(rule)}`;
  if ("end" in step) {
    assert.equal(expected.pc, "undefined", `${where}: the end`);
    return "same";
  }
  if ("failed" in step) {
    if (step.failed === "no_progress") assert.ok(expected.sp <= sp, `${where}: no progress`);
    return step.failed === "no_progress" ? "same" : "cannot";
  }
  if (isOfCallSite(rule)) return "no oracle";
  const { caller } = step;
  assert.equal(caller.sp, expected.sp, `${where}: sp`);
  const addressMask = isX86 ? MASK : ARM64_ADDRESS_MASK;
  assert.notEqual(expected.pc, "undefined", `${where}: no end`);
  assert.equal(caller.pc, (expected.pc as bigint) & addressMask, `${where}: pc`);
  const isFpUnknown = isX86 && rule?.fpKind === FP_UNDEFINED;
  const expectedFp = expected.fp === "undefined" ? 0n : expected.fp;
  if (!isFpUnknown) assert.equal(caller.fp, expectedFp, `${where}: fp`);
  return "same";
}

/**
 * Within a call instruction the table may say where the callee has saved the register that the FDE
 * names: the leaf, which this interpreter unwinds, never stands there.
 */
function isOfCallSite(rule: UnwindRule | undefined): boolean {
  const DWARF_RSP = 7;
  return rule?.kind === CFA_DEREF && rule.register === DWARF_RSP && rule.cfaOffset < 0;
}

/** Undefined for what the interpreter was not made for: it believes its input. */
function expectedOf<Caller>(unwind: () => Caller): Caller | undefined {
  try {
    return unwind();
  } catch {
    return undefined;
  }
}
