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
  FP_FROM_STACK,
  RBP,
  STACK_ADD,
  STACK_FROM_FP,
  STACK_LEAVE,
  STACK_NONE,
  STACK_POP,
  STACK_PUSH,
  type X86Decoder,
} from "./x86-instruction.ts";

/** A distance that is not known. */
export const UNKNOWN: number = -(2 ** 30);
/** No way has led here. */
const UNREACHED: number = -(2 ** 31);
export const WORD_BYTES = 8;
const DWARF_RSP = 7;
const DWARF_RBP = 6;

/** What is known of the stack before an instruction of x86-64, in bytes. */
export interface StackState {
  /** CFA − rsp. */
  depth: number;
  /** CFA − rbp, where rbp is the frame pointer. */
  frame: number;
  /** CFA − where the caller's rbp is saved; 0 when rbp is the caller's. */
  saved: number;
}

/** At a function's first instruction. */
export const ENTRY: Readonly<StackState> = { depth: WORD_BYTES, frame: UNKNOWN, saved: 0 };
/** Where nothing is known. */
export const LOST: Readonly<StackState> = { depth: UNKNOWN, frame: UNKNOWN, saved: 0 };

/** States of places in a piece of code, which has a place for each byte. */
export class StackStates {
  readonly length: number;
  readonly #depths: Int32Array;
  readonly #frames: Int32Array;
  readonly #saved: Int32Array;

  constructor(length: number) {
    this.length = length;
    this.#depths = new Int32Array(length).fill(UNREACHED);
    this.#frames = new Int32Array(length);
    this.#saved = new Int32Array(length);
  }

  /** False outside of the code, too. */
  has(at: number): boolean {
    return at >= 0 && at < this.length && this.#depths[at] !== UNREACHED;
  }

  /** A copy. */
  get(at: number): StackState {
    return {
      depth: this.#depths[at] as number,
      frame: this.#frames[at] as number,
      saved: this.#saved[at] as number,
    };
  }

  set(at: number, { depth, frame, saved }: Readonly<StackState>): void {
    this.#depths[at] = depth;
    this.#frames[at] = frame;
    this.#saved[at] = saved;
  }
}

/** The state behind an instruction, in place. */
export function move(state: StackState, { stack, operand }: X86Decoder): void {
  if (stack === STACK_NONE) return;
  const { depth, frame } = state;
  switch (stack) {
    case STACK_PUSH:
      state.depth = moved(depth, WORD_BYTES);
      if (operand === RBP && state.saved === 0 && depth !== UNKNOWN) state.saved = state.depth;
      return;
    case STACK_POP:
      if (operand === RBP) giveBackRbp(state, depth);
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
      giveBackRbp(state, frame);
      state.depth = moved(frame, -WORD_BYTES);
      return;
    default:
      state.depth = UNKNOWN;
  }
}

/** Arguments of a call may be popped into it, too: from another place. */
function giveBackRbp(state: StackState, from: number): void {
  if (from === state.saved || from === UNKNOWN) state.saved = 0;
  state.frame = UNKNOWN;
}

function moved(distance: number, byteCount: number): number {
  if (distance === UNKNOWN) return UNKNOWN;
  const result = distance + byteCount;
  return Math.abs(result) < -UNKNOWN ? result : UNKNOWN;
}

/** A stack pointer above the return address is the end of the stack: so threads begin. */
export function ruleOfState({ depth, frame, saved }: Readonly<StackState>): PackedRule {
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
