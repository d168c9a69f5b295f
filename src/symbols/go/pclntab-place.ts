import { type ElfFile, SHT_NOBITS } from "../elf/elf-file.ts";
import type { WordOrder } from "./go-bytes.ts";

/** Kubernetes' kubelet has 30 MB. */
const TABLE_BYTES_MAX = 1024 * 1024 * 1024;
/** What is looked through for a table that has no section of its own; the largest has 120 MB. */
const SEARCHED_BYTES_MAX = 256 * 1024 * 1024;
const SEARCHED_AT_ONCE = 1024 * 1024;
/** Places that look like a table's start and are none. */
const CANDIDATES_MAX = 64;
/** The linker puts it there; a header is read at such places only. */
const ALIGNMENT = 8;
/** Where the linker of another language puts it. */
const MERGED_SECTIONS: readonly string[] = [".data.rel.ro", ".rodata"];
const HEADER_BYTES = 8;
const MAGIC_MIN = 0xffff_fff0;
/** The unit in which code is counted: x86, s390x, and those with instructions of 4 bytes. */
const UNITS: readonly number[] = [1, 2, 4];

/** The generations of the table, by their first word. */
export const PCLNTAB_MAGICS = {
  go12: 0xffff_fffb,
  go116: 0xffff_fffa,
  go118: 0xffff_fff0,
  go120: 0xffff_fff1,
} as const;

export type PclntabMagic = (typeof PCLNTAB_MAGICS)[keyof typeof PCLNTAB_MAGICS];

/** Go's table of functions and lines in a file. */
export interface PclntabPlace {
  readonly magic: PclntabMagic;
  /** In the file. */
  readonly offset: number;
  /** From there on; it may end before. */
  readonly byteCount: number;
  readonly order: WordOrder;
  /** Bytes that the table counts code in. */
  readonly codeUnit: number;
}

/**
 * Finds the table by its section, else by its first bytes in the sections that other linkers merge
 * it into, else, where a file has no sections any more, in what is loaded of it.
 *
 * @throws INPUT_MALFORMED  the file does not hold what its headers say
 */
export function findPclntab(elf: ElfFile): PclntabPlace | undefined {
  const own = elf.sections.find(({ name }) => name.endsWith(".gopclntab"));
  if (own !== undefined) return own.type === SHT_NOBITS ? undefined : placeAt(elf, own);
  const budget = { bytes: SEARCHED_BYTES_MAX, candidates: CANDIDATES_MAX };
  for (const area of searchedAreas(elf)) {
    const found = search(elf, area, budget);
    if (found !== undefined) return found;
  }
  return undefined;
}

interface Area {
  readonly offset: number;
  readonly size: number;
}

function searchedAreas({ sections, segments }: ElfFile): readonly Area[] {
  if (sections.length > 0) {
    return MERGED_SECTIONS.flatMap((wanted) =>
      sections.filter(({ name, type }) => name === wanted && type !== SHT_NOBITS),
    );
  }
  return segments
    .filter(({ executable }) => !executable)
    .map(({ fileOffset, fileSize }) => ({ offset: Number(fileOffset), size: Number(fileSize) }));
}

function search(
  elf: ElfFile,
  { offset, size }: Area,
  budget: { bytes: number; candidates: number },
): PclntabPlace | undefined {
  const areaEnd = Math.min(offset + size, elf.access.size);
  const start = Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
  // One for all: what is thrown away is memory until somebody collects it.
  const bytes = new Uint8Array(Math.max(0, Math.min(SEARCHED_AT_ONCE, areaEnd - start)));
  for (let at = start; at < areaEnd && budget.bytes > 0; at += SEARCHED_AT_ONCE) {
    const length = Math.min(SEARCHED_AT_ONCE, areaEnd - at);
    budget.bytes -= length;
    elf.access.readInto(bytes.subarray(0, length), at);
    for (const place of headersIn(bytes.subarray(0, length), elf.littleEndian)) {
      if (budget.candidates-- <= 0) return undefined;
      const found = placeAt(elf, { offset: at + place, size: areaEnd - at - place });
      if (found !== undefined && hasSoundStart(elf, found)) return found;
    }
  }
  return undefined;
}

/** Where a magic, two zeros, a unit and a size of pointers stand behind one another. */
function* headersIn(bytes: Uint8Array, littleEndian: boolean): Generator<number> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // What all magics and the zeros behind them have in common.
  const common = Buffer.from(littleEndian ? [0xff, 0xff, 0xff, 0, 0] : [0xff, 0xff, 0xff]);
  const before = littleEndian ? 1 : 0;
  for (let at = buffer.indexOf(common); at >= 0; at = buffer.indexOf(common, at + 1)) {
    const start = at - before;
    if (start % ALIGNMENT === 0 && readStart(bytes, start, littleEndian) !== undefined) yield start;
  }
}

function placeAt(elf: ElfFile, { offset, size }: Area): PclntabPlace | undefined {
  const { access, littleEndian } = elf;
  if (size < HEADER_BYTES || offset + HEADER_BYTES > access.size) return undefined;
  const start = readStart(access.read(offset, HEADER_BYTES), 0, littleEndian);
  if (start === undefined || start.order.pointerBytes !== (elf.is64 ? 8 : 4)) return undefined;
  return { ...start, offset, byteCount: Math.min(size, TABLE_BYTES_MAX, access.size - offset) };
}

/**
 * Behind the first bytes of a table stands how many functions it has: of what has them by chance
 * the file has seldom as many bytes.
 */
function hasSoundStart({ access }: ElfFile, { offset, byteCount, order }: PclntabPlace): boolean {
  if (byteCount < HEADER_BYTES + order.pointerBytes) return false;
  const bytes = access.read(offset + HEADER_BYTES, order.pointerBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count =
    order.pointerBytes === 8
      ? Number(view.getBigUint64(0, order.littleEndian))
      : view.getUint32(0, order.littleEndian);
  return count > 0 && count * HEADER_BYTES < byteCount;
}

type Start = Pick<PclntabPlace, "magic" | "order" | "codeUnit">;

function readStart(bytes: Uint8Array, at: number, littleEndian: boolean): Start | undefined {
  if (at < 0 || at + HEADER_BYTES > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES);
  const word = view.getUint32(0, littleEndian);
  if (word < MAGIC_MIN) return undefined;
  const magic = Object.values(PCLNTAB_MAGICS).find((one) => one === word);
  const codeUnit = view.getUint8(6);
  const pointerBytes = view.getUint8(7);
  const isSound =
    view.getUint16(4) === 0 &&
    UNITS.includes(codeUnit) &&
    (pointerBytes === 4 || pointerBytes === 8);
  if (magic === undefined || !isSound) return undefined;
  return { magic, codeUnit, order: { littleEndian, pointerBytes } };
}
