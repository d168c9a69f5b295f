import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { spinningCode } from "./spinning-code.ts";

/** Address of a file's first byte, and where its code begins: as src/symbols/cfi/testing has it. */
export const BASE = 0x40_0000;
export const TEXT_AT = 0x1000;
export const PAGE = 0x1000;

export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_NOTE = 4;
export const PT_GNU_EH_FRAME = 0x6474e550;
export const PF_R = 4;
export const PF_RX = 5;

export const SHT_PROGBITS = 1;
export const SHT_SYMTAB = 2;
export const SHT_STRTAB = 3;
export const SHT_NOTE = 7;
export const SHT_DYNSYM = 11;
export const SHF_ALLOC = 2;
export const SHF_EXECINSTR = 4;

const HEADER_BYTES = 64;
const PROGRAM_BYTES = 56;
const SECTION_BYTES = 64;
/** What fits between the ELF header and the code. */
const PROGRAMS_IN_FIRST_PAGE = Math.floor((TEXT_AT - HEADER_BYTES) / PROGRAM_BYTES);

type Word = number | bigint;

/** One program header; an address that is left out is BASE + offset. */
export interface WrittenProgram {
  readonly type: number;
  readonly flags?: number;
  readonly offset: Word;
  readonly address?: Word;
  readonly fileSize: Word;
  /** The file's size when it is left out. */
  readonly memorySize?: Word;
  readonly alignment?: Word;
}

export interface WrittenSection {
  readonly name: string;
  readonly type?: number;
  readonly flags?: Word;
  /** 0 when it is left out. */
  readonly address?: Word;
  readonly offset: Word;
  readonly size: Word;
  readonly link?: number;
  readonly info?: number;
  readonly entrySize?: Word;
}

/**
 * An executable that Linux runs: header, code that spins, and whatever else is put into it. Only
 * what is placed is written; the rest of the file is holes.
 */
export class ElfImage {
  /** PT_LOADs of the code and of what is behind it are made when the file is written. */
  readonly programs: WrittenProgram[] = [];
  /** Section 0 and the section of names are added. */
  readonly sections: WrittenSection[] = [];
  /** The last word on the ELF header. */
  readonly tweaks: ((header: DataView) => void)[] = [];
  /** What is mapped as code, from the file's start on. */
  readonly textEnd: number;
  /** False: what is behind the code is in no segment. */
  mapsData = true;
  /** False: `programs` is all that there is. */
  mapsText = true;
  hasSections = true;
  readonly #pieces: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  #end: number;

  /** @param textBytes  a multiple of PAGE; what is behind the code that spins is a hole */
  constructor(seconds: number, textBytes: number = PAGE) {
    this.textEnd = TEXT_AT + textBytes;
    this.#end = this.textEnd;
    this.place(TEXT_AT, spinningCode(seconds));
  }

  /** Where the next piece would begin. */
  get end(): number {
    return this.#end;
  }

  /** What it takes on a disk, but for headers: holes take nothing. */
  get writtenBytes(): number {
    return this.#pieces.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  place(offset: number, bytes: Uint8Array): void {
    this.#pieces.push({ offset, bytes });
    this.#end = Math.max(this.#end, offset + bytes.length);
  }

