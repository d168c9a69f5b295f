/**
 * Rules for compiled x86-64 code that has neither call frame information nor frame pointers, as
 * musl's C library is shipped: the stack pointer is followed through each function.
 *
 *   sweep       what is called, what jumps lead to and what follows padding tells where functions
 *               begin: code-marks.ts
 *   flow        from functions' starts, where CFA = rsp + 8, along jumps and branches; the first
 *               way to a place decides, and ways behind calls that may not return come last
 *   leftovers   what no way leads to: what follows there tells, as returns do (seed-finder.ts),
 *               else the stack of the indirect jump before it
 */
import { limitExceeded } from "../../support/errors.ts";
import { CodeMarks, doesNotGoOn, mayNotReturn } from "./code-marks.ts";
import type { PlacedRule } from "./placed-rule.ts";
import { SeedFinder } from "./seed-finder.ts";
import { ENTRY, LOST, move, ruleOfState, type StackState, StackStates } from "./stack-state.ts";
import {
  CFA_RA_REGISTER,
  kindByte,
  type PackedRule,
  SPECIAL_GAP,
  specialRule,
} from "./unwind-rows.ts";
import {
  FLOW_BRANCH,
  FLOW_CALL,
  FLOW_JUMP,
  FLOW_NEXT,
  STACK_ADD,
  STACK_PUSH,
  X86Decoder,
} from "./x86-instruction.ts";

/** Code that is followed at once; a C library has 400 KiB, and all is kept twice meanwhile. */
export const FLOW_BYTES_MAX: number = 4 * 1024 * 1024;
/** Compiled code has a rule for each 30 bytes or more, but for the smallest pieces. */
const BYTES_PER_RULE_MIN = 8;
const RULES_SPARED = 256;
/** Of a function, among which it pushes something if it does. */
const PROLOGUE_INSTRUCTIONS = 4;
/** Behind a popped return address, among which it is pushed again: a system call is between. */
const RETURN_PUSH_INSTRUCTIONS = 4;
/** Places that are looked at for it; a C library has one function that does so. */
const RETURN_PUSHES_MAX = 1024;

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
  const marks = new CodeMarks(bytes, address);
  for (const start of starts) marks.addStart(start - address);
  if (!marks.sweep()) return undefined;
  const rules = new StackFlow(marks).run();
  return rules?.map(({ at, ...rule }) => ({ address: address + at, ...rule }));
}

interface RuleAt extends PackedRule {
  readonly at: number;
}

class StackFlow {
  readonly #marks: CodeMarks;
  readonly #bytes: Uint8Array;
  readonly #decoder = new X86Decoder();
  readonly #states: StackStates;
  readonly #seeds: SeedFinder;
  /** Places that were reached, from where ways go on. */
  readonly #waiting: number[] = [];
  /** Calls behind which is what other ways may lead to. */
  readonly #doubtful: number[] = [];
  #returnPushes = 0;

  constructor(marks: CodeMarks) {
    this.#marks = marks;
    this.#bytes = marks.bytes;
    this.#states = new StackStates(marks.bytes.length);
    this.#seeds = new SeedFinder(marks, this.#states);
  }

