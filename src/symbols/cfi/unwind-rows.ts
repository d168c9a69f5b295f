/**
 * Unwind rules in 8 bytes, as user space writes and eBPF reads them.
 *
 *   struct unwind_row {        little endian; address = base + (page << 16) + pc_low
 *     __u16 pc_low;            the rule holds from here to the next row
 *     __u8  cfa;               bits 0–2 kind, bits 3–7 register (or what stands there)
 *     __u8  fp;                bits 0–2 kind, bits 3–7 extra
 *     __s16 cfa_offset;        in words of 8 bytes
 *     __s16 fp_offset;         in words of 8 bytes
 *   };
 *
 *   cfa kind        the caller's stack pointer (CFA) is
 *   0  SPECIAL      by the register bits: 0 cannot, 1 end of stack, 2 frame pointer,
 *                   3 signal frame, 4 gap: end when the frame pointer is 0, else cannot
 *   1  REGISTER     register + cfa_offset
 *   2  DEREF        *(register + cfa_offset) + extra (arm64: without it)
 *   3  PLT          sp + cfa_offset + (pc & 15 >= register bits ? 1 : 0)
 *   4  RA_REGISTER  sp + cfa_offset, and the return address is in the register (leaf only)
 *   5  INDEXED      *(sp + cfa_offset + register × 8) + extra (leaf only)
 *   6  FAR          register + (extra << 16 | cfa_offset without a sign): frames up to 16 MiB
 *   7  LEAF         in the leaf register + cfa_offset; in other frames SPECIAL frame pointer holds
 *
 *   fp kind         x86-64: return address at CFA − 8, the caller's rbp is
 *   0  SAME         unchanged
 *   1  AT_CFA       *(CFA + fp_offset)
 *   2  AT_FP        *(rbp + fp_offset)
 *   3  AT_SP        *(rsp + fp_offset)
 *   4  REGISTER     in the register of the extra bits (leaf only; not where the kind of
 *                   the CFA uses them)
 *   5  UNDEFINED    not to be had: go on with 0
 *
 *   fp kind         arm64: the return address is             the caller's x29 is
 *   0  LR           in x30                                   unchanged
 *   1  RA           *(CFA + fp_offset)                       unchanged
 *   2  FRAME        *(CFA + fp_offset)                       at the word `extra` (signed) from it;
 *                                                            with FAR: one word below it
 *   3  LR_FP        in x30                                   *(CFA + fp_offset)
 *
 *   SPECIAL frame pointer: caller's sp fp + 16, pc *(fp + 8), fp *fp; an fp of 0 is the end.
 *   SPECIAL signal frame, x86-64: sp *(rsp + cfa_offset), pc one word behind, fp five before.
 *                         arm64: x0–x30, sp, pc from sp + cfa_offset on.
 *
 * Registers have DWARF numbers. One that is neither stack nor frame pointer is known only in the
 * leaf and in what a signal interrupted. Return addresses of arm64 may be signed: the reader
 * strips the upper bits of every one. Rows are in ascending order; the rows of page p are
 * page_first[p] to page_first[p + 1], and an address before the first of them belongs to the row
 * before it. One row's rule goes on over up to 15 bytes without an FDE, which only pad.
 */
import { limitExceeded } from "../../support/errors.ts";

/** Of one file: half of the budget that a host has by default. ClickHouse has 5.7 million. */
export const ROWS_MAX = 8_000_000;
/** Bytes of addresses from the first to the last code of a file. */
export const SPAN_BYTES_MAX: number = 2 ** 32;
export const PAGE_BYTES = 65_536;
export const WORDS_PER_ROW = 2;

export const CFA_SPECIAL = 0;
export const CFA_AT_REGISTER = 1;
export const CFA_DEREF = 2;
export const CFA_PLT = 3;
export const CFA_RA_REGISTER = 4;
export const CFA_INDEXED = 5;
export const CFA_FAR = 6;
export const CFA_LEAF = 7;

export const SPECIAL_CANNOT = 0;
export const SPECIAL_END = 1;
export const SPECIAL_FRAME_POINTER = 2;
export const SPECIAL_SIGNAL = 3;
export const SPECIAL_GAP = 4;

export const FP_SAME = 0;
export const FP_AT_CFA = 1;
export const FP_AT_FP = 2;
export const FP_AT_SP = 3;
export const FP_IN_REGISTER = 4;
export const FP_UNDEFINED = 5;

export const ARM_LR = 0;
export const ARM_RA = 1;
export const ARM_FRAME = 2;
export const ARM_LR_FP = 3;

/** Largest of the 5 bits beside a kind. */
export const EXTRA_MAX = 31;
const FAR_MAX: number = EXTRA_MAX * 65_536 + 65_535;
const OFFSET_MAX = 32_767;
const OFFSET_MIN = -32_768;
const WORD_BYTES = 8;

/** A rule without its address: `head` is the cfa byte and the fp byte, `offsets` the two words. */
export interface PackedRule {
  head: number;
  offsets: number;
}

/** The cfa byte, or the fp byte, of a rule. */
export function kindByte(kind: number, extra: number): number {
  return kind | (extra << 3);
}

/** A special rule, which is all in the cfa byte. */
export function specialRule(special: number): PackedRule {
  return { head: kindByte(CFA_SPECIAL, special), offsets: 0 };
}

/** Where a signal frame holds the interrupted stack pointer (x86-64), or x0 (arm64). */
export const X86_SIGNAL_SP_OFFSET = 160;
export const ARM64_SIGNAL_REGISTERS_OFFSET = 312;

