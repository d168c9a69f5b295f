/**
 * Where an ELF file has its call frame information: the sections .eh_frame and .debug_frame, or
 * without section headers what the program header PT_GNU_EH_FRAME leads to:
 *
 *   .eh_frame_hdr   version u8 (1), encodings u8: of the pointer, of the count, of the table;
 *                   pointer to .eh_frame; the rest is a search table, which is not needed here
 *
 * Sources: LSB Core 5.0 section 10.6.2; System V gABI, chapters 4 (Elf64_Chdr) and 5.
 */
import { inflateSync, zstdDecompressSync } from "node:zlib";
import { ByteReader } from "../../support/byte-reader.ts";
import { limitExceeded, malformed } from "../../support/errors.ts";
import {
  type ElfFile,
  PROGRAM_HEADERS_MAX,
  readSectionBytes,
  type Section,
  SHT_NOBITS,
} from "../elf/elf-file.ts";
import { CfiCursor } from "./cfi-cursor.ts";
import { type PointerBases, readEncodedPointer } from "./encoded-pointer.ts";
import { FileSegments } from "./file-segments.ts";
import type { FrameSection } from "./frame-section.ts";

/** Of both sections together, inflated. ClickHouse's 570 MB have less than 60 MB. */
export const FRAME_BYTES_MAX: number = 96 * 1024 * 1024;
/** Words that indirect pointers of one file may read; no compiler gives an FDE one. */
const INDIRECT_READS_MAX = 1024;

const SHF_COMPRESSED = 0x800;
const COMPRESSION_HEADER_BYTES = 24;
/** zlib takes no smaller buffers. */
const CHUNK_BYTES_MIN = 64;
const ELFCOMPRESS_ZLIB = 1;
const ELFCOMPRESS_ZSTD = 2;
const PT_GNU_EH_FRAME = 0x6474e550;
const PROGRAM_HEADER_BYTES = 56;
const ELF_HEADER_BYTES = 64;
const EH_FRAME_HDR_VERSION = 1;
/** Version, three encodings, and the longest pointer behind them. */
const EH_FRAME_HDR_BYTES_MAX = 24;

/**
 * The sections of a 64-bit little-endian file, .eh_frame first, with their contents.
 *
 * @throws INPUT_MALFORMED  a section that the file does not hold, or that cannot be inflated
 * @throws LIMIT_EXCEEDED   more than FRAME_BYTES_MAX
 */
export function readFrameSections(
  elf: ElfFile,
  segments: FileSegments = new FileSegments(elf),
): readonly FrameSection[] {
  const file: FrameFile = { elf, segments, bytesLeft: FRAME_BYTES_MAX };
  const found: FrameSection[] = [];
  const ehFrame = sectionByName(elf, ".eh_frame");
  const fromHeader = ehFrame === undefined ? readByProgramHeader(file) : undefined;
  if (ehFrame !== undefined) found.push(readSection(file, ehFrame, "eh_frame"));
  if (fromHeader !== undefined) found.push(fromHeader);
  const debugFrame = sectionByName(elf, ".debug_frame");
  if (debugFrame !== undefined) found.push(readSection(file, debugFrame, "debug_frame"));
  return found;
}

interface FrameFile {
  readonly elf: ElfFile;
  readonly segments: FileSegments;
  /** Of FRAME_BYTES_MAX. */
  bytesLeft: number;
}

function sectionByName(elf: ElfFile, name: string): Section | undefined {
  return elf.sections.find((one) => one.name === name && one.type !== SHT_NOBITS && one.size > 0);
}

function readSection(file: FrameFile, section: Section, kind: FrameSection["kind"]): FrameSection {
  const { elf, segments } = file;
  const raw = readSectionBytes(elf, section, file.bytesLeft);
  const bytes = (section.flags & SHF_COMPRESSED) === 0 ? raw : inflated(file, section, raw);
  file.bytesLeft -= bytes.length;
  const bases = pointerBases(file, segments.addressOf(section.offset));
  return { name: `${elf.access.name}: ${section.name}`, kind, bytes, bases, endsAtZero: false };
}

