import { ByteReader, decodeUtf8 } from "../../support/byte-reader.ts";
import { type ElfFile, readSectionBytes, type Section, SHT_DYNSYM } from "./elf-file.ts";

/** Bytes of all stubs of a file: 16 for each function of another file that it calls. */
const STUB_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes of all its relocations; the largest seen, of a browser, has 20 MB. */
const RELOCATION_BYTES_MAX = 64 * 1024 * 1024;
const DYNAMIC_SYMBOL_BYTES_MAX = 64 * 1024 * 1024;
const DYNAMIC_NAME_BYTES_MAX = 64 * 1024 * 1024;
const NAME_BYTES_MAX = 32 * 1024;

const SHT_RELA = 4;
const SHT_REL = 9;
const EM_386 = 3;
const EM_X86_64 = 62;
const EM_AARCH64 = 183;
/** The types of relocation that fill a slot with a function's address. */
const SLOT_TYPES: Readonly<Record<number, readonly number[]>> = {
  [EM_386]: [6, 7],
  [EM_X86_64]: [6, 7],
  [EM_AARCH64]: [1025, 1026],
};

/**
 * The stubs through which a file calls functions of others. No symbol covers them; each is named
 * by the function that the loader puts into its slot, as `malloc@plt`. Source: the psABI
 * supplements of x86-64, i386 and AArch64, "Procedure Linkage Table".
 */
export class PltStubs {
  readonly #elf: ElfFile;
  /** Stubs have no other names than these. */
  readonly #sections: readonly Section[];
  #stubs: ReadonlyMap<bigint, string> | undefined;

  constructor(elf: ElfFile) {
    this.#elf = elf;
    this.#sections = elf.sections.filter(({ name }) => /^\.plt(?:\.|$)/.test(name));
  }

  /** What the stub at an address is called; undefined where there is none. */
  nameAt(address: bigint): string | undefined {
    const section = this.#sections.find(
      (one) => address >= one.address && address < one.address + BigInt(one.size),
    );
    if (section === undefined) return undefined;
    this.#stubs ??= this.#readStubs();
    const bytes = BigInt(entryBytesOf(section, this.#elf.machine));
    return this.#stubs.get(address - ((address - section.address) % bytes));
  }

  /** By where each begins. A file whose relocations are broken has none. */
  #readStubs(): ReadonlyMap<bigint, string> {
    const stubs = new Map<bigint, string>();
    try {
      const slots = readSlots(this.#elf);
      let bytesLeft = STUB_BYTES_MAX;
      for (const section of this.#sections) {
        this.#readSection(section, slots, { stubs, bytesMax: bytesLeft });
        bytesLeft -= section.size;
      }
    } catch {
      return stubs;
    }
    return stubs;
  }

  #readSection(
    section: Section,
    slots: ReadonlyMap<bigint, string>,
    { stubs, bytesMax }: { readonly stubs: Map<bigint, string>; readonly bytesMax: number },
  ): void {
    const { machine, littleEndian } = this.#elf;
    const bytes = readSectionBytes(this.#elf, section, bytesMax);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const entryBytes = entryBytesOf(section, machine);
    const got = this.#elf.sections.find(({ name }) => name === ".got.plt")?.address ?? 0n;
    for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) {
      const start = section.address + BigInt(at);
      const code = new DataView(view.buffer, view.byteOffset + at, entryBytes);
      const slot =
        machine === EM_AARCH64
          ? aarch64Slot(code, start, littleEndian)
          : x86Slot(code, { start, got, isAbsolute: machine === EM_386 });
      const name = slot === undefined ? undefined : slots.get(slot);
      if (name !== undefined) stubs.set(start, `${name}@plt`);
    }
  }
}

/** Stubs that are not lazy are half as long, but for those that begin with ENDBR64. */
function entryBytesOf({ name, entrySize }: Section, machine: number): number {
  if (entrySize === 8 || entrySize === 16) return entrySize;
  return name === ".plt.got" && machine !== EM_AARCH64 ? 8 : 16;
}

