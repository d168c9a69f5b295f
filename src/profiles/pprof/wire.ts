import { tagOf, WIRE_BYTES, WIRE_VARINT } from "../protobuf/reader.ts";

/**
 * The fields of pprof's profile.proto (package perftools.profiles):
 *
 *   Profile   1 sample_type (ValueType)*   2 sample*   3 mapping*   4 location*   5 function*
 *             6 string_table*   7 drop_frames   8 keep_frames   9 time_nanos
 *             10 duration_nanos   11 period_type   12 period   13 comment*
 *             14 default_sample_type   15 doc_url
 *   ValueType 1 type   2 unit
 *   Sample    1 location_id* (leaf first)   2 value*   3 label*
 *   Label     1 key   2 str   3 num   4 num_unit
 *   Mapping   1 id   2 memory_start   3 memory_limit   4 file_offset   5 filename
 *             6 build_id   7 has_functions   8 has_filenames   9 has_line_numbers
 *             10 has_inline_frames
 *   Location  1 id   2 mapping_id   3 address   4 line*   5 is_folded
 *   Line      1 function_id   2 line   3 column
 *   Function  1 id   2 name   3 system_name   4 filename   5 start_line
 *
 *             15001 note (string)*, this program's own: see notes.ts
 *
 * Texts are indices into string_table, whose first entry is "". Ids are any 64-bit numbers but
 * zero. Source: google/pprof, proto/profile.proto.
 */

const varint = (field: number): number => tagOf(field, WIRE_VARINT);
const bytes = (field: number): number => tagOf(field, WIRE_BYTES);

export const PROFILE_SAMPLE_TYPE: number = bytes(1);
export const PROFILE_SAMPLE: number = bytes(2);
export const PROFILE_MAPPING: number = bytes(3);
export const PROFILE_LOCATION: number = bytes(4);
export const PROFILE_FUNCTION: number = bytes(5);
export const PROFILE_STRING_TABLE: number = bytes(6);
export const PROFILE_DROP_FRAMES: number = varint(7);
export const PROFILE_KEEP_FRAMES: number = varint(8);
export const PROFILE_TIME_NANOS: number = varint(9);
export const PROFILE_DURATION_NANOS: number = varint(10);
export const PROFILE_PERIOD_TYPE: number = bytes(11);
export const PROFILE_PERIOD: number = varint(12);
export const PROFILE_COMMENT: number = varint(13);
export const PROFILE_COMMENT_PACKED: number = bytes(13);
export const PROFILE_DEFAULT_SAMPLE_TYPE: number = varint(14);
export const PROFILE_DOC_URL: number = varint(15);
/** Far beyond what pprof numbers one by one, and no number that Protobuf reserves. */
export const PROFILE_NOTE: number = bytes(15_001);

export const VALUE_TYPE_TYPE: number = varint(1);
export const VALUE_TYPE_UNIT: number = varint(2);

export const SAMPLE_LOCATION_ID: number = varint(1);
export const SAMPLE_LOCATION_ID_PACKED: number = bytes(1);
export const SAMPLE_VALUE: number = varint(2);
export const SAMPLE_VALUE_PACKED: number = bytes(2);
export const SAMPLE_LABEL: number = bytes(3);

export const LABEL_KEY: number = varint(1);
export const LABEL_STR: number = varint(2);
export const LABEL_NUM: number = varint(3);
export const LABEL_NUM_UNIT: number = varint(4);

export const MAPPING_ID: number = varint(1);
export const MAPPING_MEMORY_START: number = varint(2);
export const MAPPING_MEMORY_LIMIT: number = varint(3);
export const MAPPING_FILE_OFFSET: number = varint(4);
export const MAPPING_FILENAME: number = varint(5);
export const MAPPING_BUILD_ID: number = varint(6);
export const MAPPING_HAS_FUNCTIONS: number = varint(7);
export const MAPPING_HAS_FILENAMES: number = varint(8);
export const MAPPING_HAS_LINE_NUMBERS: number = varint(9);
export const MAPPING_HAS_INLINE_FRAMES: number = varint(10);

export const LOCATION_ID: number = varint(1);
export const LOCATION_MAPPING_ID: number = varint(2);
export const LOCATION_ADDRESS: number = varint(3);
export const LOCATION_LINE: number = bytes(4);
export const LOCATION_IS_FOLDED: number = varint(5);

export const LINE_FUNCTION_ID: number = varint(1);
export const LINE_LINE: number = varint(2);
export const LINE_COLUMN: number = varint(3);

export const FUNCTION_ID: number = varint(1);
export const FUNCTION_NAME: number = varint(2);
export const FUNCTION_SYSTEM_NAME: number = varint(3);
export const FUNCTION_FILENAME: number = varint(4);
export const FUNCTION_START_LINE: number = varint(5);
