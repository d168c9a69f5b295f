import {
  CFA_AT_REGISTER,
  CFA_LEAF,
  FP_AT_CFA,
  FP_SAME,
  kindByte,
  type PackedRule,
  packHead,
  packOffsets,
  SPECIAL_FRAME_POINTER,
  specialRule,
} from "./unwind-rows.ts";

const RSP = 7;
const ARM64_SP = 31;
/** In words: nothing but the return address, and a pushed frame pointer besides. */
const RETURN_ADDRESS = 1;
const WITH_FRAME_POINTER = 2;

/**
 * Makes of a rule of Go's own .debug_frame the one to use, in place. Go tells there neither where
 * it saves the frame pointer nor where a goroutine's stack ends, and gives a frame on the
 * goroutine's stack to what runs on the scheduler's. But its code keeps frame pointers, and sets 0
 * at the end. Only a leaf, which may have no frame yet or none at all, goes by the stack pointer.
 */
export function toGoRule(rule: PackedRule): void {
  const cfaByte = rule.head & 0xff;
  const words = (rule.offsets << 16) >> 16;
  const isByRsp = cfaByte === kindByte(CFA_AT_REGISTER, RSP) && words <= WITH_FRAME_POINTER;
  const isByLr = cfaByte === kindByte(CFA_AT_REGISTER, ARM64_SP) && words === 0;
  if (isByLr) {
    rule.head = packHead(kindByte(CFA_LEAF, ARM64_SP), rule.head >>> 8);
  } else if (isByRsp) {
    const isPushed = words > RETURN_ADDRESS;
    const fpByte = kindByte(isPushed ? FP_AT_CFA : FP_SAME, 0);
    rule.head = packHead(kindByte(CFA_LEAF, RSP), fpByte);
    rule.offsets = packOffsets(words, isPushed ? -WITH_FRAME_POINTER : 0);
  } else {
    const { head, offsets } = specialRule(SPECIAL_FRAME_POINTER);
    rule.head = head;
    rule.offsets = offsets;
  }
}
