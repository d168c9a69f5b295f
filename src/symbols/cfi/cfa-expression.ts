/**
 * Recognizes the few DWARF expressions that compilers and hand-written code have for a frame
 * address or a saved register. Whatever else stands there is "cannot": a machine for expressions
 * does not fit into a row.
 *
 *   breg A                                   a saved register at A of a register
 *   breg A, deref, [plus_uconst B]           an over-aligned frame
 *   breg A, breg R 0, lit8, mul, plus, deref, [plus_uconst B]    libcrypto's Montgomery code
 *   breg 8, breg pc 0, lit15, and, litT, ge, lit3, shl, plus     the entries of .plt
 *
 * Source of the operations: DWARF 5 section 2.5.1.
 */
import type { CfiCursor } from "./cfi-cursor.ts";

/** Longer than the longest of the forms. */
export const EXPRESSION_BYTES_MAX = 64;

const DW_OP_deref = 0x06;
const DW_OP_and = 0x1a;
const DW_OP_mul = 0x1e;
const DW_OP_plus = 0x22;
const DW_OP_plus_uconst = 0x23;
const DW_OP_shl = 0x24;
const DW_OP_ge = 0x2a;
const DW_OP_lit0 = 0x30;
const DW_OP_lit31 = 0x4f;
const DW_OP_breg0 = 0x70;
const DW_OP_breg31 = 0x8f;

const PLT_TAIL = [DW_OP_lit0 + 15, DW_OP_and] as const;
const PLT_END = [DW_OP_ge, DW_OP_lit0 + 3, DW_OP_shl, DW_OP_plus] as const;
const INDEX_TAIL = [DW_OP_lit0 + 8, DW_OP_mul, DW_OP_plus, DW_OP_deref] as const;

export type CfaExpression =
  /** register + offset */
  | { readonly form: "address"; readonly register: number; readonly offset: number }
  /** *(register + offset) + plus */
  | {
      readonly form: "deref";
      readonly register: number;
      readonly offset: number;
      readonly plus: number;
    }
  /** *(register + offset + 8 × index) + plus */
  | {
      readonly form: "indexed";
      readonly register: number;
      readonly offset: number;
      readonly index: number;
      readonly plus: number;
    }
  /** register + offset + 8 × (pc & 15 >= threshold) */
  | {
      readonly form: "plt";
      readonly register: number;
      readonly offset: number;
      readonly pcRegister: number;
      readonly threshold: number;
    };

/** The form of the expression at the place; undefined for any other. The cursor is moved. */
export function recognizeExpression(
  cursor: CfiCursor,
  position: number,
  length: number,
): CfaExpression | undefined {
  if (length > EXPRESSION_BYTES_MAX) return undefined;
  cursor.window(position, position + length);
  const first = readRegisterOffset(cursor);
  if (first === undefined || cursor.overrun) return undefined;
  if (cursor.position === cursor.end) return { form: "address", ...first };
  if (peek(cursor) === DW_OP_deref) {
    cursor.u8();
    const plus = readPlus(cursor);
    return plus === undefined ? undefined : { form: "deref", ...first, plus };
  }
  const second = readRegisterOffset(cursor);
  if (second === undefined || second.offset !== 0) return undefined;
  return readIndexed(cursor, first, second.register) ?? readPlt(cursor, first, second.register);
}

interface RegisterOffset {
  readonly register: number;
  readonly offset: number;
}

function readRegisterOffset(cursor: CfiCursor): RegisterOffset | undefined {
  const operation = cursor.u8();
  if (operation < DW_OP_breg0 || operation > DW_OP_breg31) return undefined;
  return { register: operation - DW_OP_breg0, offset: cursor.sleb128() };
}

function readIndexed(
  cursor: CfiCursor,
  first: RegisterOffset,
  index: number,
): CfaExpression | undefined {
  if (!accept(cursor, INDEX_TAIL)) return undefined;
  const plus = readPlus(cursor);
  return plus === undefined ? undefined : { form: "indexed", ...first, index, plus };
}

function readPlt(
  cursor: CfiCursor,
  first: RegisterOffset,
  pcRegister: number,
): CfaExpression | undefined {
  if (!accept(cursor, PLT_TAIL)) return undefined;
  const literal = cursor.u8();
  if (literal < DW_OP_lit0 || literal > DW_OP_lit31 || !accept(cursor, PLT_END)) return undefined;
  if (cursor.position !== cursor.end) return undefined;
  return { form: "plt", ...first, pcRegister, threshold: literal - DW_OP_lit0 };
}

/** What is added last, to the end of the expression; 0 when nothing is. */
function readPlus(cursor: CfiCursor): number | undefined {
  if (cursor.position === cursor.end) return 0;
  if (cursor.u8() !== DW_OP_plus_uconst) return undefined;
  const plus = cursor.uleb128();
  return cursor.position === cursor.end && !cursor.overrun ? plus : undefined;
}

/** Consumes the operations when they are next, else nothing. */
function accept(cursor: CfiCursor, operations: readonly number[]): boolean {
  const { bytes, position, end } = cursor;
  if (position + operations.length > end) return false;
  if (!operations.every((operation, index) => bytes[position + index] === operation)) return false;
  cursor.position += operations.length;
  return true;
}

function peek(cursor: CfiCursor): number {
  return cursor.bytes[cursor.position] as number;
}
