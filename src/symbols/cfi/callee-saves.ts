/**
 * Rules for functions of x86-64 that keep their frame's address in a register which every function
 * saves that uses it, as the C library's lazy binding does in rbx. The register is known in the
 * leaf only. But where such a function calls another, the other one's call frame information says
 * where it has saved the register, from its frame on, which begins at the caller's stack pointer.
 */
import type { CfiCursor } from "./cfi-cursor.ts";
import type { Cie } from "./frame-section.ts";
import type { PlacedRule } from "./placed-rule.ts";
import { RuleMachine } from "./rule-machine.ts";
import { FP, OFFSET, UNSPECIFIED, X86_64 } from "./rule-state.ts";
import {
  CFA_AT_REGISTER,
  CFA_DEREF,
  EXTRA_MAX,
  FP_IN_REGISTER,
  kindByte,
  offsetWords,
  type PackedRule,
  packOffsets,
} from "./unwind-rows.ts";
import { FLOW_CALL, X86Decoder } from "./x86-instruction.ts";

/** Of one rule; lazy binding has 200. */
export const CALLING_CODE_BYTES_MAX = 1024;
/** Rules of one file that are looked at; the C library's loader has 9. */
export const CALLING_RULES_MAX = 256;
/** rbx, r12 to r15. */
const SAVED_BY_CALLEES: readonly number[] = [3, 12, 13, 14, 15];
const DWARF_RSP = 7;
const KIND_MASK = 7;

/** The callee-saved register that the rule has the frame's address in; undefined: none. */
export function frameRegister({ head }: PackedRule): number | undefined {
  const isByRegister = (head & KIND_MASK) === CFA_AT_REGISTER;
  const register = (head >>> 3) & EXTRA_MAX;
  return isByRegister && SAVED_BY_CALLEES.includes(register) ? register : undefined;
}

/** A function's call frame information, with the cursor at its first instruction. */
export interface CalledFunction {
  readonly start: number;
  readonly cie: Cie;
  readonly cursor: CfiCursor;
}

/**
 * The rules at the calls of code for which `rule` holds: each from inside of the call instruction,
 * where only a return address is looked up, to its end.
 *
 * @param functionAt  the function that starts at an address
 */
export function rulesOfCalls(
  code: { readonly bytes: Uint8Array; readonly address: number },
  rule: PackedRule,
  functionAt: (address: number) => CalledFunction | undefined,
): PlacedRule[] {
  const { bytes, address } = code;
  const rules: PlacedRule[] = [];
  const decoder = new X86Decoder();
  const register = frameRegister(rule);
  for (let at = 0; register !== undefined && at < bytes.length; at += decoder.length) {
    if (!decoder.decode(bytes, at, bytes.length)) break;
    if (decoder.flow !== FLOW_CALL) continue;
    const next = address + at + decoder.length;
    const called = functionAt(next + decoder.target);
    const savedAt = called === undefined ? undefined : placeOfSaved(called, register);
    const atCall = savedAt === undefined ? undefined : ruleByMemory(rule, savedAt);
    if (atCall === undefined) continue;
    rules.push({ address: address + at + 1, ...atCall }, { ...rule, address: next });
  }
  return rules;
}

/** From the called function's frame address on; undefined when it is not saved, or here and there. */
function placeOfSaved(
  { start, cie, cursor }: CalledFunction,
  register: number,
): number | undefined {
  const machine = new RuleMachine({ ...X86_64, fp: register });
  const initial = cie.initial.slice();
  initial[FP] = UNSPECIFIED;
  const places = new Set<number>();
  const isSound = machine.run(cursor, cie, { start, initial }, (_, state) => {
    if (state[FP] === OFFSET) places.add(state[FP + 1] as number);
  });
  const [place] = places;
  return isSound && places.size === 1 ? place : undefined;
}

/** register + offset becomes *(rsp + savedAt) + offset. */
function ruleByMemory({ head, offsets }: PackedRule, savedAt: number): PackedRule | undefined {
  const words = offsetWords(savedAt);
  const plusWords = (offsets << 16) >> 16;
  const fpKind = (head >>> 8) & KIND_MASK;
  const fits = plusWords >= 0 && plusWords <= EXTRA_MAX && fpKind !== FP_IN_REGISTER;
  if (words === undefined || !fits) return undefined;
  const cfaByte = kindByte(CFA_DEREF, DWARF_RSP);
  const fpWords = offsets >> 16;
  return {
    head: cfaByte | (kindByte(fpKind, plusWords) << 8),
    offsets: packOffsets(words, fpWords),
  };
}
