import { inflateSync, zstdDecompressSync } from "node:zlib";
import { ByteReader } from "../../support/byte-reader.ts";
import { limitExceeded, malformed } from "../../support/errors.ts";
import { type ElfFile, type Section, SHT_NOBITS } from "./elf-file.ts";

/**
 * Bytes that a compressed section may have beyond this many times its size in the file: what is
 * larger is made to be. Debug information shrinks to a quarter, tables of ranges to a tenth.
 */
const EXPANSION_MAX = 32;
const EXPANSION_BYTES_MIN = 1024 * 1024;
/** The largest section seen uncompressed has 1.5 GB (.debug_info of a browser); it is read by units. */
const DECOMPRESSED_BYTES_MAX = 1024 * 1024 * 1024;

const SHF_COMPRESSED = 0x800;
const ELFCOMPRESS_ZLIB = 1;
const ELFCOMPRESS_ZSTD = 2;
/** "ZLIB" and the size as 64 bits, big endian: what GNU tools wrote before SHF_COMPRESSED. */
const GNU_HEADER_BYTES = 12;
const GNU_MAGIC = 0x5a4c4942;

/** The contents of a section, whether they are compressed in the file or not. */
export interface SectionData {
  readonly name: string;
  /** Bytes when they are not compressed. */
  readonly size: number;
  /**
   * Exactly so many bytes; they may be a view, never write. What is compressed is decompressed
   * whole at the first read, and kept.
   *
   * @throws INPUT_MALFORMED  they are beyond the section, or the compressed data is broken
   * @throws LIMIT_EXCEEDED   it is larger than any that is real
   */
  read(offset: number, length: number): Uint8Array;
  /** As `read`, of as many bytes as `target` has, into it. */
  readInto(target: Uint8Array, offset: number): void;
  /** What `read` gives is a view: no memory is taken for it. */
  readonly isInMemory: boolean;
}

/**
 * A section by its name, `.debug_info` for one; `.zdebug_info` is taken for it.
 *
 * @throws INPUT_MALFORMED  its compression header is broken or of an unknown kind
 */
export function sectionData(elf: ElfFile, name: string): SectionData | undefined {
  const named = (wanted: string): Section | undefined =>
    elf.sections.find((section) => section.name === wanted && section.type !== SHT_NOBITS);
  const section = named(name);
  if (section !== undefined) {
    const isCompressed = (section.flags & SHF_COMPRESSED) !== 0;
    return isCompressed ? compressedSection(elf, section) : plainSection(elf, section);
  }
  const old = name.startsWith(".debug_") ? named(`.z${name.slice(1)}`) : undefined;
  return old === undefined ? undefined : oldCompressedSection(elf, old);
}

function plainSection({ access }: ElfFile, { name, offset, size }: Section): SectionData {
  return {
    name,
    size,
    read(at, length) {
      requireInside(this, at, length, access.name);
      return access.read(offset + at, length);
    },
    readInto(target, at) {
      requireInside(this, at, target.length, access.name);
      access.readInto(target, offset + at);
    },
    isInMemory: false,
  };
}

/** Source: System V gABI, chapter 4, "Section compression" (Elf32_Chdr, Elf64_Chdr). */
function compressedSection(elf: ElfFile, section: Section): SectionData {
  const { is64, littleEndian, access } = elf;
  const headerBytes = is64 ? 24 : 12;
  const where = `${access.name}: ${section.name}`;
  if (section.size < headerBytes) throw malformed(where, "has no room for its compression header");
  const reader = new ByteReader(access.read(section.offset, headerBytes), where, littleEndian);
  const kind = reader.u32();
  if (is64) reader.skip(4);
  const size = is64 ? reader.u64Number("ch_size") : reader.u32();
  if (kind !== ELFCOMPRESS_ZLIB && kind !== ELFCOMPRESS_ZSTD) {
    throw malformed(where, `is compressed in an unknown way (${kind})`);
  }
  const body = {
    ...section,
    offset: section.offset + headerBytes,
    size: section.size - headerBytes,
  };
  return decompressedSection(elf, body, { kind, size });
}

function oldCompressedSection(elf: ElfFile, section: Section): SectionData {
  const where = `${elf.access.name}: ${section.name}`;
  if (section.size < GNU_HEADER_BYTES) throw malformed(where, "has no room for its header");
  const reader = new ByteReader(elf.access.read(section.offset, GNU_HEADER_BYTES), where, false);
  if (reader.u32() !== GNU_MAGIC) throw malformed(where, "does not begin with ZLIB");
  const size = reader.u64Number("size");
  const offset = section.offset + GNU_HEADER_BYTES;
  const body = { ...section, offset, size: section.size - GNU_HEADER_BYTES };
  return decompressedSection(elf, body, { kind: ELFCOMPRESS_ZLIB, size });
}

interface Compression {
  readonly kind: number;
  readonly size: number;
}

function decompressedSection(
  { access }: ElfFile,
  body: Section,
  { kind, size }: Compression,
): SectionData {
  const where = `${access.name}: ${body.name}`;
  const sizeMax = Math.max(EXPANSION_MAX * body.size, EXPANSION_BYTES_MIN);
  const limit = Math.min(sizeMax, DECOMPRESSED_BYTES_MAX);
  if (size > limit) throw limitExceeded(where, "bytes decompressed", size, limit);
  let whole: Uint8Array | undefined;
  return {
    name: body.name,
    size,
    read(at, length) {
      requireInside(this, at, length, access.name);
      whole ??= decompress(access.read(body.offset, body.size), { kind, size }, where);
      return whole.subarray(at, at + length);
    },
    readInto(target, at) {
      target.set(this.read(at, target.length));
    },
    isInMemory: true,
  };
}

function decompress(bytes: Uint8Array, { kind, size }: Compression, where: string): Uint8Array {
  let whole: Uint8Array;
  try {
    // An output limit of 0 is refused; an empty section has nothing to decompress.
    const options = { maxOutputLength: Math.max(size, 1) };
    whole =
      kind === ELFCOMPRESS_ZSTD ? zstdDecompressSync(bytes, options) : inflateSync(bytes, options);
  } catch (error) {
    throw malformed(where, `cannot be decompressed: ${(error as Error).message}`);
  }
  if (whole.length === size) return whole;
  throw malformed(where, `has ${whole.length} bytes decompressed and says ${size}`);
}

function requireInside(
  { name, size }: SectionData,
  at: number,
  length: number,
  file: string,
): void {
  if (at >= 0 && length >= 0 && at + length <= size) return;
  throw malformed(`${file}: ${name}`, `${length} bytes at ${at} are beyond its ${size} bytes`);
}