  /** Undefined when the rules are too many for code. */
  run(): RuleAt[] | undefined {
    for (let at = 0; at < this.#bytes.length; at++) {
      if (this.#marks.isStart(at)) this.#states.set(at, ENTRY);
    }
    for (let at = 0; at < this.#bytes.length; at++) {
      if (this.#marks.isStart(at)) this.#follow(at);
    }
    const isHead = (at: number): boolean => this.#marks.isHead(at);
    const isRoot = (at: number): boolean => isHead(at) && !this.#marks.isJumpedTo(at);
    this.#followLeftovers((at) => (isRoot(at) ? this.#seeds.find(at) : undefined));
    // What no jump leads to comes first: its ways may lead to the rest.
    this.#followLeftovers((at, indirect) => (isRoot(at) ? this.#seedOf(at, indirect) : undefined));
    this.#followLeftovers((at, indirect) => (isHead(at) ? this.#seedOf(at, indirect) : undefined));
    this.#followLeftovers((at, indirect) => this.#seedOf(at, indirect));
    return this.#rules();
  }

  #followDoubtful(): void {
    for (let call = this.#doubtful.pop(); call !== undefined; call = this.#doubtful.pop()) {
      const next = this.#behind(call);
      if (this.#states.has(next)) continue;
      this.#reach(next, this.#seeds.find(next) ?? this.#states.get(call));
      this.#followWaiting();
    }
  }

  #followLeftovers(
    seedOf: (at: number, indirect: StackState | undefined) => Readonly<StackState> | undefined,
  ): void {
    let indirect: StackState | undefined;
    for (let at = 0; at < this.#bytes.length; at++) {
      if (this.#marks.isStart(at)) indirect = undefined;
      if (this.#marks.isInstruction(at) && !this.#states.has(at)) {
        const seed = seedOf(at, indirect);
        if (seed !== undefined) this.#reach(at, seed);
        this.#followWaiting();
      }
      if (this.#marks.isIndirectJump(at) && this.#states.has(at)) indirect = this.#states.get(at);
    }
    this.#followDoubtful();
  }

  #seedOf(at: number, indirect: StackState | undefined): Readonly<StackState> {
    const found = this.#seeds.find(at);
    if (found !== undefined) return found;
    const pushes = this.#marks.isFreshOrJumpedTo(at) && this.#pushesSoon(at);
    return (pushes ? ENTRY : indirect) ?? (this.#marks.isFresh(at) ? ENTRY : LOST);
  }

  /** As functions do at their start, and what a jump table leads to does not. */
  #pushesSoon(start: number): boolean {
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

  #follow(from: number): void {
    this.#waiting.push(from);
    this.#followWaiting();
  }

  #followWaiting(): void {
    const decoder = this.#decoder;
    for (let at = this.#waiting.pop(); at !== undefined; at = this.#waiting.pop()) {
      if (!decoder.decode(this.#bytes, at, this.#bytes.length)) continue;
      const after = this.#states.get(at);
      move(after, decoder);
      const next = at + decoder.length;
      const { flow, target } = decoder;
      if (flow === FLOW_JUMP || flow === FLOW_BRANCH) this.#reach(next + target, after);
      if (doesNotGoOn(flow)) continue;
      if (flow === FLOW_CALL && this.#marks.doesNotReturn(next + target)) continue;
      if (mayNotReturn(flow)) this.#goOnBehindCall(at, next, after);
      else this.#reach(next, after);
    }
  }

  #goOnBehindCall(call: number, next: number, after: StackState): void {
    const place = this.#marks.behindPadding(next, this.#decoder);
    if (this.#marks.isJumpedTo(place)) this.#doubtful.push(call);
    else if (place === next || !this.#marks.isFresh(place)) this.#reach(next, after);
  }

  #behind(call: number): number {
    this.#decoder.decode(this.#bytes, call, this.#bytes.length);
    return this.#marks.behindPadding(call + this.#decoder.length, this.#decoder);
  }

  #reach(at: number, state: Readonly<StackState>): void {
    if (at < 0 || at >= this.#bytes.length || this.#states.has(at)) return;
    this.#states.set(at, state);
    this.#waiting.push(at);
  }

  #rules(): RuleAt[] | undefined {
    const rules: RuleAt[] = [];
    const countMax = RULES_SPARED + this.#bytes.length / BYTES_PER_RULE_MIN;
    let last: PackedRule | undefined;
    for (let at = 0; at < this.#bytes.length; at++) {
      if (!this.#states.has(at)) continue;
      const rule = this.#ruleAt(at);
      if (rule.head === last?.head && rule.offsets === last.offsets) continue;
      if (rules.length > countMax) return undefined;
      rules.push({ at, ...rule });
      last = rule;
    }
    if (rules[0]?.at !== 0) rules.unshift({ at: 0, ...specialRule(SPECIAL_GAP) });
    return rules;
  }

  #ruleAt(at: number): PackedRule {
    const state = this.#states.get(at);
    const register = state.depth === 0 ? this.#returnRegister(at) : undefined;
    if (register === undefined) return ruleOfState(state);
    return { head: kindByte(CFA_RA_REGISTER, register), offsets: 0 };
  }

  /** Of a function that has popped its return address: the register that it will push again. */
  #returnRegister(from: number): number | undefined {
    if (++this.#returnPushes > RETURN_PUSHES_MAX) return undefined;
    const decoder = this.#decoder;
    let at = from;
    for (let count = 0; count < RETURN_PUSH_INSTRUCTIONS; count++) {
      if (!decoder.decode(this.#bytes, at, this.#bytes.length)) return undefined;
      if (decoder.stack === STACK_PUSH) return dwarfNumber(decoder.operand);
      if (decoder.flow !== FLOW_NEXT) return undefined;
      at += decoder.length;
    }
    return undefined;
  }
}

/** In the order of their encoding. */
const DWARF_NUMBERS: readonly number[] = [0, 2, 1, 3, 7, 6, 4, 5];

function dwarfNumber(register: number): number | undefined {
  return register < DWARF_NUMBERS.length ? DWARF_NUMBERS[register] : register;
}
