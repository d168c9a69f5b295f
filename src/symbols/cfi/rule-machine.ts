/**
 * Runs call frame instructions: one byte of operation, its operands behind it.
 *
 *   01…… delta   advance_loc           00…… other  see the cases below
 *   10…… reg     offset ULEB128
 *   11…… reg     restore
 *
 * Sources: DWARF 5 sections 6.4.2 and 7.24; LSB Core 5.0 section 10.6 for GNU_args_size;
 * DWARF for the Arm 64-bit Architecture for negate_ra_state. The bytes belong to the profiled
 * process: a run takes time linear in them, and memory that does not depend on them.
 */
import type { CfiCursor } from "./cfi-cursor.ts";
import { type PointerBases, readEncodedPointer } from "./encoded-pointer.ts";
import {
  CFA_BY_EXPRESSION,
  CFA_EXPRESSION,
  CFA_KIND,
  CFA_LENGTH,
  CFA_OFFSET,
  CFA_REGISTER,
  CFA_REGISTER_OFFSET,
  type CfiArchitecture,
  EXPRESSION,
  FP,
  OFFSET,
  RA,
  REGISTER,
  type RuleState,
  SAME_VALUE,
  SP,
  STATE_LENGTH,
  UNDEFINED,
  VAL_EXPRESSION,
  VAL_OFFSET,
} from "./rule-state.ts";

/** States on the stack of remember_state; compilers need one, hand-written code two or three. */
export const REMEMBERED_MAX = 64;

/** What the instructions of a CIE and its FDEs are read by. */
export interface InstructionFormat {
  readonly codeAlignment: number;
  readonly dataAlignment: number;
  readonly returnRegister: number;
  /** Of the operand of set_loc. */
  readonly pointerEncoding: number;
  readonly addressBytes: number;
  readonly bases: PointerBases;
}

/** The rules that hold from `start` on, as far as the next call. `state` is valid during it. */
export type OnRow = (start: number, state: RuleState) => void;

export class RuleMachine {
  readonly state: RuleState = new Float64Array(STATE_LENGTH);
  readonly #initial: RuleState = new Float64Array(STATE_LENGTH);
  readonly #remembered = new Float64Array(REMEMBERED_MAX * STATE_LENGTH);
  readonly #architecture: CfiArchitecture;
  #depth = 0;
  #location = 0;
  #isBroken = false;

  constructor(architecture: CfiArchitecture) {
    this.#architecture = architecture;
  }

  /** Runs a CIE's instructions from no rules at all. False when they are broken. */
  runInitial(cursor: CfiCursor, format: InstructionFormat): boolean {
    this.#start(0);
    this.state.fill(0);
    this.#initial.fill(0);
    this.#run(cursor, format, ignoreRow);
    return !this.#isBroken && !cursor.overrun;
  }

  /**
   * Runs an FDE's instructions from its CIE's rules. `onRow` gets every row, the last one
   * included, in ascending order. False when they are broken, after rows that do not count.
   */
  run(
    cursor: CfiCursor,
    format: InstructionFormat,
    from: { readonly start: number; readonly initial: RuleState },
    onRow: OnRow,
  ): boolean {
    this.#start(from.start);
    this.state.set(from.initial);
    this.#initial.set(from.initial);
    this.#run(cursor, format, onRow);
    onRow(this.#location, this.state);
    return !this.#isBroken && !cursor.overrun;
  }

  #start(location: number): void {
    this.#depth = 0;
    this.#location = location;
    this.#isBroken = false;
  }

