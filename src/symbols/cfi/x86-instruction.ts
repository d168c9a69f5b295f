/**
 * Lengths of x86-64 instructions, and what they do to rsp, rbp and the flow of control.
 *
 *   prefixes      66 67 f0 f2 f3 and segments; then REX 40–4f, VEX c4 c5, EVEX 62
 *   opcode        1 byte; 0f and 1 byte; 0f 38 or 0f 3a and 1 byte
 *   ModRM, SIB    mod 2 bits, reg 3, rm 3; SIB when rm is 4 and mod is not 3
 *   displacement  1 byte for mod 1, 4 for mod 2; 4 for mod 0 with rm 5 or SIB base 5
 *   immediate     by opcode
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, chapter 2 and
 * appendix A. Instructions that compilers do not write may be measured wrong.
 */

export const FLOW_NEXT = 0;
export const FLOW_CALL = 1;
export const FLOW_JUMP = 2;
export const FLOW_BRANCH = 3;
/** To an address that the instruction does not tell. */
export const FLOW_INDIRECT = 4;
/** A return, or a jump to another function through a pointer. */
export const FLOW_END = 5;
/** An instruction that is not defined, for compilers to trap with. */
export const FLOW_TRAP = 6;
/** hlt: how C libraries crash. Compilers do not know, and go on behind it. */
export const FLOW_HALT = 7;

export const STACK_NONE = 0;
/** One word; `operand` is the register, or −1. */
export const STACK_PUSH = 1;
export const STACK_POP = 2;
/** rsp moves up by `operand`. */
export const STACK_ADD = 3;
/** rsp = rbp + operand. */
export const STACK_FROM_FP = 4;
/** rbp = rsp + operand. */
export const FP_FROM_STACK = 5;
export const STACK_LEAVE = 6;
/** rsp is what this reader does not follow. */
export const STACK_UNKNOWN = 7;

export const RBP = 5;
const RSP = 4;
/** The processor takes no more. */
const INSTRUCTION_BYTES_MAX = 15;

const NO_MODRM = 0;
const MODRM = 1;
const IMM8 = 2;
const IMM32 = 4;
const INVALID = 8;

const oneByte = oneByteTable();
const twoByte = twoByteTable();

/** Decodes one instruction after the other; the fields are the answer for the last. */
export class X86Decoder {
  length = 0;
  flow = FLOW_NEXT;
  /** From the instruction's end, of calls, jumps and branches. */
  target = 0;
  stack = STACK_NONE;
  operand = 0;
  /** rip-relative displacement of a lea; 0 for any other instruction. */
  leaTarget = 0;
  isPadding = false;

  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #rex = 0;
  #is16Bit = false;

  /** False when the bytes are no instruction, or end in one. */
  decode(bytes: Uint8Array, at: number, end: number): boolean {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = Math.min(end, at + INSTRUCTION_BYTES_MAX);
    this.flow = FLOW_NEXT;
    this.stack = STACK_NONE;
    this.target = 0;
    this.leaTarget = 0;
    this.isPadding = false;
    this.#readPrefixes();
    const isDecoded = this.#readOpcode();
    this.length = this.#at - at;
    return isDecoded && this.#at <= this.#end;
  }

  #readPrefixes(): void {
    this.#rex = 0;
    this.#is16Bit = false;
    // Bytes that are nothing but prefixes end at the limit: else each would be read to the last.
    for (; this.#at < this.#end; this.#at++) {
      const byte = this.#peek();
      if (!isLegacyPrefix(byte)) break;
      if (byte === 0x66) this.#is16Bit = true;
    }
    if ((this.#peek() & 0xf0) === 0x40) this.#rex = this.#u8();
  }

  #readOpcode(): boolean {
    const opcode = this.#u8();
    if (opcode === 0x0f) return this.#readTwoByte();
    if (opcode === 0xc5) return this.#readVector(this.#skipped(1, 1));
    if (opcode === 0xc4) return this.#readVector(this.#skipped(2, this.#peek() & 0x1f));
    if (opcode === 0x62) return this.#readVector(this.#skipped(3, this.#peek() & 0x07));
    const form = oneByte[opcode] as number;
    if ((form & INVALID) !== 0) return false;
    const operandsAt = this.#at;
    if ((form & MODRM) !== 0) this.#skipModrm();
    if ((form & IMM8) !== 0) this.#at += 1;
    if ((form & IMM32) !== 0) this.#at += this.#is16Bit && !isRelative(opcode) ? 2 : 4;
    this.#readIrregular(opcode, operandsAt);
    this.#readFlow(opcode, operandsAt);
    this.#readStack(opcode, operandsAt);
    return true;
  }

