import * as dw from "./constants.ts";
import { skipForm } from "./die-values.ts";
import type { DwarfCursor, Encoding } from "./dwarf-cursor.ts";
import { type DwarfFile, stringSectionOf } from "./dwarf-file.ts";
import { textIn } from "./string-section.ts";
import type { Unit } from "./unit.ts";
import { unitLength } from "./unit-header.ts";

/** Files and folders of one program; the largest seen has 6,000. */
const ENTRIES_MAX = 1 << 17;

const DW_LNCT_path = 1;
const DW_LNCT_directory_index = 2;

/** What a line-number program begins with. Source: DWARF 5, section 6.2.4; DWARF 2 to 4 alike. */
export interface LineHeader {
  readonly encoding: Encoding;
  readonly instructionBytes: number;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  /** Arguments of each standard opcode, by opcode. */
  readonly operandCounts: Uint8Array;
  readonly files: FileNames;
  /** Where the program begins and ends in the section. */
  readonly start: number;
  readonly end: number;
}

/** A text that is read only when it is wanted. */
interface LateText {
  readonly form: number;
  readonly value: number;
}

interface FileEntry extends LateText {
  readonly folder: number;
}

/** Reads the header that the cursor is at. @throws INPUT_MALFORMED */
export function readLineHeader(cursor: DwarfCursor, unit: Unit): LineHeader {
  const { bytes: length, offsetBytes } = unitLength(cursor);
  const end = Math.min(cursor.at + length, cursor.end);
  const version = cursor.u16();
  if (version < 2 || version > 5) throw cursor.error(`line program of version ${version}`);
  let { addressBytes } = unit.encoding;
  if (version >= 5) {
    addressBytes = cursor.u8();
    cursor.skip(1);
  }
  const headerBytes = cursor.offset(offsetBytes);
  const start = cursor.at + headerBytes;
  const instructionBytes = cursor.u8();
  // Operations of one instruction are told apart on no machine that is profiled.
  if (version >= 4) cursor.skip(1);
  // Whether a row begins a statement does not matter.
  cursor.skip(1);
  const lineBase = (cursor.u8() << 24) >> 24;
  const lineRange = cursor.u8();
  const opcodeBase = cursor.u8();
  const operandCounts = new Uint8Array(256);
  for (let opcode = 1; opcode < opcodeBase; opcode++) operandCounts[opcode] = cursor.u8();
  const encoding = { ...unit.encoding, version, addressBytes, offsetBytes };
  const files = version >= 5 ? readFiles(cursor, unit, encoding) : readOldFiles(cursor, unit);
  const sizes = { instructionBytes, lineBase, lineRange, opcodeBase };
  return { encoding, ...sizes, operandCounts, files, start, end };
}

/** The files of a program, by their numbers, with whole paths. */
export class FileNames {
  readonly #unit: Unit;
  readonly #file: DwarfFile;
  readonly #bytes: Uint8Array;
  readonly #folders: readonly LateText[];
  readonly #files: readonly FileEntry[];
  readonly #isOld: boolean;
  readonly #paths = new Map<number, string | undefined>();

  constructor(unit: Unit, bytes: Uint8Array, tables: FileTables) {
    this.#unit = unit;
    this.#file = unit.file;
    this.#bytes = bytes;
    this.#folders = tables.folders;
    this.#files = tables.files;
    this.#isOld = tables.isOld;
  }

  /** A file's path: joined with its folder, and with the unit's where that is relative. */
  path(number: number): string | undefined {
    if (this.#paths.has(number)) return this.#paths.get(number);
    const path = this.#read(number);
    this.#paths.set(number, path);
    return path;
  }

  #read(number: number): string | undefined {
    // Numbers count from 1 in DWARF 2 to 4, where 0 is no file.
    const entry = this.#files[this.#isOld ? number - 1 : number];
    const name = entry && this.#text(entry);
    if (entry === undefined || name === undefined) return undefined;
    if (isAbsolute(name)) return name;
    const folder = this.#folder(entry.folder);
    return folder === undefined ? name : joined(folder, name);
  }

