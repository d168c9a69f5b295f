/**
 * How the caller's registers are found at one place of a function: the canonical frame address
 * (CFA) and the rules of the three registers that an unwinder of stacks needs. All other
 * registers of call frame information are read over.
 *
 *   0   CFA   kind, register, offset, and of an expression its place and length
 *   5   FP    kind, value, length    rbp (6) or x29
 *   8   RA    kind, value, length    the return address column of the CIE
 *   11  SP    kind, value, length    rsp (7) or sp (31)
 */

export const CFA_KIND = 0;
export const CFA_REGISTER = 1;
export const CFA_OFFSET = 2;
export const CFA_EXPRESSION = 3;
export const CFA_LENGTH = 4;
export const FP = 5;
export const RA = 8;
export const SP = 11;
export const STATE_LENGTH = 14;

export const CFA_UNSET = 0;
export const CFA_REGISTER_OFFSET = 1;
export const CFA_BY_EXPRESSION = 2;

/** No instruction named the register; what that means is the architecture's. */
export const UNSPECIFIED = 0;
export const UNDEFINED = 1;
export const SAME_VALUE = 2;
/** At CFA + value in memory. */
export const OFFSET = 3;
/** CFA + value itself. */
export const VAL_OFFSET = 4;
/** In the register `value`. */
export const REGISTER = 5;
/** In memory at what the expression gives. */
export const EXPRESSION = 6;
/** What the expression gives. */
export const VAL_EXPRESSION = 7;

export type RuleState = Float64Array;

/** Register numbers of the architecture's DWARF mapping. */
export interface CfiArchitecture {
  readonly fp: number;
  readonly ra: number;
  readonly sp: number;
}

export const X86_64: CfiArchitecture = { fp: 6, ra: 16, sp: 7 };
export const ARM64: CfiArchitecture = { fp: 29, ra: 30, sp: 31 };