/** The rule of a signal frame of the kernel's form. */
export function signalRule(isX86: boolean): PackedRule {
  const offset = isX86 ? X86_SIGNAL_SP_OFFSET : ARM64_SIGNAL_REGISTERS_OFFSET;
  const { head } = specialRule(SPECIAL_SIGNAL);
  return { head, offsets: packOffsets(offset / WORD_BYTES, 0) };
}

export function packHead(cfaByte: number, fpByte: number): number {
  return cfaByte | (fpByte << 8);
}

export function packOffsets(cfaWords: number, fpWords: number): number {
  return ((cfaWords & 0xffff) | (fpWords << 16)) >>> 0;
}

/** A distance in bytes as words; undefined when it is no multiple of 8 or beyond 256 KiB. */
export function offsetWords(byteCount: number): number | undefined {
  const words = byteCount / WORD_BYTES;
  return Number.isInteger(words) && words >= OFFSET_MIN && words <= OFFSET_MAX ? words : undefined;
}

/** A distance that is too far for `offsetWords`, as words; undefined when it is for FAR, too. */
export function farWords(byteCount: number): number | undefined {
  const words = byteCount / WORD_BYTES;
  return Number.isInteger(words) && words >= 0 && words <= FAR_MAX ? words : undefined;
}

/** Rows with their index of pages. The arrays are whole buffers, to be transferred to a thread. */
export interface UnwindRows {
  /** Address of page 0's first byte: a multiple of PAGE_BYTES. */
  readonly base: number;
  /** Two words of 32 bits for each row. */
  readonly rows: Uint32Array<ArrayBuffer>;
  /** For each page the number of its first row, and one entry more. */
  readonly pageFirst: Uint32Array<ArrayBuffer>;
}

/** Where a builder stood, to go back to: one for each FDE, so plain numbers. */
export interface RowMark {
  readonly count: number;
  readonly lastPage: number;
  /** The words of the last row, which a later one may replace. */
  readonly first: number;
  readonly second: number;
}

/** Takes rules in ascending order of address and merges equal neighbours. */
export class RowBuilder {
  readonly #name: string;
  readonly #base: number;
  readonly #pageFirst: Uint32Array<ArrayBuffer>;
  #rows: Uint32Array<ArrayBuffer>;
  #count = 0;
  #lastPage = -1;

  /** @param rowsHint  a guess of how many there will be, which saves growing */
  constructor(name: string, span: { start: number; end: number }, rowsHint: number) {
    this.#name = name;
    this.#base = Math.floor(span.start / PAGE_BYTES) * PAGE_BYTES;
    const pageCount = Math.ceil((span.end - this.#base) / PAGE_BYTES);
    this.#pageFirst = new Uint32Array(pageCount + 1);
    this.#rows = new Uint32Array(Math.min(Math.max(rowsHint, 64), ROWS_MAX) * WORDS_PER_ROW);
  }

  get count(): number {
    return this.#count;
  }

  mark(): RowMark {
    const last = (this.#count - 1) * WORDS_PER_ROW;
    return {
      count: this.#count,
      lastPage: this.#lastPage,
      first: this.#rows[last] ?? 0,
      second: this.#rows[last + 1] ?? 0,
    };
  }

  /** Forgets what was added since. */
  rollBack({ count, lastPage, first, second }: RowMark): void {
    this.#count = count;
    this.#lastPage = lastPage;
    if (count === 0) return;
    const last = (count - 1) * WORDS_PER_ROW;
    this.#rows[last] = first;
    this.#rows[last + 1] = second;
  }

  /**
   * The rule holds from `address` on; one that was added for the same address is replaced.
   *
   * @throws LIMIT_EXCEEDED  more than ROWS_MAX
   */
  add(address: number, head: number, offsets: number): void {
    const distance = address - this.#base;
    const page = Math.floor(distance / PAGE_BYTES);
    const first = (distance % PAGE_BYTES) + head * PAGE_BYTES;
    const rows = this.#rows;
    if (page === this.#lastPage && this.#count > (this.#pageFirst[page] as number)) {
      const last = (this.#count - 1) * WORDS_PER_ROW;
      if (((rows[last] as number) & 0xffff) === (first & 0xffff)) this.#count--;
    }
    const before = (this.#count - 1) * WORDS_PER_ROW;
    if (this.#count > 0 && (rows[before] as number) >>> 16 === head) {
      if (rows[before + 1] === offsets) return;
    }
    this.#append(page, first, offsets);
  }

  /** The rows so far, in arrays of their exact size. */
  finish(): UnwindRows {
    for (let page = this.#lastPage + 1; page < this.#pageFirst.length; page++) {
      this.#pageFirst[page] = this.#count;
    }
    const rows = this.#rows.slice(0, this.#count * WORDS_PER_ROW);
    return { base: this.#base, rows, pageFirst: this.#pageFirst };
  }

  #append(page: number, first: number, second: number): void {
    if (this.#count >= ROWS_MAX) {
      throw limitExceeded(this.#name, "unwind rows", this.#count + 1, ROWS_MAX);
    }
    if ((this.#count + 1) * WORDS_PER_ROW > this.#rows.length) this.#grow();
    while (this.#lastPage < page) this.#pageFirst[++this.#lastPage] = this.#count;
    const at = this.#count * WORDS_PER_ROW;
    this.#rows[at] = first;
    this.#rows[at + 1] = second;
    this.#count++;
  }

  #grow(): void {
    const length = Math.min(this.#rows.length * 2, ROWS_MAX * WORDS_PER_ROW);
    const rows = new Uint32Array(length);
    rows.set(this.#rows);
    this.#rows = rows;
  }
}
