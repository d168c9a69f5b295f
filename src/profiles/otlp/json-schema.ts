import { tagOf, WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT } from "../protobuf/reader.ts";

/**
 * The messages of OTLP profiles as OTLP/JSON names them: lower camel case, 64-bit integers as
 * decimal strings, ids as hex, other bytes as base64.
 * Source: opentelemetry-proto 1.11, docs/specification.md, "JSON Protobuf Encoding".
 */

export type ScalarKind =
  | "string"
  | "bytes"
  | "id"
  | "bool"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "fixed64"
  | "double";

export interface JsonField {
  readonly name: string;
  /** A scalar's kind, or a message's name. */
  readonly kind: string;
  /** Of the packed list, for a repeated scalar other than string. */
  readonly tag: number;
  readonly isRepeated: boolean;
  readonly isPacked: boolean;
  /** One of several of which one may be set, and which is written even when it is zero. */
  readonly isOneOf: boolean;
}

export interface MessageType {
  readonly name: string;
  readonly byName: ReadonlyMap<string, JsonField>;
  readonly byTag: ReadonlyMap<number, JsonField>;
}

/** `number name kind`, with `*` for a repeated and `|` for a oneof field. */
const SCHEMA: Readonly<Record<string, readonly string[]>> = {
  ProfilesData: ["1 resourceProfiles ResourceProfiles*", "2 dictionary ProfilesDictionary"],
  ProfilesDictionary: [
    "1 mappingTable Mapping*",
    "2 locationTable Location*",
    "3 functionTable Function*",
    "4 linkTable Link*",
    "5 stringTable string*",
    "6 attributeTable KeyValueAndUnit*",
    "7 stackTable Stack*",
  ],
  ResourceProfiles: ["1 resource Resource", "2 scopeProfiles ScopeProfiles*", "3 schemaUrl string"],
  ScopeProfiles: ["1 scope InstrumentationScope", "2 profiles Profile*", "3 schemaUrl string"],
  Profile: [
    "1 sampleType ValueType",
    "2 samples Sample*",
    "3 timeUnixNano fixed64",
    "4 durationNano uint64",
    "5 periodType ValueType",
    "6 period int64",
    "7 profileId bytes",
    "8 droppedAttributesCount uint32",
    "9 originalPayloadFormat string",
    "10 originalPayload bytes",
    "11 attributeIndices int32*",
  ],
  Sample: [
    "1 stackIndex int32",
    "2 attributeIndices int32*",
    "3 linkIndex int32",
    "4 values int64*",
    "5 timestampsUnixNano fixed64*",
  ],
  Link: ["1 traceId id", "2 spanId id"],
  ValueType: ["1 typeStrindex int32", "2 unitStrindex int32"],
  Stack: ["1 locationIndices int32*"],
  Location: [
    "1 mappingIndex int32",
    "2 address uint64",
    "3 lines Line*",
    "4 attributeIndices int32*",
  ],
  Line: ["1 functionIndex int32", "2 line int64", "3 column int64"],
  Function: [
    "1 nameStrindex int32",
    "2 systemNameStrindex int32",
    "3 filenameStrindex int32",
    "4 startLine int64",
  ],
  Mapping: [
    "1 memoryStart uint64",
    "2 memoryLimit uint64",
    "3 fileOffset uint64",
    "4 filenameStrindex int32",
    "5 attributeIndices int32*",
  ],
  KeyValueAndUnit: ["1 keyStrindex int32", "2 value AnyValue", "3 unitStrindex int32"],
  AnyValue: [
    "1 stringValue string|",
    "2 boolValue bool|",
    "3 intValue int64|",
    "4 doubleValue double|",
    "5 arrayValue ArrayValue|",
    "6 kvlistValue KeyValueList|",
    "7 bytesValue bytes|",
    "8 stringValueStrindex int32|",
  ],
  ArrayValue: ["1 values AnyValue*"],
  KeyValueList: ["1 values KeyValue*"],
  KeyValue: ["1 key string", "2 value AnyValue", "3 keyStrindex int32"],
  InstrumentationScope: [
    "1 name string",
    "2 version string",
    "3 attributes KeyValue*",
    "4 droppedAttributesCount uint32",
  ],
  Resource: ["1 attributes KeyValue*", "2 droppedAttributesCount uint32"],
};

const WIRE_TYPES: Readonly<Record<ScalarKind, number>> = {
  string: WIRE_BYTES,
  bytes: WIRE_BYTES,
  id: WIRE_BYTES,
  bool: WIRE_VARINT,
  int32: WIRE_VARINT,
  uint32: WIRE_VARINT,
  int64: WIRE_VARINT,
  uint64: WIRE_VARINT,
  fixed64: WIRE_FIXED64,
  double: WIRE_FIXED64,
};

const messages: ReadonlyMap<string, MessageType> = new Map(
  Object.entries(SCHEMA).map(([name, fields]) => [name, messageOf(name, fields)]),
);

/** The message that a field's kind names, unless that is a scalar. */
export function messageType(kind: string): MessageType | undefined {
  return messages.get(kind);
}

/** The whole: ProfilesData, and ExportProfilesServiceRequest alike. */
export const PROFILES_DATA: MessageType = messages.get("ProfilesData") as MessageType;

function messageOf(name: string, lines: readonly string[]): MessageType {
  const fields = lines.map(fieldOf);
  return {
    name,
    byName: new Map(fields.map((field) => [field.name, field])),
    byTag: new Map(fields.map((field) => [field.tag, field])),
  };
}

function fieldOf(line: string): JsonField {
  const [number, name, type] = line.split(" ") as [string, string, string];
  const kind = type.replace(/[*|]/, "");
  const isRepeated = type.endsWith("*");
  const scalarWireType: number | undefined = WIRE_TYPES[kind as ScalarKind];
  const isPacked = isRepeated && scalarWireType !== undefined && scalarWireType !== WIRE_BYTES;
  const wireType = isPacked ? WIRE_BYTES : (scalarWireType ?? WIRE_BYTES);
  return {
    name,
    kind,
    tag: tagOf(Number(number), wireType),
    isRepeated,
    isPacked,
    isOneOf: type.endsWith("|"),
  };
}
