/** Address of the written file's code. */
export const TEXT: number = 0x40_1000;

const BASE = 0x40_0000;
const TEXT_AT = 0x1000;
const HEADER_BYTES = 64;
const PROGRAM_BYTES = 56;
const SECTION_BYTES = 64;
const PT_NULL = 0;
const PT_LOAD = 1;
const PT_GNU_EH_FRAME = 0x6474e550;
const DW_EH_PE_pcrel_sdata4 = 0x1b;
const NAMES = "\0.text\0.eh_frame\0.debug_frame\0.plt\0";

export interface WrittenCie {
  readonly version?: number;
  /** "zR" when it is left out. */
  readonly augmentation?: string;
  /** Behind the augmentation's length; the encoding of pointers when it is left out. */
  readonly augmentationData?: readonly number[];
  readonly codeAlignment?: number;
  readonly dataAlignment?: number;
  readonly returnRegister?: number;
  /** Of version 4. */
  readonly addressBytes?: number;
  /** CFA = rsp + 8, return address at CFA − 8, when they are left out. */
  readonly instructions?: readonly number[];
}

export interface WrittenFde {
  readonly start?: number;
  readonly byteCount?: number;
  readonly instructions?: readonly number[];
  /** Instead of start and byte count by pcrel sdata4. */
  readonly range?: readonly number[];
}

/** def_cfa rsp 8; offset rip 1. */
export const USUAL_START: readonly number[] = [0x0c, 7, 8, 0x90, 1];

/** Writes the records of .eh_frame, or of .debug_frame with addresses of 8 bytes. */
export class FrameWriter {
  readonly bytes: number[] = [];
  readonly #isDebugFrame: boolean;
  /** Address of the section's first byte. */
  readonly address: number;

  constructor({ textBytes = 0x1000, isDebugFrame = false } = {}) {
    this.#isDebugFrame = isDebugFrame;
    this.address = TEXT + textBytes;
  }

  /** The CIE's offset. */
  cie(cie: WrittenCie = {}): number {
    const { version = 1, returnRegister = 16 } = cie;
    const augmentation = cie.augmentation ?? (this.#isDebugFrame ? "" : "zR");
    const data = cie.augmentationData ?? [DW_EH_PE_pcrel_sdata4];
    return this.#record([
      ...(this.#isDebugFrame ? u32(0xffff_ffff) : u32(0)),
      version,
      ...Buffer.from(augmentation),
      0,
      ...(version === 4 ? [cie.addressBytes ?? 8, 0] : []),
      ...uleb(cie.codeAlignment ?? 1),
      ...sleb(cie.dataAlignment ?? -8),
      ...(version === 1 ? [returnRegister] : uleb(returnRegister)),
      ...(augmentation.startsWith("z") ? [...uleb(data.length), ...data] : []),
      ...(cie.instructions ?? USUAL_START),
    ]);
  }

  /** The FDE's offset. */
  fde(cie: number, fde: WrittenFde = {}): number {
    const { start = TEXT, byteCount = 0x100, instructions = [] } = fde;
    const at = this.bytes.length + 4;
    if (this.#isDebugFrame) {
      const range = fde.range ?? [...u64(start), ...u64(byteCount)];
      return this.#record([...u32(cie), ...range, ...instructions]);
    }
    const range = fde.range ?? [...u32(start - (this.address + at + 4)), ...u32(byteCount)];
    return this.#record([...u32(at - cie), ...range, 0, ...instructions]);
  }

  #record(content: readonly number[]): number {
    const start = this.bytes.length;
    // Instructions may be a million bytes: no spreading.
    for (const byte of u32(content.length)) this.bytes.push(byte);
    for (const byte of content) this.bytes.push(byte);
    return start;
  }
}

export interface WrittenCfiElf {
  readonly frame: ArrayLike<number>;
  readonly isDebugFrame?: boolean;
  readonly text?: Uint8Array;
  /** Instead of `text`: so many bytes that pad. */
  readonly textBytes?: number;
  readonly machine?: number;
  readonly entry?: number;
  /** Without them only PT_GNU_EH_FRAME leads to the frame section. */
  readonly withoutSections?: boolean;
  /** Name of the section of code. */
  readonly textName?: ".text" | ".plt";
  /** sh_flags of the frame section. */
  readonly frameFlags?: number;
}

