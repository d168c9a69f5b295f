import {
  ARM_FRAME,
  ARM_LR,
  ARM_LR_FP,
  ARM_RA,
  CFA_AT_REGISTER,
  CFA_DEREF,
  CFA_FAR,
  CFA_INDEXED,
  CFA_LEAF,
  CFA_PLT,
  CFA_RA_REGISTER,
  CFA_SPECIAL,
  EXTRA_MAX,
  FP_AT_CFA,
  FP_AT_FP,
  FP_AT_SP,
  FP_IN_REGISTER,
  FP_SAME,
  PAGE_BYTES,
  SPECIAL_END,
  SPECIAL_FRAME_POINTER,
  SPECIAL_GAP,
  SPECIAL_SIGNAL,
  type UnwindRows,
  WORDS_PER_ROW,
} from "./unwind-rows.ts";
import type { UnwindMachine, UnwindTable } from "./unwind-table.ts";

/** A row as its fields, offsets in bytes. */
export interface UnwindRule {
  /** CFA_… of unwind-rows.ts. */
  readonly kind: number;
  /** Register, threshold of a PLT, or SPECIAL_…. */
  readonly register: number;
  readonly cfaOffset: number;
  /** FP_… or ARM_…, by the machine. */
  readonly fpKind: number;
  /** As it stands, without a sign. */
  readonly fpExtra: number;
  readonly fpOffset: number;
}

/** What is known of a thread at one frame. */
export interface FrameRegisters {
  readonly pc: bigint;
  readonly sp: bigint;
  readonly fp: bigint;
  /** x30 of arm64; 0 on x86-64. */
  readonly lr: bigint;
  /** `pc` is where the thread is, as in the leaf, and not where a call returns to. */
  readonly isExact: boolean;
  /** How often the chain of frame pointers has led to another stack so far. */
  readonly stackSwitches?: number;
  /** Any register by its DWARF number, where all are known: in the leaf, and behind a signal. */
  readonly register?: (number: number) => bigint | undefined;
}

export type UnwindStep =
  | { readonly caller: FrameRegisters }
  | { readonly end: "undefined_return_address" | "zero_frame_pointer" | "zero_return_address" }
  | { readonly failed: "no_rule" | "unread_memory" | "unknown_register" | "no_progress" };

/** The 64-bit word of the thread's memory; undefined when it cannot be read. */
export type ReadMemory = (address: bigint) => bigint | undefined;

const WORD_BYTES = 8n;
/** Go's scheduler has one stack, and a signal handler another. More would be a circle. */
const STACK_SWITCHES_MAX = 2;
const USER_ADDRESS_MASK = (1n << 48n) - 1n;
const WORD_MASK = (1n << 64n) - 1n;
/** From rsp's place in the kernel's frame: rip, and rbp. */
const X86_SIGNAL_PC = 8n;
const X86_SIGNAL_FP = -40n;
/** DWARF numbers of the kernel's struct sigcontext, in its order. */
const X86_SIGNAL_REGISTERS = [8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7];
const X86_RSP = 7;
const ARM64_SIGNAL_FP = 29n * 8n;
const ARM64_SIGNAL_LR = 30n * 8n;
const ARM64_SIGNAL_SP = 31n * 8n;
const ARM64_SIGNAL_PC = 32n * 8n;

/** The rule for an address of the file; undefined before the first row. */
export function findRule(table: UnwindRows, address: number): UnwindRule | undefined {
  const row = findRow(table, address);
  return row < 0 ? undefined : ruleOf(table.rows, row);
}

/** The number of the row that holds the address; −1 before the first and outside of the pages. */
export function findRow({ base, rows, pageFirst }: UnwindRows, address: number): number {
  const distance = address - base;
  const page = Math.floor(distance / PAGE_BYTES);
  if (!(page >= 0 && page < pageFirst.length - 1)) return -1;
  const low = distance % PAGE_BYTES;
  let first = pageFirst[page] as number;
  let end = pageFirst[page + 1] as number;
  while (first < end) {
    const middle = (first + end) >>> 1;
    if (((rows[middle * WORDS_PER_ROW] as number) & 0xffff) <= low) first = middle + 1;
    else end = middle;
  }
  return first - 1;
}

/** Unpacks a row by its number. */
export function ruleOf(rows: Uint32Array, row: number): UnwindRule {
  const first = rows[row * WORDS_PER_ROW] as number;
  const second = rows[row * WORDS_PER_ROW + 1] as number;
  const cfa = (first >>> 16) & 0xff;
  const fp = first >>> 24;
  const isFar = (cfa & 7) === CFA_FAR;
  return {
    kind: cfa & 7,
    register: cfa >>> 3,
    cfaOffset: (isFar ? (second & 0xffff) + (fp >>> 3) * 65_536 : (second << 16) >> 16) * 8,
    fpKind: fp & 7,
    fpExtra: fp >>> 3,
    fpOffset: (second >> 16) * 8,
  };
}

