/**
 * What a piece of x86-64 code tells of itself when its instructions are read one after the other:
 * where they begin, what is called, what jumps lead to, and what follows padding.
 */
import {
  FLOW_BRANCH,
  FLOW_CALL,
  FLOW_END,
  FLOW_HALT,
  FLOW_INDIRECT,
  FLOW_JUMP,
  FLOW_TRAP,
  X86Decoder,
} from "./x86-instruction.ts";

/** More than this are tables between functions, or no code at all. */
const INVALID_SHARE_MAX = 0.002;
const FUNCTION_ALIGNMENT = 16;
/** Functions of one piece of code that are called; a C library has 3,000. */
const CALLED_MAX = 262_144;

const BOUNDARY = 1;
const CALLED = 2;
const TAKEN = 4;
const JUMPED = 8;
/** Aligned, and behind an instruction that does not go on, or behind a call and padding. */
const FRESH = 16;
const INDIRECT = 32;
const PADDING = 64;
const ALIGNED = 128;
/** Behind an instruction that does not go on. */
const HEAD = 256;

export class CodeMarks {
  readonly bytes: Uint8Array;
  readonly #marks: Uint16Array;
  /** Of the first byte, from an aligned address on. */
  readonly #misalignment: number;
  readonly #ending = new Set<number>();

  constructor(bytes: Uint8Array, address: number) {
    this.bytes = bytes;
    this.#marks = new Uint16Array(bytes.length);
    this.#misalignment = address % FUNCTION_ALIGNMENT;
  }

  /** A function begins here. Nothing when it is outside of the code. */
  addStart(at: number): void {
    this.#mark(at, CALLED);
  }

  /** Reads the code. False when too much of it is none. */
  sweep(): boolean {
    const { length } = this.bytes;
    const decoder = new X86Decoder();
    let invalid = 0;
    let count = 0;
    let before = FLOW_END;
    let isPadded = false;
    let isFirst = true;
    for (let at = 0; at < length; count++) {
      if (!decoder.decode(this.bytes, at, length)) {
        invalid++;
        at++;
        continue;
      }
      const { flow, isPadding } = decoder;
      let marks = isPadding ? BOUNDARY | PADDING : BOUNDARY;
      // In a function only what jumps lead to is padded, or a call that does not return.
      const isFresh = doesNotGoOn(before) || (mayNotReturn(before) && isPadded);
      const isAligned = isFirst || this.#isAligned(at);
      if (isAligned) marks |= ALIGNED;
      if (doesNotGoOn(before)) marks |= HEAD;
      if (isFresh && !isPadding && isAligned) marks |= FRESH;
      if (flow === FLOW_INDIRECT) marks |= INDIRECT;
      this.#mark(at, marks);
      at += decoder.length;
      this.#markTargets(decoder, at);
      isPadded = isPadding;
      if (isPadding) continue;
      before = flow;
      isFirst = false;
    }
    if (invalid > count * INVALID_SHARE_MAX) return false;
    this.#findEnding(decoder);
    return true;
  }

  /** What calls lead to, from the first byte on, behind which nothing goes on. */
  doesNotReturn(target: number): boolean {
    return this.#ending.has(target);
  }

  /** The first instruction from here on that is more than padding. */
  behindPadding(from: number, decoder: X86Decoder): number {
    let at = from;
    while (this.#has(at, PADDING)) {
      decoder.decode(this.bytes, at, this.bytes.length);
      at += decoder.length;
    }
    return at;
  }

