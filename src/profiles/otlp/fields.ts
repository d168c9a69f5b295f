import { tagOf, WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT } from "../protobuf/reader.ts";

/**
 * The tags of OTLP profiles as they are written: message, field, wire type.
 * Source: opentelemetry-proto 1.11, profiles/v1development/profiles.proto,
 * common/v1/common.proto and resource/v1/resource.proto (wire-identical to 1.10).
 */

/** Where in the version numbers this layout began; what was before is refused. */
export const LAYOUT_SINCE = "1.10";

export const PROFILES_DATA_RESOURCE_PROFILES: number = tagOf(1, WIRE_BYTES);
export const PROFILES_DATA_DICTIONARY: number = tagOf(2, WIRE_BYTES);

export const PROFILES_DICTIONARY_MAPPING_TABLE: number = tagOf(1, WIRE_BYTES);
export const PROFILES_DICTIONARY_LOCATION_TABLE: number = tagOf(2, WIRE_BYTES);
export const PROFILES_DICTIONARY_FUNCTION_TABLE: number = tagOf(3, WIRE_BYTES);
export const PROFILES_DICTIONARY_LINK_TABLE: number = tagOf(4, WIRE_BYTES);
export const PROFILES_DICTIONARY_STRING_TABLE: number = tagOf(5, WIRE_BYTES);
export const PROFILES_DICTIONARY_ATTRIBUTE_TABLE: number = tagOf(6, WIRE_BYTES);
export const PROFILES_DICTIONARY_STACK_TABLE: number = tagOf(7, WIRE_BYTES);

export const RESOURCE_PROFILES_RESOURCE: number = tagOf(1, WIRE_BYTES);
export const RESOURCE_PROFILES_SCOPE_PROFILES: number = tagOf(2, WIRE_BYTES);
export const RESOURCE_PROFILES_SCHEMA_URL: number = tagOf(3, WIRE_BYTES);

export const SCOPE_PROFILES_SCOPE: number = tagOf(1, WIRE_BYTES);
export const SCOPE_PROFILES_PROFILES: number = tagOf(2, WIRE_BYTES);
export const SCOPE_PROFILES_SCHEMA_URL: number = tagOf(3, WIRE_BYTES);

export const PROFILE_SAMPLE_TYPE: number = tagOf(1, WIRE_BYTES);
export const PROFILE_SAMPLES: number = tagOf(2, WIRE_BYTES);
export const PROFILE_TIME_UNIX_NANO: number = tagOf(3, WIRE_FIXED64);
export const PROFILE_DURATION_NANO: number = tagOf(4, WIRE_VARINT);
export const PROFILE_PERIOD_TYPE: number = tagOf(5, WIRE_BYTES);
export const PROFILE_PERIOD: number = tagOf(6, WIRE_VARINT);
export const PROFILE_PROFILE_ID: number = tagOf(7, WIRE_BYTES);
export const PROFILE_DROPPED_ATTRIBUTES_COUNT: number = tagOf(8, WIRE_VARINT);
export const PROFILE_ORIGINAL_PAYLOAD_FORMAT: number = tagOf(9, WIRE_BYTES);
export const PROFILE_ORIGINAL_PAYLOAD: number = tagOf(10, WIRE_BYTES);
export const PROFILE_ATTRIBUTE_INDICES: number = tagOf(11, WIRE_BYTES);

export const SAMPLE_STACK_INDEX: number = tagOf(1, WIRE_VARINT);
export const SAMPLE_ATTRIBUTE_INDICES: number = tagOf(2, WIRE_BYTES);
export const SAMPLE_LINK_INDEX: number = tagOf(3, WIRE_VARINT);
export const SAMPLE_VALUES: number = tagOf(4, WIRE_BYTES);
export const SAMPLE_TIMESTAMPS_UNIX_NANO: number = tagOf(5, WIRE_BYTES);

export const LINK_TRACE_ID: number = tagOf(1, WIRE_BYTES);
export const LINK_SPAN_ID: number = tagOf(2, WIRE_BYTES);

export const VALUE_TYPE_TYPE_STRINDEX: number = tagOf(1, WIRE_VARINT);
export const VALUE_TYPE_UNIT_STRINDEX: number = tagOf(2, WIRE_VARINT);

export const STACK_LOCATION_INDICES: number = tagOf(1, WIRE_BYTES);

export const LOCATION_MAPPING_INDEX: number = tagOf(1, WIRE_VARINT);
export const LOCATION_ADDRESS: number = tagOf(2, WIRE_VARINT);
export const LOCATION_LINES: number = tagOf(3, WIRE_BYTES);
export const LOCATION_ATTRIBUTE_INDICES: number = tagOf(4, WIRE_BYTES);