/**
 * One frame up: what `registers` are at its caller. It is the reference for the program in the
 * kernel, and what the ptrace profiler walks with.
 *
 * @param bias  address in the process less address in the file
 */
export function unwindStep(
  table: UnwindTable,
  registers: FrameRegisters,
  { bias, read }: { readonly bias: bigint; readonly read: ReadMemory },
): UnwindStep {
  const back = registers.isExact ? 0n : table.machine === "arm64" ? 4n : 1n;
  const rule = findRule(table, Number(registers.pc - bias - back));
  if (rule === undefined) return { failed: "no_rule" };
  const step = new FrameStep(table.machine, rule, { registers, read });
  const result = rule.kind === CFA_SPECIAL ? step.special() : step.byCfa();
  if (!("caller" in result) || result.caller.isExact) return result;
  // What a thread finds on its stack before anybody has written there.
  if (result.caller.pc === 0n) return { end: "zero_return_address" };
  if (result.caller.stackSwitches !== undefined) return result;
  // A leaf of arm64 has its caller's sp; nothing else leaves sp where it was.
  const isHigher = result.caller.sp > registers.sp;
  const isLeaf = registers.isExact && result.caller.sp === registers.sp;
  return isHigher || isLeaf ? result : { failed: "no_progress" };
}

interface FrameContext {
  readonly registers: FrameRegisters;
  readonly read: ReadMemory;
}

class FrameStep {
  readonly #isX86: boolean;
  readonly #rule: UnwindRule;
  readonly #registers: FrameRegisters;
  readonly #read: ReadMemory;

  constructor(machine: UnwindMachine, rule: UnwindRule, { registers, read }: FrameContext) {
    this.#isX86 = machine === "x86_64";
    this.#rule = rule;
    this.#registers = registers;
    this.#read = read;
  }

  special(): UnwindStep {
    const { fp, isExact } = this.#registers;
    switch (this.#rule.register) {
      case SPECIAL_END:
        return { end: "undefined_return_address" };
      case SPECIAL_SIGNAL:
        return this.#signal();
      case SPECIAL_FRAME_POINTER:
        return this.#framePointer();
      case SPECIAL_GAP:
        // In the innermost frame a register that is zero means nothing.
        return fp === 0n && !isExact ? { end: "zero_frame_pointer" } : { failed: "no_rule" };
      default:
        return { failed: "no_rule" };
    }
  }

  byCfa(): UnwindStep {
    if (this.#rule.kind === CFA_LEAF && !this.#registers.isExact) return this.#framePointer();
    const cfa = this.#cfa();
    if (typeof cfa !== "bigint") return cfa;
    return this.#isX86 ? this.#x86(cfa) : this.#arm64(cfa);
  }

  #cfa(): bigint | UnwindStep {
    const { kind, register, cfaOffset, fpExtra } = this.#rule;
    const { sp, pc } = this.#registers;
    const offset = BigInt(cfaOffset);
    if (kind === CFA_RA_REGISTER) return sp + offset;
    if (kind === CFA_PLT) {
      return sp + offset + (Number(pc & 15n) >= register ? WORD_BYTES : 0n);
    }
    const value = this.#register(register);
    if (value === undefined) return { failed: "unknown_register" };
    if (kind === CFA_AT_REGISTER || kind === CFA_FAR || kind === CFA_LEAF)
      return (value + offset) & WORD_MASK;
    if (kind !== CFA_DEREF && kind !== CFA_INDEXED) return { failed: "no_rule" };
    const at = kind === CFA_DEREF ? value + offset : sp + offset + value * WORD_BYTES;
    const word = this.#read(at & WORD_MASK);
    if (word === undefined) return { failed: "unread_memory" };
    return this.#isX86 ? word + BigInt(fpExtra * 8) : word;
  }

