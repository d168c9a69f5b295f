import { type CfaExpression, recognizeExpression } from "./cfa-expression.ts";
import type { CfiCursor } from "./cfi-cursor.ts";
import type { Cie } from "./frame-section.ts";
import {
  ARM64,
  CFA_BY_EXPRESSION,
  CFA_EXPRESSION,
  CFA_KIND,
  CFA_LENGTH,
  CFA_OFFSET,
  CFA_REGISTER,
  CFA_REGISTER_OFFSET,
  CFA_UNSET,
  type CfiArchitecture,
  EXPRESSION,
  FP,
  OFFSET,
  RA,
  REGISTER,
  type RuleState,
  SAME_VALUE,
  SP,
  UNDEFINED,
  UNSPECIFIED,
  VAL_OFFSET,
  X86_64,
} from "./rule-state.ts";
import {
  ARM_FRAME,
  ARM_LR,
  ARM_LR_FP,
  ARM_RA,
  CFA_AT_REGISTER,
  CFA_DEREF,
  CFA_FAR,
  CFA_INDEXED,
  CFA_PLT,
  CFA_RA_REGISTER,
  EXTRA_MAX,
  FP_AT_CFA,
  FP_AT_FP,
  FP_AT_SP,
  FP_IN_REGISTER,
  FP_SAME,
  FP_UNDEFINED,
  farWords,
  kindByte,
  offsetWords,
  type PackedRule,
  packHead,
  packOffsets,
  SPECIAL_CANNOT,
  SPECIAL_END,
  signalRule,
  specialRule,
  X86_SIGNAL_SP_OFFSET,
} from "./unwind-rows.ts";

/** Why a place has no rule, or one without the frame pointer. */
export const cannotReasons = [
  /** The FDE is broken. */
  "broken",
  /** An expression that is none of the known forms, or arm64's x29 by other means than memory. */
  "expression",
  /** No rule for the frame address. */
  "no_cfa",
  /** A distance that is no multiple of 8, above 256 KiB, or of arm64's registers of a frame. */
  "offset",
  /** The return address is not where calls leave it. */
  "return_address",
  /** The caller's stack pointer is not the frame address. */
  "stack_pointer",
  /** A signal frame in another form than the kernel's. */
  "signal_frame",
  /** The stack can be walked, but the caller's frame pointer is not to be had. */
  "frame_pointer",
] as const;

export type CannotReason = (typeof cannotReasons)[number];

const WORD_BYTES = 8;
const KIND_MASK = 7;
/** x86-64: where the call has left it. */
const RA_OFFSET = -WORD_BYTES;

/**
 * Makes the 8-byte rule of a state. The fields are the answer of the last `compile`; one object
 * serves millions of calls.
 */
export interface RuleCompiler extends PackedRule {
  /** Undefined when the rule says all that the state says. */
  reason: CannotReason | undefined;
  compile(state: RuleState, cie: Cie): void;
}

interface CfaParts {
  /** The cfa byte. */
  byte: number;
  words: number;
  /** Of the fp byte, when the kind uses them. */
  extra: number;
  usesExtra: boolean;
}

abstract class CommonCompiler implements RuleCompiler {
  head = 0;
  offsets = 0;
  reason: CannotReason | undefined;
  readonly #architecture: CfiArchitecture;
  protected readonly cfa: CfaParts = { byte: 0, words: 0, extra: 0, usesExtra: false };
  #expressionOf: CfiCursor | undefined;
  #expressionAt = -1;
  #expression: CfaExpression | undefined;

  constructor(architecture: CfiArchitecture) {
    this.#architecture = architecture;
  }

  compile(state: RuleState, cie: Cie): void {
    this.reason = this.#compile(state, cie);
    // Without the caller's frame pointer the rule is still of use.
    if (this.reason !== undefined && this.reason !== "frame_pointer")
      this.use(specialRule(SPECIAL_CANNOT));
  }

  #compile(state: RuleState, cie: Cie): CannotReason | undefined {
    if (cie.returnRegister !== this.#architecture.ra) return "return_address";
    if (state[RA] === UNDEFINED) {
      this.use(specialRule(SPECIAL_END));
      return undefined;
    }
    if (cie.isSignalFrame) return this.compileSignal(state, cie);
    if (!isFrameAddress(state)) return "stack_pointer";
    return this.#compileCfa(state, cie) ?? this.compileRegisters(state, cie);
  }

  protected abstract compileSignal(state: RuleState, cie: Cie): CannotReason | undefined;
  /** After the CFA: `cfa` is set. */
  protected abstract compileRegisters(state: RuleState, cie: Cie): CannotReason | undefined;

