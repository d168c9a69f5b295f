import { malformed } from "../../support/errors.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import { type SectionData, sectionData } from "../elf/section-data.ts";
import { type AbbreviationTable, parseAbbreviations } from "./abbreviations.ts";
import { AddressSpace } from "./address-space.ts";
import * as dw from "./constants.ts";
import { DwarfCursor, type Encoding } from "./dwarf-cursor.ts";
import { StringSection } from "./string-section.ts";
import { readUnitHeaders, UnitHeaders } from "./unit-header.ts";
import { WorkBudget } from "./work-budget.ts";

/** Tables that are kept; each unit of gcc has its own. */
const ABBREVIATION_TABLES_MAX = 4096;
/** Bytes of .debug_abbrev that they were made of; a table takes five times as many. */
const ABBREVIATION_BYTES_MAX = 4 * 1024 * 1024;
/** A section that is larger is read by windows of this size. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** What is asked for begins in the first half of a window: no list is as long as the second. */
const WINDOW_STEP = WINDOW_BYTES / 2;

/** Units whose memory is kept for others: garbage of such a size waits long for its collection. */
const SPARE_MAX = 16;
/** Bytes of small units that are read at once; no head is as long. */
const HEADS_BYTES = 8192;
/** Bytes of the memory of one unit: hundreds of thousands may be tiny. */
const UNIT_MEMORY_MIN = 4096;

/** Where in each section a unit's part begins: 0 but in a .dwp file. */
export interface Contributions {
  readonly abbrev: number;
  readonly line: number;
  readonly strOffsets: number;
  readonly rangeLists: number;
}

export const WHOLE_FILE: Contributions = { abbrev: 0, line: 0, strOffsets: 0, rangeLists: 0 };

