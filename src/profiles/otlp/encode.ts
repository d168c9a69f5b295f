import type { AttributeValue, KeyValue } from "../attribute-value.ts";
import type { Dictionary } from "../dictionary.ts";
import type { ListTable } from "../list-table.ts";
import type {
  Profile,
  ProfileBatch,
  ResourceProfiles,
  Samples,
  Scope,
  ScopeProfiles,
  ValueType,
} from "../profile.ts";
import { ProtoWriter } from "../protobuf/writer.ts";
import * as field from "./fields.ts";

/**
 * Writes OTLP profiles (ProfilesData = ExportProfilesServiceRequest, opentelemetry-proto 1.10 and
 * 1.11): everything that the batch holds, table rows in their order, no string references
 * outside of the tables.
 */
export function encodeOtlp(batch: ProfileBatch): Uint8Array {
  const writer = new ProtoWriter(estimatedBytes(batch));
  for (const resource of batch.resourceProfiles) {
    writer.tag(field.PROFILES_DATA_RESOURCE_PROFILES);
    const start = writer.begin();
    writeResourceProfiles(writer, resource, batch.dictionary.attributeSets);
    writer.end(start);
  }
  writer.tag(field.PROFILES_DATA_DICTIONARY);
  const start = writer.begin();
  writeDictionary(writer, batch.dictionary);
  writer.end(start);
  return writer.finish();
}

/** A first capacity that mostly needs no second one. */
function estimatedBytes(batch: ProfileBatch): number {
  const { stacks, locations } = batch.dictionary;
  return 1024 + 16 * batch.sampleCount + 3 * stacks.items.length + 24 * locations.length;
}

function writeResourceProfiles(
  writer: ProtoWriter,
  { resource, scopeProfiles, schemaUrl }: ResourceProfiles,
  sets: ListTable,
): void {
  writer.tag(field.RESOURCE_PROFILES_RESOURCE);
  const resourceStart = writer.begin();
  writeKeyValues(writer, field.RESOURCE_ATTRIBUTES, resource.attributes);
  writer.uint32Field(field.RESOURCE_DROPPED_ATTRIBUTES_COUNT, resource.droppedAttributesCount);
  writer.end(resourceStart);
  for (const scope of scopeProfiles) {
    writer.tag(field.RESOURCE_PROFILES_SCOPE_PROFILES);
    const start = writer.begin();
    writeScopeProfiles(writer, scope, sets);
    writer.end(start);
  }
  writer.stringField(field.RESOURCE_PROFILES_SCHEMA_URL, schemaUrl);
}

function writeScopeProfiles(writer: ProtoWriter, scope: ScopeProfiles, sets: ListTable): void {
  writer.tag(field.SCOPE_PROFILES_SCOPE);
  const scopeStart = writer.begin();
  writeScope(writer, scope.scope);
  writer.end(scopeStart);
  for (const profile of scope.profiles) {
    writer.tag(field.SCOPE_PROFILES_PROFILES);
    const start = writer.begin();
    writeProfile(writer, profile, sets);
    writer.end(start);
  }
  writer.stringField(field.SCOPE_PROFILES_SCHEMA_URL, scope.schemaUrl);
}

function writeScope(writer: ProtoWriter, scope: Scope): void {
  writer.stringField(field.INSTRUMENTATION_SCOPE_NAME, scope.name);
  writer.stringField(field.INSTRUMENTATION_SCOPE_VERSION, scope.version);
  writeKeyValues(writer, field.INSTRUMENTATION_SCOPE_ATTRIBUTES, scope.attributes);
  writer.uint32Field(
    field.INSTRUMENTATION_SCOPE_DROPPED_ATTRIBUTES_COUNT,
    scope.droppedAttributesCount,
  );
}

function writeProfile(writer: ProtoWriter, profile: Profile, sets: ListTable): void {
  writeValueType(writer, field.PROFILE_SAMPLE_TYPE, profile.sampleType);
  writeSamples(writer, profile.samples, sets);
  writer.fixed64BigIntField(field.PROFILE_TIME_UNIX_NANO, profile.timeUnixNano);
  writer.int64BigIntField(field.PROFILE_DURATION_NANO, profile.durationNano);
  writeValueType(writer, field.PROFILE_PERIOD_TYPE, profile.periodType);
  writer.int64Field(field.PROFILE_PERIOD, profile.period);
  writer.bytesField(field.PROFILE_PROFILE_ID, profile.profileId);
  writer.uint32Field(field.PROFILE_DROPPED_ATTRIBUTES_COUNT, profile.droppedAttributesCount);
  writer.stringField(field.PROFILE_ORIGINAL_PAYLOAD_FORMAT, profile.originalPayloadFormat);
  writer.bytesField(field.PROFILE_ORIGINAL_PAYLOAD, profile.originalPayload);
  writeSet(writer, field.PROFILE_ATTRIBUTE_INDICES, sets, profile.attributeSet);
}

