import { sampleResult, USER_FRAMES_MAX } from "../../src/receivers/ebpf/sample-record.ts";
import {
  CFA_LEAF,
  CFA_SPECIAL,
  SPECIAL_FRAME_POINTER,
  SPECIAL_SIGNAL,
} from "../../src/symbols/cfi/unwind-rows.ts";
import {
  type FrameRegisters,
  findRule,
  type ReadMemory,
  type UnwindRule,
  unwindStep,
} from "../../src/symbols/cfi/unwind-step.ts";
import type { UnwindTable } from "../../src/symbols/cfi/unwind-table.ts";

/** By which rules an address of the process is unwound, as the maps in the kernel say. */
export type Region =
  | { readonly table: UnwindTable; readonly bias: bigint }
  | { readonly guess: number };

export interface WalkedStack {
  readonly frames: bigint[];
  /** Of `sampleResult`: the one, or those of which the reference does not tell which. */
  readonly results: readonly number[];
}

const STACK_SWITCHES_MAX = 2;
const KERNEL_START = 1n << 63n;
const ADDRESS_MIN = 4096n;
/** From the interrupted rsp's place to the first register, and to behind rip. */
const SIGNAL_REGISTERS = { from: -120n, to: 8n };

type Step = { readonly caller: FrameRegisters } | { readonly result: number };

/**
 * The stack that the program in the kernel is to find on x86-64: by `unwindStep`, with the bounds
 * of the kernel's walk around it.
 */
export class ExpectedWalk {
  readonly #regionOf: (address: bigint) => Region;
  readonly #read: ReadMemory;
  #registers: FrameRegisters;
  #switches = 0;
  #guess: number | undefined;

  constructor(
    leaf: FrameRegisters,
    { regionOf, read }: { regionOf: (address: bigint) => Region; read: ReadMemory },
  ) {
    this.#registers = leaf;
    this.#regionOf = regionOf;
    this.#read = read;
  }

  walk(): WalkedStack {
    const frames = [this.#registers.pc];
    for (;;) {
      const step = this.#step();
      if ("result" in step) return { frames, results: this.#resultsOf(step.result) };
      this.#registers = step.caller;
      if (frames.length >= USER_FRAMES_MAX) return { frames, results: [sampleResult.truncated] };
      frames.push(step.caller.pc);
    }
  }

  #resultsOf(result: number): number[] {
    const ends = result === OPEN_END ? [sampleResult.complete, sampleResult.badFrame] : [result];
    const guess = this.#guess;
    if (guess === undefined) return ends;
    const isAnonymous = guess === sampleResult.notAFrame;
    return ends.map((end) => (isAnonymous && end === sampleResult.complete ? end : guess));
  }

  #step(): Step {
    const { pc, isExact } = this.#registers;
    const address = isExact ? pc : pc - 1n;
    const region = this.#regionOf(address);
    if ("guess" in region) {
      this.#guess ??= region.guess;
      const step = this.#framePointerStep();
      return "result" in step ? { result: this.#guess } : step;
    }
    const rule = findRule(region.table, Number(address - region.bias));
    if (rule === undefined) return { result: sampleResult.noRule };
    const isByFramePointer =
      rule.kind === CFA_SPECIAL
        ? rule.register === SPECIAL_FRAME_POINTER
        : rule.kind === CFA_LEAF && !isExact;
    return isByFramePointer ? this.#framePointerStep() : this.#ruleStep(rule, region);
  }

  #ruleStep(rule: UnwindRule, region: Exclude<Region, { guess: number }>): Step {
    const registers = this.#registers;
    const isSignal = rule.kind === CFA_SPECIAL && rule.register === SPECIAL_SIGNAL;
    if (isSignal && !this.#hasSignalFrame(registers.sp + BigInt(rule.cfaOffset))) {
      return { result: sampleResult.unreadable };
    }
    const step = unwindStep(region.table, registers, { bias: region.bias, read: this.#read });
    if ("failed" in step) return { result: resultOfFailure[step.failed] };
    if ("end" in step) {
      // The reference does not tell whether the frame pointer is zero, too.
      const isOpen = step.end === "zero_return_address";
      return isOpen ? { result: OPEN_END } : { result: sampleResult.complete };
    }
    const { caller } = step;
    return isCode(caller.pc) ? { caller } : { result: sampleResult.badFrame };
  }

  #hasSignalFrame(spAt: bigint): boolean {
    const { from, to } = SIGNAL_REGISTERS;
    return this.#read(spAt + from) !== undefined && this.#read(spAt + to) !== undefined;
  }

  #framePointerStep(): Step {
    const { fp } = this.#registers;
    if (fp === 0n) return { result: sampleResult.complete };
    if (fp < ADDRESS_MIN || fp % 8n !== 0n || fp >= KERNEL_START) return NOT_A_FRAME;
    const callersFp = this.#read(fp);
    const pc = this.#read(fp + 8n);
    if (callersFp === undefined || pc === undefined) return { result: sampleResult.unreadable };
    if (pc === 0n) return { result: sampleResult.complete };
    if (!isCode(pc)) return NOT_A_FRAME;
    if (callersFp !== 0n && callersFp <= fp && this.#switches++ >= STACK_SWITCHES_MAX) {
      return NOT_A_FRAME;
    }
    return { caller: { pc, sp: fp + 16n, fp: callersFp, lr: 0n, isExact: false } };
  }
}

/** Complete when the frame pointer is zero as the return address is, else a bad frame. */
const OPEN_END = -1;
const NOT_A_FRAME = { result: sampleResult.notAFrame };

const resultOfFailure = {
  no_rule: sampleResult.noRule,
  unread_memory: sampleResult.unreadable,
  unknown_register: sampleResult.noRegister,
  no_progress: sampleResult.badFrame,
} as const;

function isCode(address: bigint): boolean {
  return address >= ADDRESS_MIN && address < KERNEL_START;
}
