/**
 * Rules for compiled x86-64 code that has neither call frame information nor frame pointers, as
 * musl's C library is shipped: the stack pointer is followed through each function.
 *
 *   sweep       instructions one after the other; what is called, what jumps lead to, and what
 *               follows padding tells where functions begin
 *   flow        from a function's start, where CFA = rsp + 8, along its jumps and branches; the
 *               first way to a place decides
 *   leftovers   what only a jump table leads to has the stack of the indirect jump
 *
 * A stack pointer above the return address is the end of the stack: so threads begin.
 */
import { limitExceeded } from "../../support/errors.ts";
import type { PlacedRule } from "./placed-rule.ts";
import {
  CFA_AT_REGISTER,
  CFA_FAR,
  FP_AT_CFA,
  FP_SAME,
  farWords,
  kindByte,
  offsetWords,
  type PackedRule,
  packHead,
  packOffsets,
  SPECIAL_END,
  SPECIAL_GAP,
  specialRule,
} from "./unwind-rows.ts";
import {
  FLOW_BRANCH,
  FLOW_CALL,
  FLOW_END,
  FLOW_INDIRECT,
  FLOW_JUMP,
  FLOW_NEXT,
  FP_FROM_STACK,
  RBP,
  STACK_ADD,
  STACK_FROM_FP,
  STACK_LEAVE,
  STACK_NONE,
  STACK_POP,
  STACK_PUSH,
  X86Decoder,
} from "./x86-instruction.ts";

/** Code that is followed at once; a C library has 400 KiB, and all is kept twice meanwhile. */
export const FLOW_BYTES_MAX: number = 4 * 1024 * 1024;
/** Jumps into other functions' cold parts, of one piece of code. */
const FAR_JUMPS_MAX = 65_536;
/** More than this are tables between functions, or no code at all. */
const INVALID_SHARE_MAX = 0.002;
/** Compiled code has a rule for each 30 bytes or more, but for the smallest pieces. */
const BYTES_PER_RULE_MIN = 8;
const RULES_SPARED = 256;
const FUNCTION_ALIGNMENT = 16;
/** Of a function, among which it pushes something if it does. */
const PROLOGUE_INSTRUCTIONS = 4;

const BOUNDARY = 1;
const CALLED = 2;
const TAKEN = 4;
const JUMPED = 8;
/** Behind an instruction that does not go on, and padding. */
const FRESH = 16;
const INDIRECT = 32;

/** A distance that is not known. */
const UNKNOWN: number = -(2 ** 30);
/** No way has led here. */
const UNREACHED: number = -(2 ** 31);
const WORD_BYTES = 8;
const DWARF_RSP = 7;
const DWARF_RBP = 6;

/** What is known of the stack before an instruction, in bytes. */
interface StackState {
  /** CFA − rsp. */
  depth: number;
  /** CFA − rbp, where rbp is the frame pointer. */
  frame: number;
  /** CFA − where the caller's rbp is saved; 0 when rbp is the caller's. */
  saved: number;
}

const ENTRY: Readonly<StackState> = { depth: WORD_BYTES, frame: UNKNOWN, saved: 0 };

/**
 * The rules of the code, the first at its start, in ascending order. Undefined when the bytes do
 * not look like compiled code.
 *
 * @param starts  addresses of functions, inside of the code or not
 * @throws LIMIT_EXCEEDED  more than FLOW_BYTES_MAX
 */
export function followStack(
  bytes: Uint8Array,
  address: number,
  starts: Iterable<number>,
): PlacedRule[] | undefined {
  if (bytes.length > FLOW_BYTES_MAX) {
    throw limitExceeded("stack flow", "bytes of code", bytes.length, FLOW_BYTES_MAX);
  }
  const flow = new StackFlow(bytes, address % FUNCTION_ALIGNMENT);
  for (const start of starts) flow.mark(start - address, CALLED);
  return flow.run()?.map(({ at, ...rule }) => ({ address: address + at, ...rule }));
}

interface RuleAt extends PackedRule {
  readonly at: number;
}

class StackFlow {
  readonly #bytes: Uint8Array;
  /** Of the first byte, from an aligned address on. */
  readonly #misalignment: number;
  readonly #marks: Uint8Array;
  readonly #decoder = new X86Decoder();
  readonly #farJumps = new Map<number, StackState>();
  readonly #depths: Int32Array;
  readonly #frames: Int32Array;
  readonly #saved: Int32Array;

  constructor(bytes: Uint8Array, misalignment: number) {
    this.#bytes = bytes;
    this.#misalignment = misalignment;
    this.#marks = new Uint8Array(bytes.length + 1);
    this.#depths = new Int32Array(bytes.length).fill(UNREACHED);
    this.#frames = new Int32Array(bytes.length);
    this.#saved = new Int32Array(bytes.length);
  }