  /** A function that is called last before others begin, rather than amid code, does not return. */
  #findEnding(decoder: X86Decoder): void {
    const { length } = this.bytes;
    const balances = new Map<number, number>();
    for (let at = 0; at < length; at++) {
      if (!this.#has(at, BOUNDARY)) continue;
      decoder.decode(this.bytes, at, length);
      if (decoder.flow !== FLOW_CALL) continue;
      const next = at + decoder.length;
      const target = next + decoder.target;
      const vote = this.#voteBehindCall(next, decoder);
      const balance = balances.get(target);
      if (balance === undefined && balances.size >= CALLED_MAX) continue;
      balances.set(target, (balance ?? 0) + vote);
    }
    for (const [target, balance] of balances) if (balance > 0) this.#ending.add(target);
    this.#markBehindEnding(decoder);
  }

  #markBehindEnding(decoder: X86Decoder): void {
    for (let at = 0; at < this.bytes.length; at++) {
      if (!this.#has(at, BOUNDARY)) continue;
      decoder.decode(this.bytes, at, this.bytes.length);
      const next = at + decoder.length;
      const isEnding = decoder.flow === FLOW_CALL && this.#ending.has(next + decoder.target);
      if (isEnding) this.#mark(next, this.#has(next, ALIGNED) ? FRESH | HEAD : HEAD);
    }
  }

  #voteBehindCall(next: number, decoder: X86Decoder): number {
    const place = this.behindPadding(next, decoder);
    if (this.isStart(place) || (place > next && this.isFresh(place))) return 1;
    // Two parts of code that lie together by chance are aligned, or jumps lead to them.
    const isAmid = place === next && !this.#has(next, JUMPED | ALIGNED);
    return isAmid ? -1 : 0;
  }

  isInstruction(at: number): boolean {
    return this.#has(at, BOUNDARY) && !this.#has(at, PADDING);
  }

  isIndirectJump(at: number): boolean {
    return this.#has(at, INDIRECT);
  }

  isJumpedTo(at: number): boolean {
    return this.#has(at, JUMPED);
  }

  /** Called, named by a symbol, or aligned and with its address taken. */
  isStart(at: number): boolean {
    if (!this.#has(at, BOUNDARY)) return false;
    return this.#has(at, CALLED) || (this.#has(at, TAKEN) && this.#has(at, ALIGNED));
  }

  /** Only what is before it tells of it: a function starts here, or a jump table leads here. */
  isFresh(at: number): boolean {
    return this.#has(at, FRESH) && !this.#has(at, JUMPED);
  }

  /** No instruction before it goes on here. */
  isHead(at: number): boolean {
    return this.#has(at, HEAD | FRESH);
  }

  /** As `isFresh`, or jumps lead here from the same function or another. */
  isFreshOrJumpedTo(at: number): boolean {
    return this.#has(at, FRESH);
  }

  /** Behind a call: another function, or what jumps lead to. */
  mayBeOther(at: number): boolean {
    return this.#has(at, PADDING) || this.#has(at, JUMPED) || this.isStart(at);
  }

  #isAligned(at: number): boolean {
    return (at + this.#misalignment) % FUNCTION_ALIGNMENT === 0;
  }

  #markTargets({ flow, target, leaTarget }: X86Decoder, next: number): void {
    if (flow === FLOW_CALL) this.#mark(next + target, CALLED);
    else if (flow === FLOW_JUMP || flow === FLOW_BRANCH) this.#mark(next + target, JUMPED);
    if (leaTarget !== 0) this.#mark(next + leaTarget, TAKEN);
  }

  #mark(at: number, mark: number): void {
    if (at >= 0 && at < this.#marks.length) this.#marks[at] = (this.#marks[at] as number) | mark;
  }

  #has(at: number, mark: number): boolean {
    return ((this.#marks[at] ?? 0) & mark) !== 0;
  }
}

/** What is behind the instruction is reached by other ways, if it is. */
export function doesNotGoOn(flow: number): boolean {
  return flow === FLOW_JUMP || flow === FLOW_INDIRECT || flow === FLOW_END || flow === FLOW_TRAP;
}

/** Calls of functions that end the program look like any other. */
export function mayNotReturn(flow: number): boolean {
  return flow === FLOW_CALL || flow === FLOW_HALT;
}
