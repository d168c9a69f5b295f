import type { Int32Column } from "../columns.ts";
import type { MappingRow } from "../dictionary.ts";
import { decodeAnyValue, EMPTY_VALUE } from "./decode-attributes.ts";
import * as field from "./fields.ts";
import type { OtlpInput } from "./input.ts";

/** A part of the message. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

const TABLES = 7;
const NO_MAPPING: MappingRow = {
  memoryStart: 0n,
  memoryLimit: 0n,
  fileOffset: 0n,
  filename: 0,
  attributeSet: 0,
};

/**
 * Reads the ProfilesDictionary: first its strings and the number of rows of every table, then
 * the rest, so that most references can be checked where they are read. Rows keep the index
 * that the sender gave them.
 *
 * @param ranges  where it stands; protobuf lets a sender split a message
 * @returns whether it has any row; only a message without profiles may have none
 */
export function decodeDictionary(input: OtlpInput, ranges: readonly Range[]): boolean {
  const counts = new Int32Array(TABLES + 1);
  for (const range of ranges) readStrings(input, range, counts);
  const { functions, locations, stacks } = input.dictionary;
  input.attributeCount = counts[6] as number;
  functions.reserve(counts[3] as number);
  locations.reserve(counts[2] as number);
  stacks.ends.reserve(counts[7] as number);
  for (const range of ranges) readTables(input, range);
  if (counts.every((count) => count === 0)) {
    input.dictionary.addMissingZeroEntries();
    return false;
  }
  checkZeroEntries(input);
  checkReferences(input);
  return true;
}

function readStrings(input: OtlpInput, range: Range, counts: Int32Array): void {
  const { reader, limits, dictionary } = input;
  reader.offset = range.start;
  reader.end = range.end;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag === field.PROFILES_DICTIONARY_STRING_TABLE) {
      dictionary.strings.append(input.string("a string_table row"));
    } else reader.skip(tag);
    const table = tag >>> 3;
    if (table <= TABLES) {
      counts[table] = (counts[table] as number) + 1;
      input.atMost(`rows of table ${table}`, counts[table] as number, limits.tableRowsMax);
    }
  }
}

function readTables(input: OtlpInput, range: Range): void {
  const { reader } = input;
  reader.offset = range.start;
  reader.end = range.end;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case field.PROFILES_DICTIONARY_MAPPING_TABLE:
        readMapping(input);
        break;
      case field.PROFILES_DICTIONARY_LOCATION_TABLE:
        readLocation(input);
        break;
      case field.PROFILES_DICTIONARY_FUNCTION_TABLE:
        readFunction(input);
        break;
      case field.PROFILES_DICTIONARY_LINK_TABLE:
        readLink(input);
        break;
      case field.PROFILES_DICTIONARY_STRING_TABLE:
        reader.skip(tag);
        break;
      case field.PROFILES_DICTIONARY_ATTRIBUTE_TABLE:
        readAttribute(input);
        break;
      case field.PROFILES_DICTIONARY_STACK_TABLE:
        readStack(input);
        break;
      default:
        input.skipUnknown(tag, "ProfilesDictionary", TABLES);
    }
  }
}

function readStack(input: OtlpInput): void {
  const { reader } = input;
  const { stacks } = input.dictionary;
  const outer = reader.enter();
  const before = stacks.items.length;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag === field.STACK_LOCATION_INDICES) reader.packedInt32(stacks.items);
    else if (tag === field.STACK_LOCATION_INDICES_UNPACKED) stacks.items.push(reader.int32());
    else input.skipUnknown(tag, "Stack", 1);
  }
  reader.leave(outer);
  const depth = stacks.items.length - before;
  if (depth > input.limits.stackDepthMax) {
    input.atMost("frames of a stack", depth, input.limits.stackDepthMax);
  }
  stacks.endRow();
}

function readLocation(input: OtlpInput): void {
  const { reader } = input;
  const { locations } = input.dictionary;
  const outer = reader.enter();
  const linesBefore = locations.lineFunction.length;
  let mapping = 0;
  let low = 0;
  let high = 0;
  input.beginAttributes();
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case field.LOCATION_MAPPING_INDEX:
        mapping = reader.int32();
        break;
      case field.LOCATION_ADDRESS:
        reader.uint64();
        low = reader.low;
        high = reader.high;
        break;
      case field.LOCATION_LINES:
        readLine(input);
        break;
      case field.LOCATION_ATTRIBUTE_INDICES:
      case field.LOCATION_ATTRIBUTE_INDICES_UNPACKED:
        input.attributeIndices(tag);
        break;
      default:
        input.skipUnknown(tag, "Location", 4);
    }
  }
  const lines = locations.lineFunction.length - linesBefore;
  input.atMost("lines of a location", lines, input.limits.stackDepthMax);
  reader.leave(outer);
  locations.endRow(mapping, low, high, input.endAttributes("Location.attribute_indices"));
}

function readLine(input: OtlpInput): void {
  const { reader } = input;
  const outer = reader.enter();
  let functionIndex = 0;
  let line = 0;
  let column = 0;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag === field.LINE_FUNCTION_INDEX) functionIndex = reader.int32();
    else if (tag === field.LINE_LINE) line = reader.int64Number("Line.line");
    else if (tag === field.LINE_COLUMN) column = reader.int64Number("Line.column");
    else input.skipUnknown(tag, "Line", 3);
  }
  reader.leave(outer);
  input.dictionary.locations.pushLine(functionIndex, line, column);
}