  #readIrregular(opcode: number, at: number): void {
    const wide = (this.#rex & 8) !== 0;
    if (opcode >= 0xb8 && opcode <= 0xbf && wide) this.#at += 4;
    else if (opcode >= 0xa0 && opcode <= 0xa3) this.#at += 8;
    else if (opcode === 0xc2 || opcode === 0xca) this.#at += 2;
    else if (opcode === 0xc8) this.#at += 3;
    else if ((opcode === 0xf6 || opcode === 0xf7) && (this.#byte(at) & 0x30) === 0) {
      this.#at += opcode === 0xf6 ? 1 : this.#is16Bit ? 2 : 4;
    }
  }

  #readFlow(opcode: number, at: number): void {
    const selector = (this.#byte(at) >> 3) & 7;
    if (opcode === 0xe8) this.#setFlow(FLOW_CALL, this.#i32(at));
    else if (opcode === 0xe9) this.#setFlow(FLOW_JUMP, this.#i32(at));
    else if (opcode === 0xeb) this.#setFlow(FLOW_JUMP, this.#i8(at));
    else if ((opcode & 0xf0) === 0x70 || (opcode >= 0xe0 && opcode <= 0xe3)) {
      this.#setFlow(FLOW_BRANCH, this.#i8(at));
    } else if (opcode === 0xc2 || opcode === 0xc3) this.flow = FLOW_END;
    else if (opcode === 0xf4) this.flow = FLOW_HALT;
    else if (opcode === 0xff && selector === 4) this.flow = this.#indirectFlow(at);
    else if (opcode === 0x90 || opcode === 0xcc) this.isPadding = true;
  }

  /** Through a pointer at a fixed place other functions are called; through tables code goes on. */
  #indirectFlow(at: number): number {
    return (this.#byte(at) & 0xc7) === 5 ? FLOW_END : FLOW_INDIRECT;
  }

  #readStack(opcode: number, at: number): void {
    const modrm = this.#byte(at);
    const selector = (modrm >> 3) & 7;
    if ((opcode & 0xf8) === 0x50) this.#setStack(STACK_PUSH, this.#rmRegister(opcode & 7));
    else if ((opcode & 0xf8) === 0x58) this.#setStack(STACK_POP, this.#rmRegister(opcode & 7));
    else if (opcode === 0x68 || opcode === 0x6a) this.#setStack(STACK_PUSH, -1);
    else if (opcode === 0xff && selector === 6) this.#setStack(STACK_PUSH, -1);
    else if (opcode === 0x8f) this.#setStack(STACK_POP, -1);
    else if (opcode === 0x9c) this.#setStack(STACK_PUSH, -1);
    else if (opcode === 0x9d) this.#setStack(STACK_POP, -1);
    else if (opcode === 0xc9) this.#setStack(STACK_LEAVE, 0);
    else if (opcode === 0xc8) this.#setStack(STACK_UNKNOWN, 0);
    else if (opcode === 0x81 || opcode === 0x83) this.#readArithmetic(opcode, at);
    else if (opcode === 0x89) this.#readMove(this.#rm(modrm), this.#reg(modrm));
    else if (opcode === 0x8b) this.#readMove(this.#reg(modrm), this.#rm(modrm));
    else if (opcode === 0x8d) this.#readLea(at);
    else if (isTwoOperand(opcode) && this.#writesRsp(opcode, modrm)) {
      this.#setStack(STACK_UNKNOWN, 0);
    }
  }