  #run(cursor: CfiCursor, format: InstructionFormat, onRow: OnRow): void {
    while (cursor.position < cursor.end && !this.#isBroken) {
      const byte = cursor.u8();
      const operand = byte & 0x3f;
      switch (byte >> 6) {
        case 1:
          this.#advance(operand * format.codeAlignment, onRow);
          break;
        case 2:
          this.#setRule(format, operand, OFFSET, cursor.uleb128() * format.dataAlignment);
          break;
        case 3:
          this.#restore(format, operand);
          break;
        default:
          this.#extended(cursor, format, { operation: operand, onRow });
      }
    }
  }

  #extended(
    cursor: CfiCursor,
    format: InstructionFormat,
    { operation, onRow }: { readonly operation: number; readonly onRow: OnRow },
  ): void {
    switch (operation) {
      case 0x00: // nop
        return;
      case 0x01: // set_loc
        this.#setLocation(cursor, format, onRow);
        break;
      case 0x02: // advance_loc1
        this.#advance(cursor.u8() * format.codeAlignment, onRow);
        break;
      case 0x03: // advance_loc2
        this.#advance(cursor.u16() * format.codeAlignment, onRow);
        break;
      case 0x04: // advance_loc4
        this.#advance(cursor.u32() * format.codeAlignment, onRow);
        break;
      case 0x1d: // MIPS_advance_loc8
        this.#advance(cursor.i64() * format.codeAlignment, onRow);
        break;
      case 0x0a: // remember_state
        this.#remember();
        break;
      case 0x0b: // restore_state
        this.#recall();
        break;
      case 0x2c: // AARCH64_negate_ra_state_with_pc
      case 0x2d: // AARCH64_negate_ra_state, GNU_window_save
        // Whether the address is signed: an unwinder strips the signature from any.
        return;
      case 0x2e: // GNU_args_size
        // Bytes of pushed arguments, for landing pads only.
        cursor.uleb128();
        return;
      default:
        if (operation >= 0x0c && operation <= 0x13 && operation !== 0x10 && operation !== 0x11)
          this.#setCfa(cursor, format, operation);
        else this.#registerRule(cursor, format, operation);
    }
  }

  #setCfa(cursor: CfiCursor, { dataAlignment }: InstructionFormat, operation: number): void {
    const { state } = this;
    switch (operation) {
      case 0x0c: // def_cfa
      case 0x12: // def_cfa_sf
        state[CFA_KIND] = CFA_REGISTER_OFFSET;
        state[CFA_REGISTER] = cursor.uleb128();
        state[CFA_OFFSET] =
          operation === 0x0c ? cursor.uleb128() : cursor.sleb128() * dataAlignment;
        return;
      case 0x0d: // def_cfa_register
        state[CFA_KIND] = CFA_REGISTER_OFFSET;
        state[CFA_REGISTER] = cursor.uleb128();
        return;
      case 0x0e: // def_cfa_offset
        state[CFA_OFFSET] = cursor.uleb128();
        return;
      case 0x13: // def_cfa_offset_sf
        state[CFA_OFFSET] = cursor.sleb128() * dataAlignment;
        return;
      default: {
        // def_cfa_expression
        const length = cursor.uleb128();
        state[CFA_KIND] = CFA_BY_EXPRESSION;
        state[CFA_EXPRESSION] = cursor.position;
        state[CFA_LENGTH] = length;
        cursor.skip(length);
      }
    }
  }

  #registerRule(cursor: CfiCursor, format: InstructionFormat, operation: number): void {
    const register = cursor.uleb128();
    const scale = format.dataAlignment;
    switch (operation) {
      case 0x05: // offset_extended
        this.#setRule(format, register, OFFSET, cursor.uleb128() * scale);
        break;
      case 0x06: // restore_extended
        this.#restore(format, register);
        break;
      case 0x07: // undefined
        this.#setRule(format, register, UNDEFINED, 0);
        break;
      case 0x08: // same_value
        this.#setRule(format, register, SAME_VALUE, 0);
        break;
      case 0x09: // register
        this.#setRule(format, register, REGISTER, cursor.uleb128());
        break;
      case 0x11: // offset_extended_sf
        this.#setRule(format, register, OFFSET, cursor.sleb128() * scale);
        break;
      case 0x14: // val_offset
        this.#setRule(format, register, VAL_OFFSET, cursor.uleb128() * scale);
        break;
      case 0x15: // val_offset_sf
        this.#setRule(format, register, VAL_OFFSET, cursor.sleb128() * scale);
        break;
      case 0x2f: // GNU_negative_offset_extended
        this.#setRule(format, register, OFFSET, -cursor.uleb128() * scale);
        break;
      case 0x10: // expression
        this.#setExpression(cursor, this.#slot(format, register), EXPRESSION);
        break;
      case 0x16: // val_expression
        this.#setExpression(cursor, this.#slot(format, register), VAL_EXPRESSION);
        break;
      default:
        this.#isBroken = true;
    }
  }

  #setExpression(cursor: CfiCursor, slot: number, kind: number): void {
    const length = cursor.uleb128();
    if (slot >= 0) {
      this.state[slot] = kind;
      this.state[slot + 1] = cursor.position;
      this.state[slot + 2] = length;
    }
    cursor.skip(length);
  }

  #setRule(format: InstructionFormat, register: number, kind: number, value: number): void {
    const slot = this.#slot(format, register);
    if (slot < 0) return;
    this.state[slot] = kind;
    this.state[slot + 1] = value;
  }

  #restore(format: InstructionFormat, register: number): void {
    const slot = this.#slot(format, register);
    if (slot < 0) return;
    for (let at = slot; at < slot + 3; at++) this.state[at] = this.#initial[at] as number;
  }

  #slot(format: InstructionFormat, register: number): number {
    if (register === this.#architecture.fp) return FP;
    if (register === format.returnRegister) return RA;
    return register === this.#architecture.sp ? SP : -1;
  }

  #remember(): void {
    if (this.#depth >= REMEMBERED_MAX) {
      this.#isBroken = true;
      return;
    }
    const { state } = this;
    const from = this.#depth * STATE_LENGTH;
    // A loop takes a third of the time of `set`.
    for (let at = 0; at < STATE_LENGTH; at++) this.#remembered[from + at] = state[at] as number;
    this.#depth++;
  }

  #recall(): void {
    if (this.#depth === 0) {
      this.#isBroken = true;
      return;
    }
    this.#depth--;
    const { state } = this;
    const from = this.#depth * STATE_LENGTH;
    for (let at = 0; at < STATE_LENGTH; at++) state[at] = this.#remembered[from + at] as number;
  }

  #setLocation(cursor: CfiCursor, format: InstructionFormat, onRow: OnRow): void {
    const { pointerEncoding, bases, addressBytes } = format;
    const location = readEncodedPointer(cursor, pointerEncoding, bases, addressBytes);
    this.#advance(location - this.#location, onRow);
  }

  #advance(distance: number, onRow: OnRow): void {
    if (!(distance >= 0)) {
      this.#isBroken = true;
      return;
    }
    if (distance === 0) return;
    onRow(this.#location, this.state);
    this.#location += distance;
  }
}

function ignoreRow(): void {}