  #folder(number: number): string | undefined {
    const compilation = this.#unit.text(this.#unit.root.compDirForm, this.#unit.root.compDir);
    // Folder 0 is the one of the compilation itself: in DWARF 5 it is said once more.
    if (this.#isOld && number === 0) return compilation;
    const entry = this.#folders[this.#isOld ? number - 1 : number];
    const folder = entry && this.#text(entry);
    if (folder === undefined) return compilation;
    if (number === 0 || isAbsolute(folder) || compilation === undefined) return folder;
    return joined(compilation, folder);
  }

  #text({ form, value }: LateText): string | undefined {
    if (form === dw.DW_FORM_string) {
      return textIn(this.#bytes, value);
    }
    const section = stringSectionOf(form);
    return section === undefined
      ? this.#unit.text(form, value)
      : this.#file.stringAt(section, value);
  }
}

interface FileTables {
  readonly folders: readonly LateText[];
  readonly files: readonly FileEntry[];
  readonly isOld: boolean;
}

function isAbsolute(path: string): boolean {
  return path.startsWith("/") || /^[A-Za-z]:[\\/]/.test(path);
}

function joined(folder: string, name: string): string {
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

function readFiles(cursor: DwarfCursor, unit: Unit, encoding: Encoding): FileNames {
  const folders = readEntries(cursor, encoding);
  const files = readEntries(cursor, encoding);
  return new FileNames(unit, cursor.bytes, { folders, files, isOld: false });
}

function readEntries(cursor: DwarfCursor, encoding: Encoding): FileEntry[] {
  const formats: { readonly content: number; readonly form: number }[] = [];
  for (let left = cursor.u8(); left > 0; left--) {
    formats.push({ content: cursor.uleb(), form: cursor.uleb() });
  }
  const count = cursor.uleb();
  if (count > ENTRIES_MAX || (count > 0 && formats.length === 0)) {
    throw cursor.error(`${count} files or folders`);
  }
  const entries: FileEntry[] = [];
  for (let index = 0; index < count; index++) {
    let path: LateText = { form: 0, value: 0 };
    let folder = 0;
    for (const { content, form } of formats) {
      if (content === DW_LNCT_path) path = readText(cursor, form, encoding);
      else if (content === DW_LNCT_directory_index) folder = readFolder(cursor, form);
      else skipForm(cursor, form, encoding);
    }
    entries.push({ ...path, folder });
  }
  return entries;
}

function readText(cursor: DwarfCursor, form: number, encoding: Encoding): LateText {
  switch (form) {
    case dw.DW_FORM_string:
      return { form, value: cursor.skipString() };
    case dw.DW_FORM_strp:
    case dw.DW_FORM_line_strp:
      return { form, value: cursor.offset(encoding.offsetBytes) };
    case dw.DW_FORM_strx1:
      return { form, value: cursor.u8() };
    case dw.DW_FORM_strx2:
      return { form, value: cursor.u16() };
    case dw.DW_FORM_strx:
      return { form, value: cursor.uleb() };
    default:
      skipForm(cursor, form, encoding);
      return { form, value: 0 };
  }
}

function readFolder(cursor: DwarfCursor, form: number): number {
  if (form === dw.DW_FORM_udata) return cursor.uleb();
  if (form === dw.DW_FORM_data1) return cursor.u8();
  if (form === dw.DW_FORM_data2) return cursor.u16();
  throw cursor.error(`a folder's number has form ${form}`);
}

function readOldFiles(cursor: DwarfCursor, unit: Unit): FileNames {
  const folders: LateText[] = [];
  while (cursor.at < cursor.end && cursor.bytes[cursor.at] !== 0) {
    folders.push({ form: dw.DW_FORM_string, value: cursor.skipString() });
  }
  cursor.skip(1);
  const files: FileEntry[] = [];
  while (cursor.at < cursor.end && cursor.bytes[cursor.at] !== 0) {
    const value = cursor.skipString();
    const folder = cursor.uleb();
    cursor.skipLeb();
    cursor.skipLeb();
    files.push({ form: dw.DW_FORM_string, value, folder });
    if (files.length > ENTRIES_MAX) throw cursor.error("too many files");
  }
  return new FileNames(unit, cursor.bytes, { folders, files, isOld: true });
}