function writeValueType(writer: ProtoWriter, tag: number, { type, unit }: ValueType): void {
  if (type === 0 && unit === 0) return;
  writer.tag(tag);
  const start = writer.begin();
  writer.int32Field(field.VALUE_TYPE_TYPE_STRINDEX, type);
  writer.int32Field(field.VALUE_TYPE_UNIT_STRINDEX, unit);
  writer.end(start);
}

function writeSamples(writer: ProtoWriter, samples: Samples, sets: ListTable): void {
  const isTimed = samples.shape !== "values";
  for (let sample = 0; sample < samples.length; sample++) {
    writer.tag(field.PROFILE_SAMPLES);
    const start = writer.begin();
    writer.int32Field(field.SAMPLE_STACK_INDEX, samples.stack.at(sample));
    writeSet(writer, field.SAMPLE_ATTRIBUTE_INDICES, sets, samples.attributeSet.at(sample));
    writer.int32Field(field.SAMPLE_LINK_INDEX, samples.link.at(sample));
    if (isTimed) writeObservations(writer, samples, sample);
    else {
      writer.tag(field.SAMPLE_VALUES);
      const list = writer.begin();
      writer.int64(samples.value.at(sample));
      writer.end(list);
    }
    writer.end(start);
  }
}

function writeObservations(writer: ProtoWriter, samples: Samples, sample: number): void {
  const from = samples.timestampStart(sample);
  const to = samples.timestampEnd(sample);
  if (samples.shape === "values_and_timestamps") {
    writer.tag(field.SAMPLE_VALUES);
    const list = writer.begin();
    for (let i = from; i < to; i++) writer.int64(samples.timestampValue.at(i));
    writer.end(list);
  }
  writer.tag(field.SAMPLE_TIMESTAMPS_UNIX_NANO);
  const list = writer.begin();
  const { timestampUnixNano } = samples;
  for (let i = from; i < to; i++) {
    writer.fixed64(timestampUnixNano.low(i), timestampUnixNano.high(i));
  }
  writer.end(list);
}

function writeSet(writer: ProtoWriter, tag: number, sets: ListTable, set: number): void {
  if (set === 0) return;
  writer.packedInt32Field(tag, sets.items.data, sets.start(set), sets.end(set));
}

function writeDictionary(writer: ProtoWriter, dictionary: Dictionary): void {
  writeMappings(writer, dictionary);
  writeLocations(writer, dictionary);
  writeFunctions(writer, dictionary);
  writeLinks(writer, dictionary);
  for (let row = 0; row < dictionary.strings.length; row++) {
    writer.tag(field.PROFILES_DICTIONARY_STRING_TABLE);
    writer.string(dictionary.strings.at(row));
  }
  writeAttributes(writer, dictionary);
  const { stacks } = dictionary;
  for (let row = 0; row < stacks.length; row++) {
    writer.tag(field.PROFILES_DICTIONARY_STACK_TABLE);
    const start = writer.begin();
    const { data } = stacks.items;
    writer.packedInt32Field(field.STACK_LOCATION_INDICES, data, stacks.start(row), stacks.end(row));
    writer.end(start);
  }
}

function writeMappings(writer: ProtoWriter, { mappings, attributeSets }: Dictionary): void {
  for (let row = 0; row < mappings.length; row++) {
    writer.tag(field.PROFILES_DICTIONARY_MAPPING_TABLE);
    const start = writer.begin();
    const mapping = mappings.at(row);
    writer.int64BigIntField(field.MAPPING_MEMORY_START, mapping.memoryStart);
    writer.int64BigIntField(field.MAPPING_MEMORY_LIMIT, mapping.memoryLimit);
    writer.int64BigIntField(field.MAPPING_FILE_OFFSET, mapping.fileOffset);
    writer.int32Field(field.MAPPING_FILENAME_STRINDEX, mapping.filename);
    writeSet(writer, field.MAPPING_ATTRIBUTE_INDICES, attributeSets, mapping.attributeSet);
    writer.end(start);
  }
}

function writeLocations(writer: ProtoWriter, { locations, attributeSets }: Dictionary): void {
  for (let row = 0; row < locations.length; row++) {
    writer.tag(field.PROFILES_DICTIONARY_LOCATION_TABLE);
    const start = writer.begin();
    writer.int32Field(field.LOCATION_MAPPING_INDEX, locations.mapping.at(row));
    const { address } = locations;
    writer.uint64Field(field.LOCATION_ADDRESS, address.low(row), address.high(row));
    const end = locations.lineEnd(row);
    for (let line = locations.lineStart(row); line < end; line++) {
      writer.tag(field.LOCATION_LINES);
      const lineStart = writer.begin();
      writer.int32Field(field.LINE_FUNCTION_INDEX, locations.lineFunction.at(line));
      writer.int64Field(field.LINE_LINE, locations.lineNumber.at(line));
      writer.int64Field(field.LINE_COLUMN, locations.lineColumn.at(line));
      writer.end(lineStart);
    }
    const set = locations.attributeSet.at(row);
    writeSet(writer, field.LOCATION_ATTRIBUTE_INDICES, attributeSets, set);
    writer.end(start);
  }
}