  /** add, sub and the others with an immediate. */
  #readArithmetic(opcode: number, at: number): void {
    const modrm = this.#byte(at);
    const operation = (modrm >> 3) & 7;
    if (this.#rm(modrm) !== RSP || operation === 7) return;
    const value = opcode === 0x83 ? this.#i8(at + 1) : this.#i32(at + 1);
    if (operation === 0) this.#setStack(STACK_ADD, value);
    else if (operation === 5) this.#setStack(STACK_ADD, -value);
    else this.#setStack(STACK_UNKNOWN, 0);
  }

  #readMove(to: number, from: number): void {
    if (to === RSP) this.#setStack(from === RBP ? STACK_FROM_FP : STACK_UNKNOWN, 0);
    else if (to === RBP && from === RSP) this.#setStack(FP_FROM_STACK, 0);
  }

  #readLea(at: number): void {
    const modrm = this.#byte(at);
    const to = this.#reg(modrm);
    const mod = modrm >> 6;
    if (mod === 0 && (modrm & 7) === 5) this.leaTarget = this.#i32(at + 1);
    if (to !== RSP && to !== RBP) return;
    const isSib = (modrm & 7) === 4;
    const isPlainRsp = isSib && this.#byte(at + 1) === 0x24 && (this.#rex & 3) === 0;
    const isRbp = (modrm & 7) === 5 && mod !== 0 && (this.#rex & 1) === 0;
    const displacementAt = at + (isSib ? 2 : 1);
    let displacement = 0;
    if (mod === 1) displacement = this.#i8(displacementAt);
    if (mod === 2) displacement = this.#i32(displacementAt);
    if (to === RSP && isPlainRsp) this.#setStack(STACK_ADD, displacement);
    else if (to === RSP) this.#setStack(isRbp ? STACK_FROM_FP : STACK_UNKNOWN, displacement);
    else if (isPlainRsp) this.#setStack(FP_FROM_STACK, displacement);
  }

  #writesRsp(opcode: number, modrm: number): boolean {
    const isToRegister = (opcode & 2) !== 0;
    return (isToRegister ? this.#reg(modrm) : this.#rm(modrm)) === RSP;
  }

  #readTwoByte(): boolean {
    const opcode = this.#u8();
    if (opcode === 0x38 || opcode === 0x3a) {
      this.#at++;
      this.#skipModrm();
      if (opcode === 0x3a) this.#at++;
      return true;
    }
    const form = twoByte[opcode] as number;
    if ((form & INVALID) !== 0) return false;
    if (opcode >= 0x80 && opcode <= 0x8f) this.#setFlow(FLOW_BRANCH, this.#i32(this.#at));
    if (opcode === 0x0b) this.flow = FLOW_TRAP;
    if (opcode === 0x1f) this.isPadding = true;
    if (opcode === 0xa0 || opcode === 0xa8) this.#setStack(STACK_PUSH, -1);
    if (opcode === 0xa1 || opcode === 0xa9) this.#setStack(STACK_POP, -1);
    if ((form & MODRM) !== 0) this.#skipModrm();
    if ((form & IMM8) !== 0) this.#at += 1;
    if ((form & IMM32) !== 0) this.#at += 4;
    return true;
  }

  /** Opcode and operands behind a VEX or EVEX prefix, of its map of opcodes. */
  #readVector(map: number): boolean {
    const opcode = this.#u8();
    if (map === 1 && opcode === 0x77) return true;
    this.#skipModrm();
    if (map === 3 || (map === 1 && ((twoByte[opcode] as number) & IMM8) !== 0)) this.#at++;
    return map >= 1 && map <= 6;
  }

  #skipped(byteCount: number, map: number): number {
    this.#at += byteCount;
    return map;
  }

  #skipModrm(): void {
    const modrm = this.#u8();
    const mod = modrm >> 6;
    if (mod === 3) return;
    let base = modrm & 7;
    if (base === 4) base = this.#u8() & 7;
    if (mod === 1) this.#at += 1;
    else if (mod === 2 || base === 5) this.#at += 4;
  }

  /** The register, or −1 when it is memory or the operation has fewer than 64 bits. */
  #rm(modrm: number): number {
    return modrm >> 6 === 3 && (this.#rex & 8) !== 0 ? this.#rmRegister(modrm & 7) : -1;
  }

  #rmRegister(low: number): number {
    return low | ((this.#rex & 1) << 3);
  }

  #reg(modrm: number): number {
    return (this.#rex & 8) !== 0 ? ((modrm >> 3) & 7) | ((this.#rex & 4) << 1) : -1;
  }

  #setFlow(flow: number, target: number): void {
    this.flow = flow;
    this.target = target;
  }

  #setStack(stack: number, operand: number): void {
    this.stack = stack;
    this.operand = operand;
  }

  #u8(): number {
    return this.#byte(this.#at++);
  }

  #peek(): number {
    return this.#byte(this.#at);
  }

  #byte(at: number): number {
    return this.#bytes[at] ?? 0;
  }

  #i8(at: number): number {
    return (this.#byte(at) << 24) >> 24;
  }

  #i32(at: number): number {
    const high = (this.#byte(at + 3) << 24) | (this.#byte(at + 2) << 16);
    return high | (this.#byte(at + 1) << 8) | this.#byte(at);
  }
}

