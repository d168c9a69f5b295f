import { sleb, u32, uleb } from "../../src/symbols/cfi/testing/cfi-writer.ts";
import type { Random } from "./mutate.ts";

/** Register numbers of a machine's DWARF mapping. */
export interface CfiRegisters {
  readonly sp: number;
  readonly fp: number;
  readonly ra: number;
}

export const X86_REGISTERS: CfiRegisters = { sp: 7, fp: 6, ra: 16 };
export const ARM64_REGISTERS: CfiRegisters = { sp: 31, fp: 29, ra: 30 };

/** Registers that a made-up thread has. */
const REGISTERS = 32;
/** Distances in bytes as compilers write them, and around the limits of what rows can hold. */
const OFFSETS = [
  0, 8, 16, 24, 160, 4, 12, 512, 262_136, 262_144, 1_048_576, 16_777_208, 16_777_216,
];
const DW_OP_deref = 0x06;
const DW_OP_plus_uconst = 0x23;
const DW_OP_lit0 = 0x30;
const DW_OP_breg0 = 0x70;

/**
 * Writes call frame instructions that are well formed, mostly as compilers write them, with
 * operations and numbers that the plain interpreter knows as well.
 */
export class CfiGrammar {
  readonly #random: Random;
  readonly #registers: CfiRegisters;

  constructor(random: Random, registers: CfiRegisters) {
    this.#random = random;
    this.#registers = registers;
  }

  /** Whole instructions, as many as have no more than `bytesMax`. */
  instructions(count: number, bytesMax: number): number[] {
    const bytes: number[] = [];
    for (let index = 0; index < count; index++) {
      const next = this.#instruction();
      if (bytes.length + next.length <= bytesMax) bytes.push(...next);
    }
    return bytes;
  }

  /** What a CIE begins with: mostly the frame of a function that was just called. */
  initial(): number[] {
    const { sp, ra } = this.#registers;
    const random = this.#random;
    if (random.below(4) === 0) {
      const saved = [0x80 | this.#register(), ...uleb(1 + random.below(4))];
      return [0x0c, random.below(REGISTERS), ...uleb(this.#offset()), ...saved];
    }
    return ra === X86_REGISTERS.ra ? [0x0c, sp, 8, 0x80 | ra, 1] : [0x0c, sp, 0];
  }

  #instruction(): number[] {
    const random = this.#random;
    const { sp, fp } = this.#registers;
    const register = this.#register();
    switch (random.below(19)) {
      case 0:
      case 1:
        return [0x40 | random.below(16)];
      case 2:
        return [0x02, random.below(64)];
      case 3:
        return [0x03, random.below(64), 0];
      case 4:
        return [0x0c, ...uleb(random.pick([sp, fp, register])), ...uleb(this.#offset())];
      case 5:
        return [0x0d, ...uleb(random.pick([sp, fp, register]))];
      case 6:
      case 7:
        return [0x0e, ...uleb(this.#offset())];
      case 8:
        return [0x80 | register, ...uleb(1 + random.below(4))];
      case 9:
        return [0x05, ...uleb(register), ...uleb(random.below(40_000))];
      case 10:
        return random.below(2) === 0 ? [0xc0 | register] : [0x06, register];
      case 11:
        return [0x07, register];
      case 12:
        return [0x08, register];
      case 13:
        return [0x09, register, random.below(REGISTERS)];
      case 14:
        return [0x0a];
      case 15:
        return [0x0b];
      case 16:
        return [0x0f, ...block(this.#expression())];
      case 17:
        return [random.pick([0x10, 0x16]), register, ...block(this.#expression())];
      default:
        return random.pick([[0], [0x2e, 16], [0x14, register, random.below(3)], [0x04, ...u32(1)]]);
    }
  }

  /** Mostly one that the tables care for. */
  #register(): number {
    const { sp, fp, ra } = this.#registers;
    const register = this.#random.pick([fp, fp, ra, sp, this.#random.below(REGISTERS)]);
    return register;
  }

  #offset(): number {
    return this.#random.below(4) === 0 ? this.#random.below(4096) : this.#random.pick(OFFSETS);
  }

  /** One of the known forms, or one with an operation too many or too few. */
  #expression(): number[] {
    const random = this.#random;
    const { sp, fp, ra } = this.#registers;
    const base = breg(random.pick([sp, fp, random.below(REGISTERS)]), random.below(64) * 8 - 256);
    const plus = random.below(2) === 0 ? [] : [DW_OP_plus_uconst, random.pick([8, 16, 4, 248])];
    const index = breg(random.below(REGISTERS), 0);
    const forms = [
      base,
      [...base, DW_OP_deref, ...plus],
      [...base, ...index, DW_OP_lit0 + 8, 0x1e, 0x22, DW_OP_deref, ...plus],
      [
        ...breg(sp, 8),
        ...breg(ra, 0), // The place of x86-64; a register of arm64.
        ...[DW_OP_lit0 + 15, 0x1a, DW_OP_lit0 + random.below(16), 0x2a, DW_OP_lit0 + 3, 0x24, 0x22],
      ],
    ];
    const form = random.pick(forms);
    if (random.below(8) === 0) return [...form, random.pick([DW_OP_deref, 0x22, 0x1a, 0x1e])];
    return random.below(16) === 0 ? form.slice(0, random.below(form.length)) : form;
  }
}

function breg(register: number, offset: number): number[] {
  return [DW_OP_breg0 + register, ...sleb(offset)];
}

function block(bytes: readonly number[]): number[] {
  return [...uleb(bytes.length), ...bytes];
}