function writeFunctions(writer: ProtoWriter, { functions }: Dictionary): void {
  for (let row = 0; row < functions.length; row++) {
    writer.tag(field.PROFILES_DICTIONARY_FUNCTION_TABLE);
    const start = writer.begin();
    writer.int32Field(field.FUNCTION_NAME_STRINDEX, functions.name.at(row));
    writer.int32Field(field.FUNCTION_SYSTEM_NAME_STRINDEX, functions.systemName.at(row));
    writer.int32Field(field.FUNCTION_FILENAME_STRINDEX, functions.filename.at(row));
    writer.int64Field(field.FUNCTION_START_LINE, functions.startLine.at(row));
    writer.end(start);
  }
}

/** An absent id is written as zero bytes, which the specification asks for in row 0. */
function writeLinks(writer: ProtoWriter, { links }: Dictionary): void {
  for (let row = 0; row < links.length; row++) {
    writer.tag(field.PROFILES_DICTIONARY_LINK_TABLE);
    const start = writer.begin();
    writer.bytesField(field.LINK_TRACE_ID, idBytes(links.traceId(row), 16));
    writer.bytesField(field.LINK_SPAN_ID, idBytes(links.spanId(row), 8));
    writer.end(start);
  }
}

function idBytes(hex: string, byteCount: number): Uint8Array {
  return hex === "" ? new Uint8Array(byteCount) : Uint8Array.fromHex(hex);
}

function writeAttributes(writer: ProtoWriter, { attributes }: Dictionary): void {
  for (let row = 0; row < attributes.length; row++) {
    writer.tag(field.PROFILES_DICTIONARY_ATTRIBUTE_TABLE);
    const start = writer.begin();
    writer.int32Field(field.KEY_VALUE_AND_UNIT_KEY_STRINDEX, attributes.key.at(row));
    writeValue(writer, field.KEY_VALUE_AND_UNIT_VALUE, attributes.value(row));
    writer.int32Field(field.KEY_VALUE_AND_UNIT_UNIT_STRINDEX, attributes.unit.at(row));
    writer.end(start);
  }
}

function writeKeyValues(writer: ProtoWriter, tag: number, attributes: readonly KeyValue[]): void {
  for (const { key, value } of attributes) {
    writer.tag(tag);
    const start = writer.begin();
    writer.stringField(field.KEY_VALUE_KEY, key);
    writeValue(writer, field.KEY_VALUE_VALUE, value);
    writer.end(start);
  }
}

/** An AnyValue field; an empty value is a field that is not there. */
function writeValue(writer: ProtoWriter, tag: number, value: AttributeValue): void {
  if (value.type === "empty") return;
  writer.tag(tag);
  const start = writer.begin();
  writeOneOf(writer, value);
  writer.end(start);
}

function writeOneOf(writer: ProtoWriter, value: AttributeValue): void {
  switch (value.type) {
    case "empty":
      return;
    case "string":
      writer.tag(field.ANY_VALUE_STRING_VALUE);
      writer.string(value.value);
      return;
    case "bool":
      writer.tag(field.ANY_VALUE_BOOL_VALUE);
      writer.uint32(value.value ? 1 : 0);
      return;
    case "int":
      writer.tag(field.ANY_VALUE_INT_VALUE);
      writer.int64BigInt(value.value);
      return;
    case "double":
      writer.tag(field.ANY_VALUE_DOUBLE_VALUE);
      writer.double(value.value);
      return;
    case "bytes":
      writer.tag(field.ANY_VALUE_BYTES_VALUE);
      writer.lengthDelimited(value.value);
      return;
    case "array":
      writeArray(writer, value.value);
      return;
    case "kvlist": {
      writer.tag(field.ANY_VALUE_KVLIST_VALUE);
      const start = writer.begin();
      writeKeyValues(writer, field.LIST_VALUES, value.value);
      writer.end(start);
    }
  }
}

/** Unlike elsewhere, an empty item is written: it has a place. */
function writeArray(writer: ProtoWriter, items: readonly AttributeValue[]): void {
  writer.tag(field.ANY_VALUE_ARRAY_VALUE);
  const start = writer.begin();
  for (const item of items) {
    writer.tag(field.LIST_VALUES);
    const itemStart = writer.begin();
    writeOneOf(writer, item);
    writer.end(itemStart);
  }
  writer.end(start);
}
