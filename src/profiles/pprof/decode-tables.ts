import { limitExceeded, malformed } from "../../support/errors.ts";
import type { ProfileLimits } from "../../support/limits.ts";
import { stringValue } from "../attribute-value.ts";
import { Dictionary } from "../dictionary.ts";
import type { ProtoReader } from "../protobuf/reader.ts";
import { internAttributes, mappingAttributes } from "./attributes.ts";
import { COLUMNS_MAX, COMMENTS_MAX, MAPPINGS_MAX, PprofHeader } from "./decode-header.ts";
import { FOLDED_KEY } from "./encode-tables.ts";
import { FRAME_TYPE, frameTypeOfMapping } from "./frame-types.ts";
import { IdMap } from "./id-map.ts";
import { type Attribute, NOTE_STRINGS_MAX, NOTES_MAX, Notes, readNotes } from "./notes.ts";
import * as wire from "./wire.ts";

interface RawMapping {
  readonly idLow: number;
  readonly idHigh: number;
  memoryStart: bigint;
  memoryLimit: bigint;
  fileOffset: bigint;
  filename: number;
  buildId: number;
  /** has_functions, has_filenames, has_line_numbers, has_inline_frames. */
  readonly has: boolean[];
}

/**
 * Reads everything of a file but its samples into a dictionary. Three passes over the top
 * level, because writers put what is referred to behind what refers to it: strings, functions
 * and mappings in the first, locations in the second, samples by the caller in the third.
 */
export class PprofTables {
  readonly dictionary: Dictionary = new Dictionary();
  readonly header: PprofHeader = new PprofHeader();
  notes: Notes = new Notes();
  readonly #reader: ProtoReader;
  readonly #limits: ProfileLimits;
  readonly #functionRows = new IdMap();
  readonly #mappingRows = new IdMap();
  readonly #locationRows = new IdMap();
  readonly #rawMappings: RawMapping[] = [];
  /** The largest string index that was read before all strings were known. */
  #stringMax = 0;

  constructor(reader: ProtoReader, limits: ProfileLimits) {
    this.#reader = reader;
    this.#limits = limits;
  }

  read(): void {
    this.dictionary.functions.append(0, 0, 0, 0);
    this.dictionary.locations.append(0, 0, 0, [], 0);
    this.#readPass((tag) => this.#readFirst(tag));
    const stringCount = this.dictionary.strings.length;
    if (this.dictionary.strings.at(0) !== "") throw this.#broken("its first string is not empty");
    this.dictionary.addMissingZeroEntries();
    if (this.#stringMax >= this.dictionary.strings.length) {
      throw this.#broken(`string ${this.#stringMax} is not one of ${stringCount}`);
    }
    this.notes = readNotes(this.header.notes, this.#limits);
    this.#appendMappings();
    this.#readPass((tag) => this.#readLocationField(tag));
  }

  /** The row of a location id that a sample names. */
  locationRow(low: number, high: number): number {
    const row = this.#locationRows.find(low, high);
    if (row < 0) throw this.#reader.error(`there is no location ${idText(low, high)}`);
    return row;
  }

  /** A string index at the reader's place, of a table that is complete. */
  stringIndex(): number {
    const index = this.#reader.int64Number("a string index");
    if (index < 0 || index >= this.dictionary.strings.length) {
      throw this.#reader.error(`string ${index} is not one of ${this.dictionary.strings.length}`);
    }
    return index;
  }

  #readPass(readField: (tag: number) => boolean): void {
    const reader = this.#reader;
    reader.offset = 0;
    while (reader.offset < reader.end) {
      const tag = reader.tag();
      if (!readField(tag)) reader.skip(tag);
    }
  }