  /** Puts bytes behind all others, and tells their offset. */
  append(bytes: ArrayLike<number>, alignment = 8): number {
    const offset = Math.ceil(this.#end / alignment) * alignment;
    this.place(offset, bytes instanceof Uint8Array ? bytes : Uint8Array.from(bytes));
    return offset;
  }

  /** Leaves a hole behind all others, and tells its offset. */
  hole(byteCount: number): number {
    const offset = this.#end;
    this.#end += byteCount;
    return offset;
  }

  /** A section of bytes that are appended; its index. */
  section(
    name: string,
    bytes: ArrayLike<number>,
    more: Partial<WrittenSection> = {},
    alignment = 8,
  ): number {
    const offset = this.append(bytes, alignment);
    return this.sections.push({ name, offset, size: bytes.length, ...more });
  }

  /** Writes a file that can be executed. Once, as `toBytes`. */
  write(path: string): void {
    this.#finish();
    const fd = openSync(path, "wx", 0o755);
    try {
      ftruncateSync(fd, this.#end);
      for (const { offset, bytes } of this.#pieces) writeAll(fd, bytes, offset);
    } finally {
      closeSync(fd);
    }
  }

  /** The file in memory: for one without large holes. */
  toBytes(): Uint8Array {
    this.#finish();
    const whole = new Uint8Array(this.#end);
    for (const { offset, bytes } of this.#pieces) whole.set(bytes, offset);
    return whole;
  }

  /** Adds all headers. */
  #finish(): void {
    const dataEnd = this.#end;
    const programs = [...this.programs, ...this.#loads(dataEnd)];
    if (this.hasSections) this.#addSections();
    const programBytes = packed(programs.length, PROGRAM_BYTES, (view, at, index) =>
      writeProgram(view, at, programs[index] as WrittenProgram),
    );
    let programsAt = HEADER_BYTES;
    if (programs.length > PROGRAMS_IN_FIRST_PAGE) programsAt = this.append(programBytes);
    else this.place(programsAt, programBytes);
    this.place(0, this.#header(programs.length, programsAt));
  }

  #loads(dataEnd: number): WrittenProgram[] {
    if (!this.mapsText) return [];
    const text = { type: PT_LOAD, flags: PF_RX, offset: 0, fileSize: this.textEnd };
    const fileSize = dataEnd - this.textEnd;
    if (!this.mapsData || fileSize === 0) return [text];
    return [text, { type: PT_LOAD, flags: PF_R, offset: this.textEnd, fileSize }];
  }

  #sectionsAt = 0;

  #addSections(): void {
    const names = ["", ...this.sections.map(({ name }) => name), ".shstrtab"];
    const text = Buffer.from(`${names.join("\0")}\0`, "latin1");
    const offset = this.append(text);
    this.sections.push({ name: ".shstrtab", type: SHT_STRTAB, offset, size: text.length });
    const nameOffsets: number[] = [];
    let nameAt = 1;
    for (const { name } of this.sections) {
      nameOffsets.push(nameAt);
      nameAt += name.length + 1;
    }
    const table = packed(this.sections.length + 1, SECTION_BYTES, (view, at, index) => {
      const section = this.sections[index - 1];
      if (section !== undefined) writeSection(view, at, section, nameOffsets[index - 1] as number);
    });
    this.#sectionsAt = this.append(table);
  }

  #header(programCount: number, programsAt: number): Uint8Array {
    const bytes = new Uint8Array(HEADER_BYTES);
    const view = new DataView(bytes.buffer);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    view.setUint16(16, 2, true);
    view.setUint16(18, 62, true);
    view.setUint32(20, 1, true);
    view.setBigUint64(24, BigInt(BASE + TEXT_AT), true);
    view.setBigUint64(32, BigInt(programsAt), true);
    view.setBigUint64(40, BigInt(this.#sectionsAt), true);
    const sectionCount = this.hasSections ? this.sections.length + 1 : 0;
    const counts = [HEADER_BYTES, PROGRAM_BYTES, programCount, SECTION_BYTES, sectionCount];
    for (const [index, count] of counts.entries()) view.setUint16(52 + 2 * index, count, true);
    view.setUint16(62, Math.max(sectionCount - 1, 0), true);
    for (const tweak of this.tweaks) tweak(view);
    return bytes;
  }
}

/** Fields of 64 bits are taken as they are, whatever their sign. */
export function setWord(view: DataView, at: number, value: Word): void {
  view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
}

function writeProgram(view: DataView, at: number, program: WrittenProgram): void {
  const { offset, fileSize } = program;
  const address = program.address ?? BigInt(BASE) + BigInt(offset);
  view.setUint32(at, program.type, true);
  view.setUint32(at + 4, program.flags ?? PF_R, true);
  const words = [offset, address, address, fileSize, program.memorySize ?? fileSize];
  for (const [index, word] of words.entries()) setWord(view, at + 8 + 8 * index, word);
  setWord(view, at + 48, program.alignment ?? (program.type === PT_LOAD ? PAGE : 4));
}

function writeSection(view: DataView, at: number, section: WrittenSection, name: number): void {
  view.setUint32(at, name, true);
  view.setUint32(at + 4, section.type ?? SHT_PROGBITS, true);
  setWord(view, at + 8, section.flags ?? 0);
  setWord(view, at + 16, section.address ?? 0);
  setWord(view, at + 24, section.offset);
  setWord(view, at + 32, section.size);
  view.setUint32(at + 40, section.link ?? 0, true);
  view.setUint32(at + 44, section.info ?? 0, true);
  setWord(view, at + 56, section.entrySize ?? 0);
}

/** Entries of one size, one behind the other. */
export function packed(
  count: number,
  entryBytes: number,
  write: (view: DataView, at: number, index: number) => void,
): Uint8Array {
  const bytes = new Uint8Array(count * entryBytes);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < count; index++) write(view, index * entryBytes, index);
  return bytes;
}

function writeAll(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
  }
}
