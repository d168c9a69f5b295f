import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface WrittenDebugFile {
  /** Lower-case hex; none when not given. */
  readonly buildId?: string;
  /** Bytes of a section without meaning; the file is larger by the headers. */
  readonly contents?: Uint8Array;
  readonly is64?: boolean;
  readonly littleEndian?: boolean;
}

const SHT_PROGBITS = 1;
const SHT_NOTE = 7;
const NT_GNU_BUILD_ID = 3;

/** A file of a note with a build id, a section of bytes, and the table of sections at its end. */
export function debugFileBytes(file: WrittenDebugFile = {}): Uint8Array {
  const { buildId = "", contents = new Uint8Array(0), is64 = true, littleEndian = true } = file;
  const id = Buffer.from(buildId, "hex");
  const note = Buffer.alloc(16 + Math.ceil(id.length / 4) * 4);
  const noteAt = 64;
  const contentsAt = noteAt + note.length;
  const sectionsAt = contentsAt + contents.length;
  const entryBytes = is64 ? 64 : 40;
  const bytes = Buffer.alloc(sectionsAt + 3 * entryBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const u16 = (at: number, value: number): void => view.setUint16(at, value, littleEndian);
  const u32 = (at: number, value: number): void => view.setUint32(at, value, littleEndian);
  const word = (at: number, value: number): void =>
    is64 ? view.setBigUint64(at, BigInt(value), littleEndian) : u32(at, value);

  bytes.set([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, littleEndian ? 1 : 2, 1]);
  word(is64 ? 40 : 32, sectionsAt);
  u16(is64 ? 58 : 46, entryBytes);
  u16(is64 ? 60 : 48, 3);
  u32(noteAt, 4);
  u32(noteAt + 4, id.length);
  u32(noteAt + 8, NT_GNU_BUILD_ID);
  bytes.write("GNU\0", noteAt + 12, "latin1");
  bytes.set(id, noteAt + 16);
  bytes.set(contents, contentsAt);
  const writeSection = (index: number, type: number, place: readonly [number, number]): void => {
    const at = sectionsAt + index * entryBytes;
    u32(at + 4, type);
    word(at + (is64 ? 24 : 16), place[0]);
    word(at + (is64 ? 32 : 20), place[1]);
    word(at + (is64 ? 48 : 32), 4);
  };
  writeSection(1, buildId === "" ? SHT_PROGBITS : SHT_NOTE, [noteAt, note.length]);
  writeSection(2, SHT_PROGBITS, [contentsAt, contents.length]);
  return bytes;
}

/** Writes one, with its folders. */
export function writeDebugFile(path: string, file: WrittenDebugFile = {}): Uint8Array {
  const bytes = debugFileBytes(file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return bytes;
}