/** A 64-bit little-endian executable with one segment: code, then the frame section. */
export function writeCfiElf(elf: WrittenCfiElf): Uint8Array {
  const text = elf.text ?? new Uint8Array(elf.textBytes ?? 0x1000).fill(0x90);
  const frameAt = TEXT_AT + text.length;
  const header = ehFrameHeader(frameAt, elf.frame.length);
  const headerAt = frameAt + elf.frame.length;
  const namesAt = headerAt + header.length;
  const sectionsAt = namesAt + NAMES.length;
  const bytes = new Uint8Array(sectionsAt + 4 * SECTION_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 3, true);
  view.setUint16(18, elf.machine ?? 62, true);
  view.setBigUint64(24, BigInt(elf.entry ?? 0), true);
  view.setBigUint64(32, BigInt(HEADER_BYTES), true);
  view.setUint16(54, PROGRAM_BYTES, true);
  view.setUint16(56, 2, true);
  bytes.set(text, TEXT_AT);
  bytes.set(Uint8Array.from(elf.frame), frameAt);
  bytes.set(header, headerAt);
  writeProgram(view, 0, { type: PT_LOAD, flags: 5, offset: 0, size: namesAt });
  const headerType = elf.isDebugFrame ? PT_NULL : PT_GNU_EH_FRAME;
  writeProgram(view, 1, { type: headerType, flags: 4, offset: headerAt, size: header.length });
  if (elf.withoutSections) return bytes;
  bytes.set(Buffer.from(NAMES), namesAt);
  view.setBigUint64(40, BigInt(sectionsAt), true);
  view.setUint16(58, SECTION_BYTES, true);
  view.setUint16(60, 4, true);
  view.setUint16(62, 3, true);
  const frameName = elf.isDebugFrame ? ".debug_frame" : ".eh_frame";
  const sections = [
    { name: elf.textName ?? ".text", type: 1, flags: 6, offset: TEXT_AT, size: text.length },
    {
      name: frameName,
      type: 1,
      flags: elf.frameFlags ?? 2,
      offset: frameAt,
      size: elf.frame.length,
    },
    { name: "", type: 3, flags: 0, offset: namesAt, size: NAMES.length },
  ];
  for (const [index, section] of sections.entries()) {
    const at = sectionsAt + (index + 1) * SECTION_BYTES;
    view.setUint32(at, Math.max(NAMES.indexOf(`\0${section.name}\0`) + 1, 0), true);
    view.setUint32(at + 4, section.type, true);
    view.setBigUint64(at + 8, BigInt(section.flags), true);
    view.setBigUint64(at + 24, BigInt(section.offset), true);
    view.setBigUint64(at + 32, BigInt(section.size), true);
  }
  return bytes;
}

/** Version 1, the pointer by pcrel sdata4, no search table. */
function ehFrameHeader(frameAt: number, frameBytes: number): Uint8Array {
  const omitted = 0xff;
  const pointerAt = frameAt + frameBytes + 4;
  return Uint8Array.from([1, DW_EH_PE_pcrel_sdata4, omitted, omitted, ...u32(frameAt - pointerAt)]);
}

function writeProgram(
  view: DataView,
  index: number,
  program: { type: number; flags: number; offset: number; size: number },
): void {
  const at = HEADER_BYTES + index * PROGRAM_BYTES;
  view.setUint32(at, program.type, true);
  view.setUint32(at + 4, program.flags, true);
  view.setBigUint64(at + 8, BigInt(program.offset), true);
  view.setBigUint64(at + 16, BigInt(BASE + program.offset), true);
  view.setBigUint64(at + 32, BigInt(program.size), true);
  view.setBigUint64(at + 40, BigInt(program.size), true);
}

export function u32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];
}

export function u64(value: number): number[] {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return [...bytes];
}

export function uleb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return [...bytes, rest];
}

export function sleb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest < -64 || rest > 63) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return [...bytes, rest & 0x7f];
}