/** The slot of `jmp *slot`: relative to the instruction, absolute, or from the start of the slots. */
function x86Slot(
  code: DataView,
  { start, got, isAbsolute }: { start: bigint; got: bigint; isAbsolute: boolean },
): bigint | undefined {
  for (let at = 0; at + 6 <= code.byteLength; at++) {
    if (code.getUint8(at) !== 0xff) continue;
    const mode = code.getUint8(at + 1);
    if (mode === 0x25) {
      if (isAbsolute) return BigInt(code.getUint32(at + 2, true));
      return start + BigInt(at + 6) + BigInt(code.getInt32(at + 2, true));
    }
    if (mode === 0xa3) return got + BigInt(code.getInt32(at + 2, true));
  }
  return undefined;
}

/** `adrp x16, page` and `ldr x17, [x16, #offset]`, maybe behind `bti c`. */
function aarch64Slot(code: DataView, start: bigint, littleEndian: boolean): bigint | undefined {
  for (let at = 0; at + 8 <= code.byteLength; at += 4) {
    const adrp = code.getUint32(at, littleEndian);
    const ldr = code.getUint32(at + 4, littleEndian);
    if ((adrp & 0x9f00_001f) >>> 0 !== 0x9000_0010) continue;
    if ((ldr & 0xffc0_03ff) >>> 0 !== 0xf940_0211) continue;
    const pages = BigInt.asIntN(21, BigInt((((adrp >>> 5) & 0x7_ffff) << 2) | ((adrp >>> 29) & 3)));
    const page = ((start + BigInt(at)) & ~0xfffn) + (pages << 12n);
    return page + BigInt(((ldr >>> 10) & 0xfff) * 8);
  }
  return undefined;
}

/** Address of each slot, and the function that goes there. */
function readSlots(elf: ElfFile): ReadonlyMap<bigint, string> {
  const slots = new Map<bigint, string>();
  const types = SLOT_TYPES[elf.machine];
  const dynamic = elf.sections.findIndex(({ type }) => type === SHT_DYNSYM);
  if (types === undefined || dynamic < 0) return slots;
  const nameOf = dynamicNames(elf, elf.sections[dynamic] as Section);
  let bytesLeft = RELOCATION_BYTES_MAX;
  for (const section of elf.sections) {
    if (section.link !== dynamic) continue;
    if (section.type !== SHT_RELA && section.type !== SHT_REL) continue;
    for (const { slot, type, symbol } of relocations(elf, section, bytesLeft)) {
      if (symbol === 0 || !types.includes(type)) continue;
      const name = nameOf(symbol);
      if (name !== "") slots.set(slot, name);
    }
    bytesLeft -= section.size;
  }
  return slots;
}

interface Relocation {
  readonly slot: bigint;
  readonly type: number;
  readonly symbol: number;
}

function* relocations(elf: ElfFile, section: Section, bytesMax: number): Generator<Relocation> {
  const { is64, littleEndian, access } = elf;
  const bytes = readSectionBytes(elf, section, bytesMax);
  const where = `${access.name}: ${section.name}`;
  const reader = new ByteReader(bytes, where, littleEndian);
  const wordBytes = is64 ? 8 : 4;
  const entryBytes = (section.type === SHT_RELA ? 3 : 2) * wordBytes;
  while (reader.remaining >= entryBytes) {
    const next = reader.offset + entryBytes;
    const slot = is64 ? reader.u64() : BigInt(reader.u32());
    if (is64) {
      const info = reader.u64();
      yield { slot, type: Number(info & 0xffff_ffffn), symbol: Number(info >> 32n) };
    } else {
      const info = reader.u32();
      yield { slot, type: info & 0xff, symbol: info >>> 8 };
    }
    reader.seek(next);
  }
}

/** Names of dynamic symbols by their numbers; "" where there is none. */
function dynamicNames(elf: ElfFile, section: Section): (symbol: number) => string {
  const names = elf.sections[section.link];
  if (names === undefined) return () => "";
  const symbols = readSectionBytes(elf, section, DYNAMIC_SYMBOL_BYTES_MAX);
  const texts = readSectionBytes(elf, names, DYNAMIC_NAME_BYTES_MAX);
  const view = new DataView(symbols.buffer, symbols.byteOffset, symbols.byteLength);
  const entryBytes = elf.is64 ? 24 : 16;
  return (symbol) => {
    const at = symbol * entryBytes;
    if (at + 4 > symbols.length) return "";
    const start = view.getUint32(at, elf.littleEndian);
    const text = texts.subarray(start, start + NAME_BYTES_MAX);
    const length = text.indexOf(0);
    return length < 0 ? "" : decodeUtf8(text.subarray(0, length));
  };
}