export const LINE_FUNCTION_INDEX: number = tagOf(1, WIRE_VARINT);
export const LINE_LINE: number = tagOf(2, WIRE_VARINT);
export const LINE_COLUMN: number = tagOf(3, WIRE_VARINT);

export const FUNCTION_NAME_STRINDEX: number = tagOf(1, WIRE_VARINT);
export const FUNCTION_SYSTEM_NAME_STRINDEX: number = tagOf(2, WIRE_VARINT);
export const FUNCTION_FILENAME_STRINDEX: number = tagOf(3, WIRE_VARINT);
export const FUNCTION_START_LINE: number = tagOf(4, WIRE_VARINT);

export const MAPPING_MEMORY_START: number = tagOf(1, WIRE_VARINT);
/** Where the mapping ends in memory; a field like all others here. */
export const MAPPING_MEMORY_LIMIT: number = tagOf(2, WIRE_VARINT);
export const MAPPING_FILE_OFFSET: number = tagOf(3, WIRE_VARINT);
export const MAPPING_FILENAME_STRINDEX: number = tagOf(4, WIRE_VARINT);
export const MAPPING_ATTRIBUTE_INDICES: number = tagOf(5, WIRE_BYTES);

export const KEY_VALUE_AND_UNIT_KEY_STRINDEX: number = tagOf(1, WIRE_VARINT);
export const KEY_VALUE_AND_UNIT_VALUE: number = tagOf(2, WIRE_BYTES);
export const KEY_VALUE_AND_UNIT_UNIT_STRINDEX: number = tagOf(3, WIRE_VARINT);

export const ANY_VALUE_STRING_VALUE: number = tagOf(1, WIRE_BYTES);
export const ANY_VALUE_BOOL_VALUE: number = tagOf(2, WIRE_VARINT);
export const ANY_VALUE_INT_VALUE: number = tagOf(3, WIRE_VARINT);
export const ANY_VALUE_DOUBLE_VALUE: number = tagOf(4, WIRE_FIXED64);
export const ANY_VALUE_ARRAY_VALUE: number = tagOf(5, WIRE_BYTES);
export const ANY_VALUE_KVLIST_VALUE: number = tagOf(6, WIRE_BYTES);
export const ANY_VALUE_BYTES_VALUE: number = tagOf(7, WIRE_BYTES);
export const ANY_VALUE_STRING_VALUE_STRINDEX: number = tagOf(8, WIRE_VARINT);

export const KEY_VALUE_KEY: number = tagOf(1, WIRE_BYTES);
export const KEY_VALUE_VALUE: number = tagOf(2, WIRE_BYTES);
export const KEY_VALUE_KEY_STRINDEX: number = tagOf(3, WIRE_VARINT);

export const INSTRUMENTATION_SCOPE_NAME: number = tagOf(1, WIRE_BYTES);
export const INSTRUMENTATION_SCOPE_VERSION: number = tagOf(2, WIRE_BYTES);
export const INSTRUMENTATION_SCOPE_ATTRIBUTES: number = tagOf(3, WIRE_BYTES);
export const INSTRUMENTATION_SCOPE_DROPPED_ATTRIBUTES_COUNT: number = tagOf(4, WIRE_VARINT);

export const RESOURCE_ATTRIBUTES: number = tagOf(1, WIRE_BYTES);
export const RESOURCE_DROPPED_ATTRIBUTES_COUNT: number = tagOf(2, WIRE_VARINT);
export const RESOURCE_ENTITY_REFS: number = tagOf(3, WIRE_BYTES);

/** Repeated scalars are packed; readers must take them one by one as well. */
export const SAMPLE_ATTRIBUTE_INDICES_UNPACKED: number = tagOf(2, WIRE_VARINT);
export const SAMPLE_VALUES_UNPACKED: number = tagOf(4, WIRE_VARINT);
export const SAMPLE_TIMESTAMPS_UNIX_NANO_UNPACKED: number = tagOf(5, WIRE_FIXED64);
export const STACK_LOCATION_INDICES_UNPACKED: number = tagOf(1, WIRE_VARINT);
export const LOCATION_ATTRIBUTE_INDICES_UNPACKED: number = tagOf(4, WIRE_VARINT);
export const MAPPING_ATTRIBUTE_INDICES_UNPACKED: number = tagOf(5, WIRE_VARINT);
export const PROFILE_ATTRIBUTE_INDICES_UNPACKED: number = tagOf(11, WIRE_VARINT);

/** ArrayValue.values and KeyValueList.values alike. */
export const LIST_VALUES: number = tagOf(1, WIRE_BYTES);