function readFunction(input: OtlpInput): void {
  const { reader } = input;
  const outer = reader.enter();
  let name = 0;
  let systemName = 0;
  let filename = 0;
  let startLine = 0;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case field.FUNCTION_NAME_STRINDEX:
        name = input.stringIndex("Function.name_strindex");
        break;
      case field.FUNCTION_SYSTEM_NAME_STRINDEX:
        systemName = input.stringIndex("Function.system_name_strindex");
        break;
      case field.FUNCTION_FILENAME_STRINDEX:
        filename = input.stringIndex("Function.filename_strindex");
        break;
      case field.FUNCTION_START_LINE:
        startLine = reader.int64Number("Function.start_line");
        break;
      default:
        input.skipUnknown(tag, "Function", 4);
    }
  }
  reader.leave(outer);
  input.dictionary.functions.append(name, systemName, filename, startLine);
}

function readMapping(input: OtlpInput): void {
  const { reader } = input;
  const outer = reader.enter();
  let { memoryStart, memoryLimit, fileOffset, filename } = NO_MAPPING;
  input.beginAttributes();
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case field.MAPPING_MEMORY_START:
        memoryStart = reader.uint64BigInt();
        break;
      case field.MAPPING_MEMORY_LIMIT:
        memoryLimit = reader.uint64BigInt();
        break;
      case field.MAPPING_FILE_OFFSET:
        fileOffset = reader.uint64BigInt();
        break;
      case field.MAPPING_FILENAME_STRINDEX:
        filename = input.stringIndex("Mapping.filename_strindex");
        break;
      case field.MAPPING_ATTRIBUTE_INDICES:
      case field.MAPPING_ATTRIBUTE_INDICES_UNPACKED:
        input.attributeIndices(tag);
        break;
      default:
        input.skipUnknown(tag, "Mapping", 5);
    }
  }
  reader.leave(outer);
  const attributeSet = input.endAttributes("Mapping.attribute_indices");
  input.dictionary.mappings.append({
    memoryStart,
    memoryLimit,
    fileOffset,
    filename,
    attributeSet,
  });
}

function readAttribute(input: OtlpInput): void {
  const { reader } = input;
  const outer = reader.enter();
  let key = 0;
  let value = EMPTY_VALUE;
  let unit = 0;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case field.KEY_VALUE_AND_UNIT_KEY_STRINDEX:
        key = input.stringIndex("KeyValueAndUnit.key_strindex");
        break;
      case field.KEY_VALUE_AND_UNIT_VALUE:
        value = decodeAnyValue(input, value);
        break;
      case field.KEY_VALUE_AND_UNIT_UNIT_STRINDEX:
        unit = input.stringIndex("KeyValueAndUnit.unit_strindex");
        break;
      default:
        input.skipUnknown(tag, "KeyValueAndUnit", 3);
    }
  }
  reader.leave(outer);
  input.dictionary.attributes.append(key, value, unit);
}

function readLink(input: OtlpInput): void {
  const { reader } = input;
  const outer = reader.enter();
  let traceId = "";
  let spanId = "";
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag === field.LINK_TRACE_ID) traceId = readId(input, "Link.trace_id", 16);
    else if (tag === field.LINK_SPAN_ID) spanId = readId(input, "Link.span_id", 8);
    else input.skipUnknown(tag, "Link", 2);
  }
  reader.leave(outer);
  input.dictionary.links.append(traceId, spanId);
}

/** An id as hex; "" for one that is absent, which may be written as none or as all zero bytes. */
function readId(input: OtlpInput, what: string, byteCount: number): string {
  const bytes = input.reader.lengthDelimited();
  if (bytes.length !== 0 && bytes.length !== byteCount) {
    throw input.reader.error(`${what} has ${bytes.length} bytes instead of ${byteCount}`);
  }
  return bytes.some((byte) => byte !== 0) ? bytes.toHex() : "";
}

/** Checks the references that may point forward on the wire. */
function checkReferences(input: OtlpInput): void {
  const { mappings, locations, functions, stacks } = input.dictionary;
  checkColumn(input, "Location.mapping_index", locations.mapping, mappings.length);
  checkColumn(input, "Line.function_index", locations.lineFunction, functions.length);
  checkColumn(input, "Stack.location_indices", stacks.items, locations.length);
}

function checkColumn(input: OtlpInput, what: string, column: Int32Column, rowCount: number): void {
  const { data, length } = column;
  for (let row = 0; row < length; row++) {
    const index = data[row] as number;
    if (index >>> 0 >= rowCount) throw input.outOfRange(what, index, rowCount);
  }
}

/** Every table must begin with its zero value. */
function checkZeroEntries({ dictionary, reader }: OtlpInput): void {
  const missing = dictionary.firstEmptyTable();
  if (missing) throw reader.error(`${missing} lacks its row 0, which must be the zero value`);
  const wrong = dictionary.firstWrongZeroEntry();
  if (wrong) throw reader.error(`row 0 of ${wrong} is not the zero value`);
}
