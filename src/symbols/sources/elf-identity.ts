/**
 * The build id of a file that was found or fetched, read without waiting for a disk.
 *
 * Only sections are looked at: the segments of a debug file are those of its program, whose
 * contents it does not have. The offsets of the header are drawn in ../elf/elf-file.ts.
 */
import { ByteReader } from "../../support/byte-reader.ts";
import { isCollectorError, malformed, messageOf } from "../../support/errors.ts";
import { ELF_FILE_BYTES_MAX, SECTIONS_MAX } from "../elf/elf-file.ts";
import { readBuildIds } from "../elf/notes.ts";
import type { OpenedFile } from "./opened-file.ts";

const MAGIC = 0x7f454c46;
const HEADER_BYTES = 64;
const SHT_NOTE = 7;
/** Usual are two or three; each costs a read. */
const NOTE_SECTIONS_MAX = 16;
/** The largest seen has 4 KiB. */
const NOTE_BYTES_MAX = 65_536;

interface SectionTable {
  readonly is64: boolean;
  readonly littleEndian: boolean;
  readonly offset: number;
  readonly count: number;
}

/** GNU build id, "" when it has none; or why it is no whole ELF file. */
export async function readElfBuildId(
  file: OpenedFile,
): Promise<{ readonly buildId: string } | { readonly why: string }> {
  try {
    return { buildId: await buildIdIn(file) };
  } catch (error) {
    if (isCollectorError(error)) return { why: `not a whole ELF file: ${messageOf(error)}` };
    return { why: `cannot be read (${messageOf(error)})` };
  }
}

async function buildIdIn(file: OpenedFile): Promise<string> {
  const table = await readTable(file);
  for (const { offset, size, alignment } of await noteSections(file, table)) {
    const area = await file.read(offset, size);
    const layout = { littleEndian: table.littleEndian, alignment: alignment === 8 ? 8 : 4 };
    const { gnu } = readBuildIds(area, layout, "notes");
    if (gnu !== "") return gnu;
  }
  return "";
}

async function readTable(file: OpenedFile): Promise<SectionTable> {
  if (file.size > ELF_FILE_BYTES_MAX) throw malformed("header", "the file is too large");
  const bytes = await file.read(0, HEADER_BYTES);
  const ident = new ByteReader(bytes, "header", false);
  if (bytes.length < HEADER_BYTES || ident.u32() !== MAGIC)
    throw malformed("header", "no magic number");
  const is64 = ident.u8() === 2;
  const littleEndian = ident.u8() === 1;
  const reader = new ByteReader(bytes, "header", littleEndian);
  reader.seek(is64 ? 40 : 32);
  const offset = is64 ? reader.u64Number("e_shoff") : reader.u32();
  reader.seek(is64 ? 60 : 48);
  const count = reader.u16();
  const table = { is64, littleEndian, offset, count };
  if (offset === 0 || count > 0) return table;
  // A count that does not fit stands in the size of section 0.
  return { ...table, count: (await readSections(file, { ...table, count: 1 }))[0]?.size ?? 0 };
}

interface NoteSection {
  readonly offset: number;
  readonly size: number;
  readonly alignment: number;
}

async function noteSections(file: OpenedFile, table: SectionTable): Promise<NoteSection[]> {
  const sections = await readSections(file, table);
  return sections
    .filter(({ type, size }) => type === SHT_NOTE && size <= NOTE_BYTES_MAX)
    .slice(0, NOTE_SECTIONS_MAX);
}

async function readSections(
  file: OpenedFile,
  { is64, littleEndian, offset, count }: SectionTable,
): Promise<(NoteSection & { readonly type: number })[]> {
  if (count > SECTIONS_MAX) throw malformed("sections", `${count} are too many`);
  const entryBytes = is64 ? 64 : 40;
  const bytes = await file.read(offset, count * entryBytes);
  if (bytes.length < count * entryBytes) throw malformed("sections", "beyond the end");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const word = (at: number): number =>
    is64 ? Number(view.getBigUint64(at, littleEndian)) : view.getUint32(at, littleEndian);
  const sections = [];
  for (let at = 0; at < bytes.length; at += entryBytes) {
    const type = view.getUint32(at + 4, littleEndian);
    // Of tens of thousands, two or three are of interest, and the first may hold the count.
    if (type !== SHT_NOTE && at > 0) continue;
    sections.push({
      type,
      offset: word(at + (is64 ? 24 : 16)),
      size: word(at + (is64 ? 32 : 20)),
      alignment: word(at + (is64 ? 48 : 32)),
    });
  }
  return sections;
}