  #readFirst(tag: number): boolean {
    switch (tag) {
      case wire.PROFILE_STRING_TABLE:
        this.#readString();
        return true;
      case wire.PROFILE_FUNCTION:
        this.#readFunction();
        return true;
      case wire.PROFILE_MAPPING:
        this.#readMapping();
        return true;
      default:
        return this.#readHeaderField(tag);
    }
  }

  #readHeaderField(tag: number): boolean {
    const { header } = this;
    const reader = this.#reader;
    switch (tag) {
      case wire.PROFILE_SAMPLE_TYPE:
        this.#checkCount("sample types", header.sampleTypes.length, COLUMNS_MAX);
        header.sampleTypes.push(this.#readValueType());
        return true;
      case wire.PROFILE_PERIOD_TYPE:
        header.periodType = this.#readValueType();
        return true;
      case wire.PROFILE_PERIOD:
        header.period = reader.int64Number("the period");
        return true;
      case wire.PROFILE_TIME_NANOS:
        header.timeNanos = reader.int64BigInt();
        return true;
      case wire.PROFILE_DURATION_NANOS:
        header.durationNanos = reader.int64BigInt();
        return true;
      case wire.PROFILE_DROP_FRAMES:
        header.dropFrames = this.#earlyString();
        return true;
      case wire.PROFILE_KEEP_FRAMES:
        header.keepFrames = this.#earlyString();
        return true;
      case wire.PROFILE_DEFAULT_SAMPLE_TYPE:
        header.defaultSampleType = this.#earlyString();
        return true;
      case wire.PROFILE_DOC_URL:
        header.docUrl = this.#earlyString();
        return true;
      case wire.PROFILE_NOTE:
        this.#readNote();
        return true;
      default:
        return this.#readComments(tag);
    }
  }

  #readComments(tag: number): boolean {
    const reader = this.#reader;
    const { comments } = this.header;
    if (tag !== wire.PROFILE_COMMENT && tag !== wire.PROFILE_COMMENT_PACKED) return false;
    const isPacked = tag === wire.PROFILE_COMMENT_PACKED;
    const outer = isPacked ? reader.enter() : reader.end;
    do {
      if (isPacked && reader.offset >= reader.end) break;
      this.#checkCount("comments", comments.length, COMMENTS_MAX);
      comments.push(this.#earlyString());
    } while (isPacked);
    if (isPacked) reader.leave(outer);
    return true;
  }

  #readNote(): void {
    const { notes } = this.header;
    this.#checkCount("notes", notes.length, NOTES_MAX);
    const length = this.#reader.peekLength();
    const bytesMax = this.#limits.stringBytesMax * NOTE_STRINGS_MAX;
    if (length > bytesMax) {
      throw limitExceeded(`pprof, note ${notes.length}`, "bytes", length, bytesMax);
    }
    notes.push(this.#reader.string());
  }

  #readString(): void {
    const reader = this.#reader;
    const { strings } = this.dictionary;
    const { stringBytesMax, tableRowsMax } = this.#limits;
    this.#checkCount("strings", strings.length, tableRowsMax);
    const length = reader.peekLength();
    if (length > stringBytesMax) {
      throw limitExceeded(`pprof, string ${strings.length}`, "bytes", length, stringBytesMax);
    }
    strings.append(reader.string());
  }

  #readValueType(): { type: number; unit: number } {
    const reader = this.#reader;
    const valueType = { type: 0, unit: 0 };
    const outer = reader.enter();
    while (reader.offset < reader.end) {
      const tag = reader.tag();
      if (tag === wire.VALUE_TYPE_TYPE) valueType.type = this.#earlyString();
      else if (tag === wire.VALUE_TYPE_UNIT) valueType.unit = this.#earlyString();
      else reader.skip(tag);
    }
    reader.leave(outer);
    return valueType;
  }

  #readFunction(): void {
    const reader = this.#reader;
    const { functions } = this.dictionary;
    this.#checkCount("functions", functions.length, this.#limits.tableRowsMax);
    let [idLow, idHigh, name, systemName, filename, startLine] = [0, 0, 0, 0, 0, 0];
    const outer = reader.enter();
    while (reader.offset < reader.end) {
      const tag = reader.tag();
      if (tag === wire.FUNCTION_ID) {
        reader.uint64();
        idLow = reader.low;
        idHigh = reader.high;
      } else if (tag === wire.FUNCTION_NAME) name = this.#earlyString();
      else if (tag === wire.FUNCTION_SYSTEM_NAME) systemName = this.#earlyString();
      else if (tag === wire.FUNCTION_FILENAME) filename = this.#earlyString();
      else if (tag === wire.FUNCTION_START_LINE) startLine = reader.int64Number("a start line");
      else reader.skip(tag);
    }
    reader.leave(outer);
    const isZero = name === 0 && systemName === 0 && filename === 0 && startLine === 0;
    const row = isZero ? 0 : functions.append(name, systemName, filename, startLine);
    this.#addId(this.#functionRows, "function", idLow, idHigh, row);
  }

  #readMapping(): void {
    const reader = this.#reader;
    this.#checkCount("mappings", this.#rawMappings.length, MAPPINGS_MAX);
    const raw = emptyMapping();
    let [idLow, idHigh] = [0, 0];
    const outer = reader.enter();
    while (reader.offset < reader.end) {
      const tag = reader.tag();
      if (tag === wire.MAPPING_ID) {
        reader.uint64();
        idLow = reader.low;
        idHigh = reader.high;
      } else if (!this.#readMappingField(tag, raw)) reader.skip(tag);
    }
    reader.leave(outer);
    this.#addId(this.#mappingRows, "mapping", idLow, idHigh, this.#rawMappings.length + 1);
    this.#rawMappings.push({ ...raw, idLow, idHigh });
  }

  #readMappingField(tag: number, raw: RawMapping): boolean {
    const reader = this.#reader;
    switch (tag) {
      case wire.MAPPING_MEMORY_START:
        raw.memoryStart = reader.uint64BigInt();
        return true;
      case wire.MAPPING_MEMORY_LIMIT:
        raw.memoryLimit = reader.uint64BigInt();
        return true;
      case wire.MAPPING_FILE_OFFSET:
        raw.fileOffset = reader.uint64BigInt();
        return true;
      case wire.MAPPING_FILENAME:
        raw.filename = this.#earlyString();
        return true;
      case wire.MAPPING_BUILD_ID:
        raw.buildId = this.#earlyString();
        return true;
      case wire.MAPPING_HAS_FUNCTIONS:
      case wire.MAPPING_HAS_FILENAMES:
      case wire.MAPPING_HAS_LINE_NUMBERS:
      case wire.MAPPING_HAS_INLINE_FRAMES:
        raw.has[(tag - wire.MAPPING_HAS_FUNCTIONS) >> 3] = reader.bool();
        return true;
      default:
        return false;
    }
  }

  #appendMappings(): void {
    const { mappings, strings } = this.dictionary;
    for (const raw of this.#rawMappings) {
      const note = this.notes.mappings.get(idText(raw.idLow, raw.idHigh));
      const attributes =
        note?.attributes ??
        mappingAttributes({
          buildId: strings.at(raw.buildId),
          hasFunctions: raw.has[0] === true,
          hasFilenames: raw.has[1] === true,
          hasLineNumbers: raw.has[2] === true,
          hasInlineFrames: raw.has[3] === true,
        });
      const { memoryStart, memoryLimit, fileOffset } = raw;
      const filename = note?.filename === undefined ? raw.filename : strings.intern(note.filename);
      const attributeSet = internAttributes(this.dictionary, attributes);
      mappings.append({ memoryStart, memoryLimit, fileOffset, filename, attributeSet });
    }
  }

  #readLocationField(tag: number): boolean {
    if (tag !== wire.PROFILE_LOCATION) return false;
    const reader = this.#reader;
    const { locations } = this.dictionary;
    this.#checkCount("locations", locations.length, this.#limits.tableRowsMax);
    let [idLow, idHigh, mapping, addressLow, addressHigh] = [0, 0, 0, 0, 0];
    let isFolded = false;
    const outer = reader.enter();
    while (reader.offset < reader.end) {
      const field = reader.tag();
      if (field === wire.LOCATION_LINE) this.#readLine();
      else if (field === wire.LOCATION_ID) {
        reader.uint64();
        idLow = reader.low;
        idHigh = reader.high;
      } else if (field === wire.LOCATION_MAPPING_ID) mapping = this.#mappingRow();
      else if (field === wire.LOCATION_ADDRESS) {
        reader.uint64();
        addressLow = reader.low;
        addressHigh = reader.high;
      } else if (field === wire.LOCATION_IS_FOLDED) isFolded = reader.bool();
      else reader.skip(field);
    }
    reader.leave(outer);
    const attributeSet = this.#locationAttributes(idLow, idHigh, mapping, isFolded);
    const row = locations.endRow(mapping, addressLow, addressHigh, attributeSet);
    this.#addId(this.#locationRows, "location", idLow, idHigh, row);
    return true;
  }

  #readLine(): void {
    const reader = this.#reader;
    let [fn, line, column] = [-1, 0, 0];
    const outer = reader.enter();
    while (reader.offset < reader.end) {
      const tag = reader.tag();
      if (tag === wire.LINE_FUNCTION_ID) {
        reader.uint64();
        fn = this.#functionRows.find(reader.low, reader.high);
      } else if (tag === wire.LINE_LINE) line = reader.int64Number("a line");
      else if (tag === wire.LINE_COLUMN) column = reader.int64Number("a column");
      else reader.skip(tag);
    }
    if (fn < 0) throw reader.error("a line's function is not in the table");
    reader.leave(outer);
    this.dictionary.locations.pushLine(fn, line, column);
  }

  #mappingRow(): number {
    const reader = this.#reader;
    reader.uint64();
    if (reader.low === 0 && reader.high === 0) return 0;
    const row = this.#mappingRows.find(reader.low, reader.high);
    if (row < 0) throw reader.error(`there is no mapping ${idText(reader.low, reader.high)}`);
    return row;
  }

  #locationAttributes(low: number, high: number, mapping: number, isFolded: boolean): number {
    const { notes, dictionary } = this;
    if (!isFolded && !notes.batch?.frameTypes && notes.locations.size === 0) return 0;
    const list: Attribute[] = [];
    const name = this.#rawMappings[mapping - 1]?.filename ?? 0;
    const type = notes.batch?.frameTypes
      ? frameTypeOfMapping(mapping > 0, dictionary.strings.at(name))
      : "";
    if (type !== "") list.push({ key: FRAME_TYPE, value: stringValue(type), unit: "" });
    if (isFolded) list.push({ key: FOLDED_KEY, value: { type: "bool", value: true }, unit: "" });
    const noted = notes.locations.get(idText(low, high)) ?? [];
    const keys = new Set(noted.map(({ key }) => key));
    return internAttributes(dictionary, [...list.filter(({ key }) => !keys.has(key)), ...noted]);
  }

  #earlyString(): number {
    const index = this.#reader.int64Number("a string index");
    if (index < 0 || index > this.#limits.tableRowsMax) {
      throw this.#reader.error(`there is no string ${index}`);
    }
    if (index > this.#stringMax) this.#stringMax = index;
    return index;
  }

  #addId(rows: IdMap, what: string, low: number, high: number, row: number): void {
    if (low === 0 && high === 0) throw this.#reader.error(`a ${what} has the id 0`);
    if (!rows.add(low, high, row)) {
      throw this.#reader.error(`two ${what}s have the id ${idText(low, high)}`);
    }
  }

  #checkCount(what: string, count: number, limit: number): void {
    if (count >= limit) throw limitExceeded("pprof", what, count + 1, limit);
  }

  #broken(what: string): Error {
    return malformed("pprof", what);
  }
}

function emptyMapping(): RawMapping {
  const none = { memoryStart: 0n, memoryLimit: 0n, fileOffset: 0n, filename: 0, buildId: 0 };
  return { ...none, idLow: 0, idHigh: 0, has: [] };
}

function idText(low: number, high: number): string {
  return String((BigInt(high) << 32n) | BigInt(low));
}