  #register(number: number): bigint | undefined {
    const { sp, fp, lr, isExact, register } = this.#registers;
    if (number === (this.#isX86 ? 7 : 31)) return sp;
    if (number === (this.#isX86 ? 6 : 29)) return fp;
    if (number === 30 && !this.#isX86 && isExact) return lr;
    return register?.(number);
  }

  #x86(cfa: bigint): UnwindStep {
    const { kind, register } = this.#rule;
    const isInRegister = kind === CFA_RA_REGISTER;
    const pc = isInRegister ? this.#register(register) : this.#read(cfa - WORD_BYTES);
    if (pc === undefined) return { failed: isInRegister ? "unknown_register" : "unread_memory" };
    const fp = this.#x86FramePointer(cfa);
    if (fp === undefined) return { failed: "unread_memory" };
    return { caller: { pc, sp: cfa, fp, lr: 0n, isExact: false } };
  }

  #x86FramePointer(cfa: bigint): bigint | undefined {
    const { fpKind, fpExtra, fpOffset } = this.#rule;
    const { sp, fp } = this.#registers;
    const offset = BigInt(fpOffset);
    switch (fpKind) {
      case FP_SAME:
        return fp;
      case FP_AT_CFA:
        return this.#read(cfa + offset);
      case FP_AT_FP:
        return this.#read(fp + offset);
      case FP_AT_SP:
        return this.#read(sp + offset);
      case FP_IN_REGISTER:
        return this.#register(fpExtra) ?? 0n;
      default:
        return 0n;
    }
  }

  #arm64(cfa: bigint): UnwindStep {
    const { kind, fpKind, fpExtra, fpOffset } = this.#rule;
    const { fp, lr, isExact } = this.#registers;
    const at = cfa + BigInt(fpOffset);
    const usesLr = fpKind === ARM_LR || fpKind === ARM_LR_FP;
    // A caller's link register was overwritten by the call that it made.
    if (usesLr && !isExact) return { failed: "unknown_register" };
    const word = usesLr && fpKind === ARM_LR ? lr : this.#read(at);
    if (word === undefined) return { failed: "unread_memory" };
    if (fpKind === ARM_LR_FP) return this.#arm64Caller(cfa, lr, word);
    if (fpKind === ARM_LR || fpKind === ARM_RA) return this.#arm64Caller(cfa, word, fp);
    if (fpKind !== ARM_FRAME) return { failed: "no_rule" };
    const near = fpExtra > EXTRA_MAX >> 1 ? fpExtra - EXTRA_MAX - 1 : fpExtra;
    const distance = kind === CFA_FAR ? -1 : near;
    const callersFp = this.#read(at + BigInt(distance * 8));
    if (callersFp === undefined) return { failed: "unread_memory" };
    return this.#arm64Caller(cfa, word, callersFp);
  }

  #arm64Caller(sp: bigint, signedPc: bigint, fp: bigint): UnwindStep {
    return { caller: { pc: signedPc & USER_ADDRESS_MASK, sp, fp, lr: 0n, isExact: false } };
  }

  #framePointer(): UnwindStep {
    const { fp } = this.#registers;
    if (fp === 0n) return { end: "zero_frame_pointer" };
    const callersFp = this.#read(fp);
    const pc = this.#read(fp + WORD_BYTES);
    if (callersFp === undefined || pc === undefined) return { failed: "unread_memory" };
    const { stackSwitches: before = 0 } = this.#registers;
    const stackSwitches = callersFp !== 0n && callersFp <= fp ? before + 1 : before;
    if (stackSwitches > STACK_SWITCHES_MAX) return { failed: "no_progress" };
    const callersPc = this.#isX86 ? pc : pc & USER_ADDRESS_MASK;
    const sp = fp + 2n * WORD_BYTES;
    return {
      caller: { pc: callersPc, sp, fp: callersFp, lr: 0n, isExact: false, stackSwitches },
    };
  }

  #signal(): UnwindStep {
    const at = this.#registers.sp + BigInt(this.#rule.cfaOffset);
    const [spAt, pcAt, fpAt] = this.#isX86
      ? [0n, X86_SIGNAL_PC, X86_SIGNAL_FP]
      : [ARM64_SIGNAL_SP, ARM64_SIGNAL_PC, ARM64_SIGNAL_FP];
    const sp = this.#read(at + spAt);
    const pc = this.#read(at + pcAt);
    const fp = this.#read(at + fpAt);
    const lr = this.#isX86 ? 0n : this.#read(at + ARM64_SIGNAL_LR);
    if (sp === undefined || pc === undefined || fp === undefined || lr === undefined) {
      return { failed: "unread_memory" };
    }
    const register = this.#signalRegister(at);
    return { caller: { pc, sp, fp, lr, isExact: true, register } };
  }

  /** What the signal interrupted had in its registers. */
  #signalRegister(spAt: bigint): (number: number) => bigint | undefined {
    if (!this.#isX86) return (number) => this.#read(spAt + BigInt(number) * WORD_BYTES);
    return (number) => {
      const word = X86_SIGNAL_REGISTERS.indexOf(number) - X86_SIGNAL_REGISTERS.indexOf(X86_RSP);
      return X86_SIGNAL_REGISTERS.includes(number)
        ? this.#read(spAt + BigInt(word) * WORD_BYTES)
        : undefined;
    };
  }
}