  protected use({ head, offsets }: PackedRule): void {
    this.head = head;
    this.offsets = offsets;
  }

  /** Answers for the last place are kept: every row of a function may have the same. */
  protected expression(cie: Cie, position: number, length: number): CfaExpression | undefined {
    if (this.#expressionAt !== position || this.#expressionOf !== cie.section) {
      this.#expressionOf = cie.section;
      this.#expressionAt = position;
      this.#expression = recognizeExpression(cie.section, position, length);
    }
    return this.#expression;
  }

  #compileCfa(state: RuleState, cie: Cie): CannotReason | undefined {
    const { cfa } = this;
    cfa.extra = 0;
    cfa.usesExtra = false;
    switch (state[CFA_KIND]) {
      case CFA_UNSET:
        return "no_cfa";
      case CFA_REGISTER_OFFSET:
        return this.#atRegister(state[CFA_REGISTER] as number, state[CFA_OFFSET] as number);
      default: {
        const at = state[CFA_EXPRESSION] as number;
        const expression = this.expression(cie, at, state[CFA_LENGTH] as number);
        return expression === undefined ? "expression" : this.#compileExpression(expression);
      }
    }
  }

  #compileExpression(expression: CfaExpression): CannotReason | undefined {
    const { form, register, offset } = expression;
    const { sp, ra } = this.#architecture;
    switch (form) {
      case "address":
        return this.#atRegister(register, offset);
      case "deref":
        return this.#inMemory(kindByte(CFA_DEREF, register), offset, expression.plus);
      case "indexed": {
        const byte = kindByte(CFA_INDEXED, expression.index);
        return register === sp ? this.#inMemory(byte, offset, expression.plus) : "expression";
      }
      case "plt": {
        const isUsual =
          this.#architecture === X86_64 && register === sp && expression.pcRegister === ra;
        return isUsual ? this.#near(kindByte(CFA_PLT, expression.threshold), offset) : "expression";
      }
    }
  }

  #atRegister(register: number, offset: number): CannotReason | undefined {
    if (register > EXTRA_MAX) return "no_cfa";
    if (offsetWords(offset) !== undefined) {
      return this.#near(kindByte(CFA_AT_REGISTER, register), offset);
    }
    const words = farWords(offset);
    if (words === undefined) return "offset";
    this.cfa.byte = kindByte(CFA_FAR, register);
    this.cfa.words = words & 0xffff;
    this.cfa.extra = words >>> 16;
    this.cfa.usesExtra = true;
    return undefined;
  }

  #inMemory(byte: number, offset: number, plus: number): CannotReason | undefined {
    const plusWords = plus / WORD_BYTES;
    if (!Number.isInteger(plusWords) || plusWords > EXTRA_MAX) return "offset";
    this.cfa.extra = plusWords;
    this.cfa.usesExtra = true;
    return this.#near(byte, offset);
  }

  #near(byte: number, offset: number): CannotReason | undefined {
    const words = offsetWords(offset);
    if (words === undefined) return "offset";
    this.cfa.byte = byte;
    this.cfa.words = words;
    return undefined;
  }
}

function isFar({ byte }: CfaParts): boolean {
  return (byte & KIND_MASK) === CFA_FAR;
}

function isFrameAddress(state: RuleState): boolean {
  const kind = state[SP];
  return (
    kind === UNSPECIFIED || kind === SAME_VALUE || (kind === VAL_OFFSET && state[SP + 1] === 0)
  );
}

/** Rules of x86-64. */
export class X86Compiler extends CommonCompiler {
  #fpKind = FP_SAME;
  #fpWords = 0;
  #fpRegister = 0;

  constructor() {
    super(X86_64);
  }

  protected override compileSignal(state: RuleState, cie: Cie): CannotReason | undefined {
    if (state[CFA_KIND] !== CFA_BY_EXPRESSION) return "signal_frame";
    const at = state[CFA_EXPRESSION] as number;
    const expression = this.expression(cie, at, state[CFA_LENGTH] as number);
    const isKernels =
      expression?.form === "deref" &&
      expression.register === X86_64.sp &&
      expression.offset === X86_SIGNAL_SP_OFFSET &&
      expression.plus === 0;
    if (!isKernels) return "signal_frame";
    this.use(signalRule(true));
    return undefined;
  }