function inflated(file: FrameFile, section: Section, raw: Uint8Array): Uint8Array {
  const where = `${file.elf.access.name}: ${section.name}`;
  const header = new ByteReader(raw, where);
  const type = header.u32();
  header.skip(4);
  const size = header.u64Number("size");
  if (size > file.bytesLeft) throw limitExceeded(where, "inflated bytes", size, file.bytesLeft);
  const packed = raw.subarray(COMPRESSION_HEADER_BYTES);
  // In one buffer: put together of many it would be there twice.
  const options = {
    maxOutputLength: Math.max(size, 1),
    chunkSize: Math.max(size, CHUNK_BYTES_MIN),
  };
  try {
    if (type === ELFCOMPRESS_ZLIB) return inflateSync(packed, options);
    if (type === ELFCOMPRESS_ZSTD) return zstdDecompressSync(packed, options);
  } catch {
    throw malformed(where, `cannot be inflated to ${size} bytes`);
  }
  throw malformed(where, `its compression ${type} is not known`);
}

function pointerBases({ elf, segments }: FrameFile, section: number): PointerBases {
  const addressOf = (name: string): number => {
    const found = sectionByName(elf, name);
    return found === undefined ? Number.NaN : segments.addressOf(found.offset);
  };
  let reads = 0;
  return {
    section,
    text: addressOf(".text"),
    data: addressOf(".got"),
    wordAt: (address) =>
      reads++ < INDIRECT_READS_MAX ? wordAt(elf, segments.offsetOf(address)) : Number.NaN,
  };
}

function wordAt(elf: ElfFile, offset: number): number {
  if (!(offset + 8 <= elf.access.size)) return Number.NaN;
  return new CfiCursor(elf.access.read(offset, 8)).i64();
}

function readByProgramHeader(file: FrameFile): FrameSection | undefined {
  const { elf, segments } = file;
  const offset = ehFrameHeaderOffset(elf);
  if (offset === undefined) return undefined;
  const length = Math.min(EH_FRAME_HDR_BYTES_MAX, elf.access.size - offset);
  const cursor = new CfiCursor(elf.access.read(offset, length));
  if (cursor.u8() !== EH_FRAME_HDR_VERSION) return undefined;
  const encoding = cursor.u8();
  cursor.skip(2);
  const header = segments.addressOf(offset);
  const bases = { ...pointerBases(file, header), data: header };
  return readUnsized(file, readEncodedPointer(cursor, encoding, bases));
}

/** To the end of the segment, because the header does not tell how long it is. */
function readUnsized(file: FrameFile, address: number): FrameSection | undefined {
  const { elf } = file;
  const segment = elf.segments.find((one) => {
    const distance = address - Number(one.address);
    return distance >= 0 && distance < Number(one.fileSize);
  });
  if (segment === undefined) return undefined;
  const distance = address - Number(segment.address);
  const offset = Number(segment.fileOffset) + distance;
  const rest = Math.min(Number(segment.fileSize) - distance, elf.access.size - offset);
  if (!(rest > 0)) return undefined;
  const bytes = elf.access.read(offset, Math.min(rest, file.bytesLeft));
  const name = `${elf.access.name}: PT_GNU_EH_FRAME`;
  file.bytesLeft -= bytes.length;
  return { name, kind: "eh_frame", bytes, bases: pointerBases(file, address), endsAtZero: true };
}

function ehFrameHeaderOffset(elf: ElfFile): number | undefined {
  const header = new ByteReader(elf.access.read(0, ELF_HEADER_BYTES), elf.access.name);
  header.seek(32);
  const tableOffset = header.u64Number("e_phoff");
  header.seek(54);
  const entryBytes = header.u16();
  const count = Math.min(header.u16(), PROGRAM_HEADERS_MAX);
  if (entryBytes !== PROGRAM_HEADER_BYTES || count === 0) return undefined;
  const table = new ByteReader(elf.access.read(tableOffset, count * entryBytes), "program headers");
  for (let entry = 0; entry < count; entry++) {
    table.seek(entry * entryBytes);
    if (table.u32() !== PT_GNU_EH_FRAME) continue;
    table.skip(4);
    const offset = table.u64Number("p_offset");
    return offset < elf.access.size ? offset : undefined;
  }
  return undefined;
}
