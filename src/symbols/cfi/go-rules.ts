/**
 * Rules for Go's code. It keeps frame pointers, and sets 0 where a goroutine's stack ends. But a
 * leaf may have no frame yet, or none at all: there the stack pointer tells. Go's own .debug_frame
 * says no more, and gives what runs on the scheduler's stack a frame on the goroutine's.
 */
import type { GoFunctions } from "./go-functions.ts";
import type { PlacedRule } from "./placed-rule.ts";
import {
  ARM_LR,
  CFA_AT_REGISTER,
  CFA_LEAF,
  FP_AT_CFA,
  FP_SAME,
  kindByte,
  type PackedRule,
  packHead,
  packOffsets,
  SPECIAL_END,
  SPECIAL_FRAME_POINTER,
  signalRule,
  specialRule,
} from "./unwind-rows.ts";

const RSP = 7;
const ARM64_SP = 31;
const WORD_BYTES = 8;
/** The stub that a signal handler returns to; its machine code is that of any C library. */
const SIGNAL_RETURN = /^runtime\.sigreturn/;
/** What goroutines and programs begin with. */
const STACK_START = /^(?:runtime\.goexit(?:\.abi0)?$|_rt0_)/;
/** Of one piece of code; Kubernetes' kubelet has 600,000. What is behind them goes by the last. */
const RULES_MAX = 1_000_000;
/** The way from C into Go, in assembly. */
const CALLED_BY_C: Uint8Array = Buffer.from("crosscall2");
const FOREIGN_WORDS_MAX = 1024;
/** Of the stub and the starts: names of larger functions are not looked at. */
const NAMED_BYTES_MAX = 64;

/** The rules of Go's code from `start` to before `end`, ascending; none where it has no function. */
export function goRules(
  functions: GoFunctions,
  range: { readonly start: number; readonly end: number },
  isX86: boolean,
): PlacedRule[] {
  const rules: PlacedRule[] = [];
  const add = (address: number, rule: PackedRule): void => {
    const last = rules.at(-1);
    const isSame = last?.head === rule.head && last.offsets === rule.offsets;
    if (isSame || rules.length > RULES_MAX) return;
    // Of a file that lists its functions out of order.
    if (last !== undefined && address < last.address) return;
    rules.push({ address, head: rule.head, offsets: rule.offsets });
  };
  for (let index = functions.firstBehind(range.start); index < functions.count; index++) {
    const { start, end } = functions.at(index);
    if (start >= range.end || rules.length > RULES_MAX) break;
    if (start < range.start || end <= start) continue;
    const named =
      end - start <= NAMED_BYTES_MAX ? ruleByName(functions.nameOf(index), isX86) : undefined;
    if (named !== undefined) {
      // The return address of a signal's frame is its first byte, and is looked up one before.
      const isPlanted = start > range.start && (rules.at(-1)?.address ?? 0) < start - 1;
      add(isPlanted ? start - 1 : start, named);
      continue;
    }
    const isForeign = isX86 && functions.hasAssemblyName(index, CALLED_BY_C);
    functions.forEachPlace(index, (address, byteCount) => {
      if (address >= range.end) return;
      add(address, isForeign ? ruleOfForeign(byteCount) : ruleAt(byteCount, isX86));
    });
  }
  return rules;
}

/**
 * Of what C calls: it saves the caller's frame pointer first, and then all registers of C's
 * callers, its own frame pointer among them, so that the chain of frame pointers is broken here.
 */
function ruleOfForeign(byteCount: number): PackedRule {
  const words = byteCount / WORD_BYTES + 1;
  if (!Number.isInteger(words) || words < 1 || words > FOREIGN_WORDS_MAX) {
    return specialRule(SPECIAL_FRAME_POINTER);
  }
  const fpByte = kindByte(words > 1 ? FP_AT_CFA : FP_SAME, 0);
  return {
    head: packHead(kindByte(CFA_AT_REGISTER, RSP), fpByte),
    offsets: packOffsets(words, words > 1 ? -2 : 0),
  };
}

function ruleByName(name: string, isX86: boolean): PackedRule | undefined {
  if (SIGNAL_RETURN.test(name)) return signalRule(isX86);
  return STACK_START.test(name) ? specialRule(SPECIAL_END) : undefined;
}

/** @param byteCount  what the function has put on the stack: nothing yet, or the frame pointer */
function ruleAt(byteCount: number, isX86: boolean): PackedRule {
  if (byteCount === 0 && isX86) {
    return { head: packHead(kindByte(CFA_LEAF, RSP), FP_SAME), offsets: packOffsets(1, 0) };
  }
  if (byteCount === 0) return { head: packHead(kindByte(CFA_LEAF, ARM64_SP), ARM_LR), offsets: 0 };
  if (byteCount === WORD_BYTES && isX86) {
    return { head: packHead(kindByte(CFA_LEAF, RSP), FP_AT_CFA), offsets: packOffsets(2, -2) };
  }
  return specialRule(SPECIAL_FRAME_POINTER);
}
