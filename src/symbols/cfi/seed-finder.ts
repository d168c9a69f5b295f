/**
 * The stack at a place that no known way leads to, as the target of a jump table, by what follows:
 * at a return the stack pointer is where it was at the entry, and at a place whose stack is known
 * it is that.
 */
import { type CodeMarks, mayNotReturn } from "./code-marks.ts";
import { LOST, type StackState, type StackStates, UNKNOWN, WORD_BYTES } from "./stack-state.ts";
import {
  FLOW_BRANCH,
  FLOW_CALL,
  FLOW_END,
  FLOW_INDIRECT,
  FLOW_JUMP,
  FLOW_TRAP,
  FP_FROM_STACK,
  RBP,
  STACK_ADD,
  STACK_FROM_FP,
  STACK_LEAVE,
  STACK_POP,
  STACK_PUSH,
  STACK_UNKNOWN,
  X86Decoder,
} from "./x86-instruction.ts";

/** Of one place; a compiled function without a return or a known place has fewer. */
const INSTRUCTIONS_MAX = 512;
/** Ways of one place that are tried when the first leads nowhere. */
const WAYS_MAX = 16;
/** Of all places together, so that time stays linear in the code. */
const INSTRUCTIONS_PER_BYTE_MAX = 2;

/** What the distances of a way are relative to: rsp or rbp at its beginning. */
type Base = "rsp" | "rbp";

interface Distance {
  readonly base: Base;
  /** CFA − base, less this, is CFA − the place. */
  readonly bytes: number;
}

interface Way {
  readonly at: number;
  readonly sp: Distance;
  /** Where rbp was last taken from, which is the caller's at a return. */
  readonly popped: Distance | undefined;
  /** Where the way itself put rbp first: perhaps to save it, perhaps as an argument. */
  readonly pushed: Distance | undefined;
}

export class SeedFinder {
  readonly #marks: CodeMarks;
  readonly #states: StackStates;
  readonly #decoder = new X86Decoder();
  readonly #waiting: Way[] = [];
  #left: number;

  constructor(marks: CodeMarks, states: StackStates) {
    this.#marks = marks;
    this.#states = states;
    this.#left = marks.bytes.length * INSTRUCTIONS_PER_BYTE_MAX;
  }

  /** Undefined when nothing that follows tells. */
  find(start: number): StackState | undefined {
    this.#waiting.length = 0;
    const stop = Math.max(0, this.#left - INSTRUCTIONS_MAX);
    const sp: Distance = { base: "rsp", bytes: 0 };
    let way: Way | undefined = { at: start, sp, popped: undefined, pushed: undefined };
    while (way !== undefined && this.#left > stop) {
      this.#left--;
      const next: Way | StackState | undefined = this.#step(way);
      if (next !== undefined && "depth" in next) return isUsual(next) ? next : undefined;
      way = next ?? this.#waiting.pop();
    }
    return undefined;
  }

  /** The way one instruction on, the state where it began, or undefined where it ends. */
  #step(way: Way): Way | StackState | undefined {
    const decoder = this.#decoder;
    const { bytes } = this.#marks;
    if (!decoder.decode(bytes, way.at, bytes.length)) return undefined;
    const { flow, target, length } = decoder;
    const behind = movedWay(way, decoder);
    if (behind === undefined) return undefined;
    const next = way.at + length;
    if (flow === FLOW_END) return fromReturn(behind);
    if (flow === FLOW_CALL && this.#marks.doesNotReturn(next + target)) return undefined;
    if (flow === FLOW_INDIRECT || flow === FLOW_TRAP) return undefined;
    if (flow === FLOW_JUMP) return this.#goTo({ ...behind, at: next + target });
    if (flow === FLOW_BRANCH) {
      const taken = this.#goTo({ ...behind, at: next + target });
      if ("depth" in taken) return taken;
      if (this.#waiting.length < WAYS_MAX) this.#waiting.push(taken);
    }
    // Behind a call that does not return is what other code leads to.
    if (mayNotReturn(flow) && this.#marks.mayBeOther(next)) return undefined;
    return this.#states.has(next) ? this.#fromKnown(behind, next) : { ...behind, at: next };
  }

  /** Into another function one jumps with the stack of the entry. */
  #goTo(way: Way): Way | StackState {
    const isOther = way.at < 0 || way.at >= this.#marks.bytes.length || this.#marks.isStart(way.at);
    if (isOther) return fromReturn(way);
    return this.#states.has(way.at) ? this.#fromKnown(way, way.at) : way;
  }

  #fromKnown(way: Way, at: number): StackState {
    const known = this.#states.get(at);
    const { base, bytes } = way.sp;
    const state: StackState = { ...LOST, frame: known.frame };
    if (known.depth !== UNKNOWN) setDistance(state, base, known.depth - bytes);
    // Where rbp is still saved, what the way popped into it was arguments.
    const saved = known.saved === 0 ? resolve(state, way.popped) : known.saved;
    state.saved = savedBefore(way, state, saved);
    return state;
  }
}

function fromReturn(way: Way): StackState {
  const state: StackState = { ...LOST };
  setDistance(state, way.sp.base, WORD_BYTES - way.sp.bytes);
  state.saved = savedBefore(way, state, resolve(state, way.popped));
  return state;
}

/** Where rbp was saved when the way began; 0 when it was not, but by the way. */
function savedBefore(way: Way, state: StackState, saved: number | undefined): number {
  return saved === undefined || saved === resolve(state, way.pushed) ? 0 : saved;
}

function setDistance(state: StackState, base: Base, bytes: number): void {
  if (base === "rsp") state.depth = bytes;
  else state.frame = bytes;
}

function resolve(state: StackState, distance: Distance | undefined): number | undefined {
  if (distance === undefined) return undefined;
  const base = distance.base === "rsp" ? state.depth : state.frame;
  return base === UNKNOWN ? undefined : base + distance.bytes;
}

/** A frame has its return address, and whole words. */
function isUsual({ depth, frame }: StackState): boolean {
  const distance = depth === UNKNOWN ? frame : depth;
  return distance >= WORD_BYTES && distance % WORD_BYTES === 0;
}

/** Undefined where rsp or rbp becomes what is not followed. */
function movedWay(way: Way, { stack, operand }: X86Decoder): Way | undefined {
  const { sp } = way;
  switch (stack) {
    case STACK_PUSH:
      return pushedBy(movedBy(way, WORD_BYTES), operand);
    case STACK_POP:
      return { ...movedBy(way, -WORD_BYTES), popped: operand === RBP ? sp : way.popped };
    case STACK_ADD:
      return movedBy(way, -operand);
    case STACK_FROM_FP:
      return { ...way, sp: { base: "rbp", bytes: -operand } };
    case STACK_LEAVE: {
      const saved: Distance = { base: "rbp", bytes: 0 };
      return { ...way, popped: saved, sp: { base: "rbp", bytes: -WORD_BYTES } };
    }
    case STACK_UNKNOWN:
    case FP_FROM_STACK:
      return undefined;
    default:
      return way;
  }
}

function pushedBy(way: Way, register: number): Way {
  return register === RBP && way.pushed === undefined ? { ...way, pushed: way.sp } : way;
}

function movedBy(way: Way, bytes: number): Way {
  return { ...way, sp: { base: way.sp.base, bytes: way.sp.bytes + bytes } };
}