  protected override compileRegisters(state: RuleState, cie: Cie): CannotReason | undefined {
    const { cfa } = this;
    let cfaByte = cfa.byte;
    if (state[RA] === REGISTER) {
      const register = state[RA + 1] as number;
      const isAtSp = cfaByte === kindByte(CFA_AT_REGISTER, X86_64.sp) && register <= EXTRA_MAX;
      if (!isAtSp) return "return_address";
      cfaByte = kindByte(CFA_RA_REGISTER, register);
    } else if (state[RA] !== OFFSET || state[RA + 1] !== RA_OFFSET) {
      return "return_address";
    }
    const reason = this.#compileFramePointer(state, cie);
    if (reason !== undefined) this.#setFp(FP_UNDEFINED, 0, 0);
    const fpByte = kindByte(this.#fpKind, cfa.usesExtra ? cfa.extra : this.#fpRegister);
    this.head = packHead(cfaByte, fpByte);
    this.offsets = packOffsets(cfa.words, this.#fpWords);
    return reason;
  }

  #compileFramePointer(state: RuleState, cie: Cie): "frame_pointer" | undefined {
    const value = state[FP + 1] as number;
    switch (state[FP]) {
      case UNSPECIFIED:
      case SAME_VALUE:
        return this.#setFp(FP_SAME, 0, 0);
      case UNDEFINED:
        return this.#setFp(FP_UNDEFINED, 0, 0);
      case OFFSET:
        return this.#setFp(FP_AT_CFA, offsetWords(value), 0);
      case REGISTER:
        if (value > EXTRA_MAX || this.cfa.usesExtra) return "frame_pointer";
        return this.#setFp(FP_IN_REGISTER, 0, value);
      case EXPRESSION: {
        const expression = this.expression(cie, value, state[FP + 2] as number);
        if (expression?.form !== "address") return "frame_pointer";
        const words = offsetWords(expression.offset);
        if (expression.register === X86_64.fp) return this.#setFp(FP_AT_FP, words, 0);
        if (expression.register === X86_64.sp) return this.#setFp(FP_AT_SP, words, 0);
        return "frame_pointer";
      }
      default:
        return "frame_pointer";
    }
  }

  #setFp(kind: number, words: number | undefined, register: number): "frame_pointer" | undefined {
    if (words === undefined) return "frame_pointer";
    this.#fpKind = kind;
    this.#fpWords = words;
    this.#fpRegister = register;
    return undefined;
  }
}

/** Rules of arm64. */
export class Arm64Compiler extends CommonCompiler {
  constructor() {
    super(ARM64);
  }

  protected override compileSignal(): undefined {
    this.use(signalRule(false));
  }

  protected override compileRegisters(state: RuleState): CannotReason | undefined {
    const { cfa } = this;
    const isInMemory = cfa.usesExtra && !isFar(cfa);
    if (isInMemory && cfa.extra > 0) return "expression";
    const raKind = state[RA];
    const isInLr = raKind === UNSPECIFIED || raKind === SAME_VALUE;
    if (!isInLr && raKind !== OFFSET) return "return_address";
    const raWords = isInLr ? 0 : offsetWords(state[RA + 1] as number);
    if (raWords === undefined) return "offset";
    const fpKind = state[FP];
    const isFpSaved = fpKind === OFFSET;
    const fpWords = isFpSaved ? offsetWords(state[FP + 1] as number) : undefined;
    const isFpKnown = fpKind === UNSPECIFIED || fpKind === SAME_VALUE || fpWords !== undefined;
    const isPacked = this.#pack({ isInLr, raWords, fpWords });
    // There is no rule for an x29 that is not to be had, and a wrong one leads astray.
    if (!isFpKnown) return isFpSaved ? "offset" : "expression";
    return isPacked ? undefined : "offset";
  }

  /** False when the frame pointer is too far from the return address for the row. */
  #pack(parts: { isInLr: boolean; raWords: number; fpWords: number | undefined }): boolean {
    const { isInLr, raWords, fpWords } = parts;
    const { byte, words } = this.cfa;
    const distance = fpWords === undefined || isInLr ? undefined : fpWords - raWords;
    const isNear =
      distance === undefined ||
      (isFar(this.cfa) ? distance === -1 : distance >= -16 && distance <= 15);
    let kind = isInLr ? ARM_LR : ARM_RA;
    if (isInLr && fpWords !== undefined) kind = ARM_LR_FP;
    else if (distance !== undefined && isNear) kind = ARM_FRAME;
    const frameExtra = kind === ARM_FRAME ? (distance as number) & EXTRA_MAX : 0;
    const extra = isFar(this.cfa) ? this.cfa.extra : frameExtra;
    this.head = packHead(byte, kindByte(kind, extra));
    this.offsets = packOffsets(words, kind === ARM_LR_FP ? (fpWords as number) : raWords);
    return isNear;
  }
}
