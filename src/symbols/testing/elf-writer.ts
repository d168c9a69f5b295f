/** One entry of .symtab; a section index beyond 16 bits goes into .symtab_shndx. */
export interface WrittenSymbol {
  readonly name: string;
  readonly value: bigint;
  readonly size: number;
  /** STT_FUNC when it is left out. */
  readonly type?: number;
  /** STB_GLOBAL when it is left out. */
  readonly binding?: number;
  /** TEXT_SECTION when it is left out. */
  readonly section?: number;
}

export interface WrittenElf {
  readonly is64: boolean;
  readonly littleEndian: boolean;
  readonly machine?: number;
  readonly symbols: readonly WrittenSymbol[];
  /** Sections that are written; above 65,279 the counts go into section 0. */
  readonly sectionCount?: number;
  /** p_vaddr of the one segment. */
  readonly segmentAddress?: bigint;
}

/** The section with code. */
export const TEXT_SECTION = 1;

const SHN_LORESERVE = 0xff00;
const SHN_XINDEX = 0xffff;
const SECTIONS_MIN = 6;

/** Writes a shared object of one executable segment, .text, .symtab, .strtab, .symtab_shndx. */
export function writeElf(elf: WrittenElf): Uint8Array {
  const { is64, littleEndian } = elf;
  const sectionCount = elf.sectionCount ?? SECTIONS_MIN;
  const names = `\0${elf.symbols.map(({ name }) => `${name}\0`).join("")}`;
  const [header, segment, section, entry] = is64 ? [64, 56, 64, 24] : [52, 32, 40, 16];
  const symbolsAt = header + segment;
  const symbolBytes = entry * elf.symbols.length;
  const longAt = symbolsAt + symbolBytes;
  const longBytes = 4 * elf.symbols.length;
  const namesAt = longAt + longBytes;
  const sectionsAt = namesAt + names.length;
  const bytes = Buffer.alloc(sectionsAt + section * sectionCount);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const u16 = (at: number, value: number): void => view.setUint16(at, value, littleEndian);
  const u32 = (at: number, value: number): void => view.setUint32(at, value, littleEndian);
  const word = (at: number, value: bigint): void =>
    is64 ? view.setBigUint64(at, value, littleEndian) : u32(at, Number(value));

  bytes.set([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, littleEndian ? 1 : 2, 1]);
  u16(16, 3);
  u16(18, elf.machine ?? 62);
  word(is64 ? 32 : 28, BigInt(header));
  word(is64 ? 40 : 32, BigInt(sectionsAt));
  const isLong = sectionCount >= SHN_LORESERVE;
  const counts = [segment, 1, section, isLong ? 0 : sectionCount, 0];
  for (const [index, value] of counts.entries()) u16((is64 ? 54 : 42) + 2 * index, value);
  u32(header, 1);
  u32(header + (is64 ? 4 : 24), 5);
  word(header + (is64 ? 16 : 8), elf.segmentAddress ?? 0n);
  word(header + (is64 ? 32 : 16), BigInt(sectionsAt));

  const writeSection = (index: number, fields: readonly number[]): void => {
    const at = sectionsAt + index * section;
    const [type = 0, flags = 0, offset = 0, size = 0, link = 0, entrySize = 0] = fields;
    u32(at + 4, type);
    word(at + 8, BigInt(flags));
    word(at + (is64 ? 24 : 16), BigInt(offset));
    word(at + (is64 ? 32 : 20), BigInt(size));
    u32(at + (is64 ? 40 : 24), link);
    word(at + (is64 ? 56 : 36), BigInt(entrySize));
  };
  if (isLong) writeSection(0, [0, 0, 0, sectionCount]);
  writeSection(TEXT_SECTION, [1, 4]);
  writeSection(2, [2, 0, symbolsAt, symbolBytes, 3, entry]);
  writeSection(3, [3, 0, namesAt, names.length]);
  writeSection(4, [18, 0, longAt, longBytes, 2, 4]);
  if (isLong) writeSection(sectionCount - 1, [1, 4]);

  bytes.write(names, namesAt, "latin1");
  let nameAt = 1;
  for (const [index, symbol] of elf.symbols.entries()) {
    const at = symbolsAt + index * entry;
    const index16 = symbol.section ?? TEXT_SECTION;
    u32(at, nameAt);
    word(at + (is64 ? 8 : 4), symbol.value);
    word(at + (is64 ? 16 : 8), BigInt(symbol.size));
    bytes[at + (is64 ? 4 : 12)] = ((symbol.binding ?? 1) << 4) | (symbol.type ?? 2);
    u16(at + (is64 ? 6 : 14), index16 >= SHN_LORESERVE ? SHN_XINDEX : index16);
    u32(longAt + 4 * index, index16);
    nameAt += symbol.name.length + 1;
  }
  return bytes;
}
