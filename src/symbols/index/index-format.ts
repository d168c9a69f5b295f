/**
 * The symbols of one file, laid out so that an address costs one block and its names.
 *
 *   header            see IndexHeader
 *   range directory   of each block of ranges: u32 first address, u32 offset of the block
 *   call directory    of each block of calls: u32 offset
 *   text directory    of each block of texts: u32 offset
 *   name directory    of each block of names: u32 offset
 *   range blocks      where another answer begins, and what it is
 *   call blocks       the calls into which functions were inlined, each with the one around it
 *   name blocks       a function's names: its stored one and the readable one, by their texts
 *   text blocks       names and paths
 *
 * Addresses count from the header's base. Within a block numbers are LEB128 and count from those
 * before them; each block begins anew. Numbers of calls, names and texts begin with 1: 0 is none.
 * The header's words are little-endian, those of the directories have this machine's byte order.
 */
import { malformed } from "../../support/errors.ts";

/** Ranges in a block: what an address decodes at most. */
export const RANGES_PER_BLOCK = 64;
/** Of calls, names and texts. */
export const ENTRIES_PER_BLOCK = 32;

/** Set in a range's first byte: what follows is there, or is as before. */
export const RANGE_HAS_NAME = 1;
export const RANGE_HAS_FILE = 2;
export const RANGE_HAS_CALL = 4;
export const RANGE_HAS_COLUMN = 8;
/** Nothing is there: no function, and nothing more follows. */
export const RANGE_IS_GAP = 16;

const MAGIC = Buffer.from("OBSFSYMS");
export const HEADER_BYTES: number = MAGIC.length + 8 * 4 + 8;
export const RANGE_ENTRY_BYTES = 8;
export const OFFSET_BYTES = 4;

export interface IndexHeader {
  /** The address that all others count from. */
  readonly base: number;
  readonly ranges: number;
  readonly calls: number;
  readonly names: number;
  readonly texts: number;
  /** Of the whole index. */
  readonly bytes: number;
}

export function encodeHeader({ base, ranges, calls, names, texts, bytes }: IndexHeader): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  for (const [index, value] of [ranges, calls, names, texts, bytes].entries()) {
    header.writeUInt32LE(value, MAGIC.length + 4 * index);
  }
  header.writeDoubleLE(base, HEADER_BYTES - 8);
  return header;
}

/** @throws INPUT_MALFORMED  it is no index, or not a whole one */
export function decodeHeader(bytes: Uint8Array, size: number, name: string): IndexHeader {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!MAGIC.equals(header.subarray(0, MAGIC.length))) throw malformed(name, "is no symbol index");
  const word = (index: number): number => header.readUInt32LE(MAGIC.length + 4 * index);
  const base = header.readDoubleLE(HEADER_BYTES - 8);
  const found = { base, ranges: word(0), calls: word(1), names: word(2), texts: word(3) };
  if (word(4) !== size) throw malformed(name, `has ${size} bytes instead of ${word(4)}`);
  return { ...found, bytes: size };
}

/** How many blocks hold so many entries. */
export function blockCount(entries: number, perBlock: number): number {
  return Math.ceil(entries / perBlock);
}