  run(): RuleAt[] | undefined {
    if (!this.#sweep()) return undefined;
    const functions = this.#functions();
    this.#followAll(functions);
    if (this.#farJumps.size > 0) {
      // Cold parts lie before the functions that jump to them.
      this.#depths.fill(UNREACHED);
      this.#followAll(functions);
    }
    return this.#rules();
  }

  /** False when too much of it is no code. */
  #sweep(): boolean {
    const { length } = this.#bytes;
    const decoder = this.#decoder;
    let invalid = 0;
    let count = 0;
    let before = FLOW_END;
    let isPadded = false;
    for (let at = 0; at < length; count++) {
      if (!decoder.decode(this.#bytes, at, length)) {
        invalid++;
        at++;
        continue;
      }
      this.mark(at, BOUNDARY);
      const isAligned = (at + this.#misalignment) % FUNCTION_ALIGNMENT === 0;
      // In a function only what jumps lead to is padded, or a call that does not return.
      const isFresh = doesNotGoOn(before) || (before === FLOW_CALL && isPadded);
      if (isFresh && !decoder.isPadding && isAligned) this.mark(at, FRESH);
      if (decoder.flow === FLOW_INDIRECT) this.mark(at, INDIRECT);
      at += decoder.length;
      this.#markTargets(at);
      isPadded = decoder.isPadding;
      if (!isPadded) before = decoder.flow;
    }
    return invalid <= count * INVALID_SHARE_MAX;
  }

  #markTargets(next: number): void {
    const { flow, target, leaTarget } = this.#decoder;
    if (flow === FLOW_CALL) this.mark(next + target, CALLED);
    else if (flow === FLOW_JUMP || flow === FLOW_BRANCH) this.mark(next + target, JUMPED);
    if (leaTarget !== 0) this.mark(next + leaTarget, TAKEN);
  }

  /** Nothing when it is outside of the code. */
  mark(at: number, mark: number): void {
    if (at >= 0 && at < this.#bytes.length) this.#marks[at] = (this.#marks[at] as number) | mark;
  }

  /** Where functions start, and the end of the code. */
  #functions(): number[] {
    const starts = [0];
    let hasIndirectJump = false;
    for (let at = 1; at < this.#bytes.length; at++) {
      const mark = this.#marks[at] as number;
      const isStart =
        isFunctionStart(mark) && (!isWeak(mark) || this.#isWeakStart(at, hasIndirectJump));
      if (isStart) {
        starts.push(at);
        hasIndirectJump = false;
      }
      if ((mark & INDIRECT) !== 0) hasIndirectJump = true;
    }
    starts.push(this.#bytes.length);
    return starts;
  }

  /** What lies behind padding may be where a jump table leads to; but there nothing is pushed. */
  #isWeakStart(start: number, hasIndirectJump: boolean): boolean {
    if (!hasIndirectJump) return true;
    const decoder = this.#decoder;
    let at = start;
    for (let count = 0; count < PROLOGUE_INSTRUCTIONS; count++) {
      if (!decoder.decode(this.#bytes, at, this.#bytes.length)) return false;
      const { stack, operand, flow } = decoder;
      if (stack === STACK_PUSH || (stack === STACK_ADD && operand < 0)) return true;
      if (flow !== FLOW_NEXT) return false;
      at += decoder.length;
    }
    return false;
  }

  #followAll(functions: readonly number[]): void {
    for (let index = 0; index + 1 < functions.length; index++) {
      this.#followFunction(functions[index] as number, functions[index + 1] as number);
    }
  }

  #followFunction(start: number, end: number): void {
    const range = { start, end, indirect: undefined as StackState | undefined };
    const decoder = this.#decoder;
    let isStart = true;
    for (let at = start; at < end; ) {
      if (!decoder.decode(this.#bytes, at, end)) {
        at++;
        continue;
      }
      const { length, isPadding } = decoder;
      if (this.#depths[at] === UNREACHED && !isPadding) {
        const isAligned = (at + this.#misalignment) % FUNCTION_ALIGNMENT === 0;
        const other = isStart || isAligned ? ENTRY : undefined;
        const seed = this.#farJumps.get(at) ?? range.indirect ?? other;
        if (seed !== undefined) this.#follow(at, seed, range);
      }
      if (!isPadding) isStart = false;
      at += length;
    }
  }

  /** Goes all ways from a place; those that are taken later wait in a list. */
  #follow(
    from: number,
    state: Readonly<StackState>,
    range: { start: number; end: number; indirect: StackState | undefined },
  ): void {
    const waiting: number[] = [];
    this.#reach(from, state, waiting);
    const decoder = this.#decoder;
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (!decoder.decode(this.#bytes, at, range.end)) continue;
      const after = this.#stateAt(at);
      move(after, decoder);
      const next = at + decoder.length;
      const { flow, target } = decoder;
      if (flow === FLOW_INDIRECT) range.indirect ??= after;
      if (flow === FLOW_JUMP || flow === FLOW_BRANCH) {
        const to = next + target;
        if (to >= range.start && to < range.end) this.#reach(to, after, waiting);
        else this.#noteFarJump(to, after, flow);
      }
      if (!doesNotGoOn(flow) && next < range.end) this.#reach(next, after, waiting);
    }
  }

  #reach(at: number, { depth, frame, saved }: Readonly<StackState>, waiting: number[]): void {
    if (this.#depths[at] !== UNREACHED) return;
    this.#depths[at] = depth;
    this.#frames[at] = frame;
    this.#saved[at] = saved;
    waiting.push(at);
  }

  #stateAt(at: number): StackState {
    return {
      depth: this.#depths[at] as number,
      frame: this.#frames[at] as number,
      saved: this.#saved[at] as number,
    };
  }

  /** A jump with the stack as at entry is a call whose caller is done. */
  #noteFarJump(to: number, state: StackState, flow: number): void {
    const isTailCall = flow === FLOW_JUMP && state.depth === WORD_BYTES;
    if (isTailCall || to < 0 || to >= this.#bytes.length) return;
    if (this.#farJumps.size < FAR_JUMPS_MAX && !this.#farJumps.has(to)) {
      this.#farJumps.set(to, { ...state });
    }
  }

  /** Undefined when they are too many for code. */
  #rules(): RuleAt[] | undefined {
    const rules: RuleAt[] = [];
    const countMax = RULES_SPARED + this.#bytes.length / BYTES_PER_RULE_MIN;
    let last: PackedRule | undefined;
    for (let at = 0; at < this.#bytes.length; at++) {
      if (this.#depths[at] === UNREACHED) continue;
      const rule = ruleOf(this.#stateAt(at));
      if (rule.head === last?.head && rule.offsets === last.offsets) continue;
      if (rules.length > countMax) return undefined;
      rules.push({ at, ...rule });
      last = rule;
    }
    if (rules[0]?.at !== 0) rules.unshift({ at: 0, ...specialRule(SPECIAL_GAP) });
    return rules;
  }
}

function isFunctionStart(mark: number): boolean {
  if ((mark & BOUNDARY) === 0) return false;
  if ((mark & CALLED) !== 0) return true;
  return (mark & FRESH) !== 0 && ((mark & TAKEN) !== 0 || (mark & JUMPED) === 0);
}

/** Only padding tells of it. */
function isWeak(mark: number): boolean {
  return (mark & (CALLED | TAKEN)) === 0;
}

function doesNotGoOn(flow: number): boolean {
  return flow === FLOW_JUMP || flow === FLOW_INDIRECT || flow === FLOW_END;
}

/** The state behind an instruction, in place. */
function move(state: StackState, { stack, operand }: X86Decoder): void {
  if (stack === STACK_NONE) return;
  const { depth, frame } = state;
  switch (stack) {
    case STACK_PUSH:
      state.depth = moved(depth, WORD_BYTES);
      if (operand === RBP && state.saved === 0 && depth !== UNKNOWN) state.saved = state.depth;
      return;
    case STACK_POP:
      if (operand === RBP) giveBackRbp(state);
      state.depth = moved(depth, -WORD_BYTES);
      return;
    case STACK_ADD:
      state.depth = moved(depth, -operand);
      return;
    case STACK_FROM_FP:
      state.depth = moved(frame, -operand);
      return;
    case FP_FROM_STACK:
      state.frame = moved(depth, -operand);
      return;
    case STACK_LEAVE:
      giveBackRbp(state);
      state.depth = moved(frame, -WORD_BYTES);
      return;
    default:
      state.depth = UNKNOWN;
  }
}

function giveBackRbp(state: StackState): void {
  state.saved = 0;
  state.frame = UNKNOWN;
}

function moved(distance: number, byteCount: number): number {
  if (distance === UNKNOWN) return UNKNOWN;
  const result = distance + byteCount;
  return Math.abs(result) < -UNKNOWN ? result : UNKNOWN;
}

function ruleOf({ depth, frame, saved }: StackState): PackedRule {
  if (depth !== UNKNOWN && depth < WORD_BYTES) return specialRule(SPECIAL_END);
  const isByStack = depth !== UNKNOWN;
  if (!isByStack && frame === UNKNOWN) return specialRule(SPECIAL_GAP);
  const register = isByStack ? DWARF_RSP : DWARF_RBP;
  const distance = isByStack ? depth : frame;
  const savedWords = offsetWords(-saved);
  const fpKind = saved === 0 || savedWords === undefined ? FP_SAME : FP_AT_CFA;
  const fpWords = fpKind === FP_SAME ? 0 : (savedWords as number);
  const words = offsetWords(distance);
  if (words !== undefined) {
    const head = packHead(kindByte(CFA_AT_REGISTER, register), kindByte(fpKind, 0));
    return { head, offsets: packOffsets(words, fpWords) };
  }
  const far = farWords(distance);
  if (far === undefined) return specialRule(SPECIAL_GAP);
  const head = packHead(kindByte(CFA_FAR, register), kindByte(fpKind, far >>> 16));
  return { head, offsets: packOffsets(far & 0xffff, fpWords) };
}