/** The debugging sections of one file: a program, its debug file, a .dwo, a .dwp or a dwz file. */
export class DwarfFile {
  readonly elf: ElfFile;
  readonly space: AddressSpace;
  /** A .dwo or .dwp: its sections have names of their own. */
  readonly isSplit: boolean;
  /** What dwz moved out of several files. */
  readonly supplementary: DwarfFile | undefined;
  /** Shared by all files of a program. */
  readonly work: WorkBudget;
  readonly #sections = new Map<string, SectionData | undefined>();
  readonly #strings = new Map<string, StringSection | undefined>();
  readonly #abbreviations = new Map<string, AbbreviationTable>();
  #abbreviationBytes = 0;
  #headers: UnitHeaders | undefined;
  /** Memory of units that are not held any more, the smallest first. */
  readonly #spare: ArrayBuffer[] = [];
  readonly #windows = new Map<string, { readonly start: number; readonly bytes: Uint8Array }>();
  #takenBytes = 0;
  /** Of small units, the last ones that were read. */
  #heads: { readonly start: number; readonly bytes: Uint8Array } = {
    start: 0,
    bytes: new Uint8Array(0),
  };

  constructor(elf: ElfFile, options: DwarfFileOptions = {}) {
    const { isSplit = false, space, supplementary, work = new WorkBudget() } = options;
    this.elf = elf;
    this.work = work;
    this.space = space ?? new AddressSpace(elf);
    this.isSplit = isSplit;
    this.supplementary = supplementary && new DwarfFile(supplementary, { space: this.space, work });
  }

  get hasUnits(): boolean {
    return (this.section("info")?.size ?? 0) > 0;
  }

  /** A section by the last part of its name: "info" is .debug_info, or .debug_info.dwo. */
  section(name: string): SectionData | undefined {
    const known = this.#sections.get(name);
    if (known !== undefined || this.#sections.has(name)) return known;
    const found = sectionData(this.elf, `.debug_${name}${this.isSplit ? ".dwo" : ""}`);
    this.#sections.set(name, found);
    return found;
  }

  /** All units of .debug_info, in their order. */
  get headers(): UnitHeaders {
    const info = this.section("info");
    this.#headers ??=
      info === undefined ? new UnitHeaders() : readUnitHeaders(info, this.elf.littleEndian);
    return this.#headers;
  }

  /** Index of the unit that an offset of .debug_info lies in; -1 when it lies in none. */
  unitAt(offset: number): number {
    return this.headers.indexOf(offset);
  }

  /** A table of abbreviations; units that name the same one share it. */
  abbreviations(offset: number, encoding: Encoding): AbbreviationTable {
    const { addressBytes, offsetBytes, version } = encoding;
    const key = `${offset} ${addressBytes} ${offsetBytes} ${version}`;
    const known = this.#abbreviations.get(key);
    if (known !== undefined) return known;
    if (this.#abbreviations.size >= ABBREVIATION_TABLES_MAX) this.#forgetAbbreviations();
    const table = this.#readAbbreviations(offset, encoding);
    this.#abbreviations.set(key, table);
    return table;
  }

  #readAbbreviations(offset: number, encoding: Encoding): AbbreviationTable {
    const cursor = this.cursor("abbrev", offset);
    const start = cursor.at;
    this.work.spend(cursor.name, 0);
    try {
      return parseAbbreviations(cursor, encoding);
    } finally {
      const read = cursor.at - start;
      this.work.spend(cursor.name, read);
      this.#abbreviationBytes += read;
      if (this.#abbreviationBytes > ABBREVIATION_BYTES_MAX) this.#forgetAbbreviations();
    }
  }

  #forgetAbbreviations(): void {
    this.#abbreviations.clear();
    this.#abbreviationBytes = 0;
  }

  /** A text of .debug_str or .debug_line_str. @throws INPUT_MALFORMED */
  stringAt(section: "str" | "line_str", offset: number): string {
    return this.#stringSection(section).at(offset);
  }

  /** A cursor at a place of a section, and over some megabytes behind it. @throws INPUT_MALFORMED */
  cursor(name: string, at: number): DwarfCursor {
    const section = this.section(name);
    const where = `.debug_${name}`;
    if (section === undefined || !(at >= 0 && at <= section.size)) {
      throw malformed(where, `nothing is at ${at}`);
    }
    const start = at - (at % WINDOW_STEP);
    let window = this.#windows.get(name);
    if (window?.start !== start) {
      window = { start, bytes: section.read(start, Math.min(WINDOW_BYTES, section.size - start)) };
      this.#windows.set(name, window);
    }
    return new DwarfCursor(window.bytes, where, this.elf.littleEndian, at - start);
  }

  /** The first bytes of a unit. Those that are whole units stand close together. */
  unitHead(offset: number, length: number, isWhole: boolean): Uint8Array {
    const info = this.section("info");
    if (info === undefined) return new Uint8Array(0);
    if (!isWhole) return info.read(offset, length);
    const { start, bytes } = this.#heads;
    if (offset < start || offset + length > start + bytes.length) {
      const end = Math.min(offset + HEADS_BYTES, info.size);
      this.#heads = { start: offset, bytes: info.read(offset, end - offset) };
    }
    const at = offset - this.#heads.start;
    return this.#heads.bytes.slice(at, at + length);
  }

  /** Memory of units that were not given back. */
  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** The bytes of a unit, to be given back: they are read into the memory of others before. */
  takeUnit(offset: number, length: number): Uint8Array {
    const info = this.section("info");
    if (info === undefined) return new Uint8Array(0);
    if (info.isInMemory) return info.read(offset, length);
    const index = this.#spare.findIndex(({ byteLength }) => byteLength >= length);
    const found = index < 0 ? undefined : this.#spare.splice(index, 1)[0];
    const bytes = new Uint8Array(found ?? new ArrayBuffer(roundedUp(length)), 0, length);
    this.#takenBytes += bytes.buffer.byteLength;
    info.readInto(bytes, offset);
    return bytes;
  }

  giveUnit(bytes: Uint8Array): void {
    const isOwn = this.section("info")?.isInMemory === false;
    if (isOwn) this.#takenBytes -= bytes.buffer.byteLength;
    if (!isOwn || this.#spare.length >= SPARE_MAX) return;
    this.#spare.push(bytes.buffer as ArrayBuffer);
    this.#spare.sort((a, b) => a.byteLength - b.byteLength);
  }

  #stringSection(name: "str" | "line_str"): StringSection {
    const known = this.#strings.get(name);
    if (known !== undefined) return known;
    // Texts of line programs stand in the program also when its units are split off.
    const section = this.section(name);
    if (section === undefined) throw malformed(`.debug_${name}`, "is not there");
    const strings = new StringSection(section);
    this.#strings.set(name, strings);
    return strings;
  }
}

/** So that most units fit into what others had. */
function roundedUp(length: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(length, UNIT_MEMORY_MIN)));
}

interface DwarfFileOptions {
  readonly isSplit?: boolean;
  /** Of the program that the file belongs to, when it has no segments itself. */
  readonly space?: AddressSpace;
  readonly supplementary?: ElfFile | undefined;
  /** Of the program that the file belongs to. */
  readonly work?: WorkBudget;
}

/** The section of texts that a form's offset counts in; undefined for all other forms. */
export function stringSectionOf(form: number): "str" | "line_str" | undefined {
  if (form === dw.DW_FORM_strp) return "str";
  return form === dw.DW_FORM_line_strp ? "line_str" : undefined;
}