function isLegacyPrefix(byte: number): boolean {
  switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xf0:
    case 0xf2:
    case 0xf3:
      return true;
    default:
      return false;
  }
}

/** Branch displacements have 4 bytes whatever the operand size. */
function isRelative(opcode: number): boolean {
  return opcode === 0xe8 || opcode === 0xe9;
}

/** add, or, adc, sbb, and, sub, xor between registers; cmp writes none. */
function isTwoOperand(opcode: number): boolean {
  return opcode < 0x38 && (opcode & 5) === 1;
}

function oneByteTable(): Uint8Array {
  const table = new Uint8Array(256).fill(NO_MODRM);
  const set = (form: number, ...opcodes: number[]): void => {
    for (const opcode of opcodes) table[opcode] = form;
  };
  for (let row = 0; row < 0x40; row += 8) {
    set(MODRM, row, row + 1, row + 2, row + 3);
    set(IMM8, row + 4);
    set(IMM32, row + 5);
    set(INVALID, row + 6, row + 7);
  }
  set(INVALID, 0x60, 0x61, 0x82, 0x9a, 0xce, 0xd4, 0xd5, 0xd6, 0xea);
  set(MODRM, 0x63, ...range(0x84, 0x8f), ...range(0xd0, 0xd3), ...range(0xd8, 0xdf));
  set(MODRM, 0xf6, 0xf7, 0xfe, 0xff);
  set(IMM32, 0x68, 0xa9, ...range(0xb8, 0xbf), 0xe8, 0xe9);
  set(IMM8, 0x6a, ...range(0x70, 0x7f), 0xa8, ...range(0xb0, 0xb7), 0xcd, 0xeb);
  set(IMM8, ...range(0xe0, 0xe7));
  set(MODRM | IMM32, 0x69, 0x81, 0xc7);
  set(MODRM | IMM8, 0x6b, 0x80, 0x83, 0xc0, 0xc1, 0xc6);
  return table;
}

function twoByteTable(): Uint8Array {
  const table = new Uint8Array(256).fill(MODRM);
  const set = (form: number, ...opcodes: number[]): void => {
    for (const opcode of opcodes) table[opcode] = form;
  };
  set(NO_MODRM, ...range(0x05, 0x09), 0x0b, 0x0e, ...range(0x30, 0x37), 0x77);
  set(NO_MODRM, 0xa0, 0xa1, 0xa2, 0xa8, 0xa9, 0xaa, ...range(0xc8, 0xcf));
  set(
    INVALID,
    0x04,
    0x0a,
    0x0c,
    0x24,
    0x25,
    0x26,
    0x27,
    0x36,
    0x39,
    ...range(0x3b, 0x3f),
    0xa6,
    0xa7,
  );
  set(MODRM | IMM8, ...range(0x70, 0x73), 0xa4, 0xac, 0xba, 0xc2, 0xc4, 0xc5, 0xc6);
  set(IMM32, ...range(0x80, 0x8f));
  return table;
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
