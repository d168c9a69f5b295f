import assert from "node:assert/strict";
import { describe, it } from "node:test";
import protobuf from "protobufjs";
import { isCollectorError } from "../../support/errors.ts";
import { FILE_LIMITS } from "../../support/limits.ts";
import { genuinePayloads } from "../testing/genuine-payloads.ts";
import { messageWith, type PlainMessage, profileOf } from "../testing/otlp-message.ts";
import { decodeOtlp } from "./decode.ts";

/** The messages of before 1.10, as far as they differ, from the .proto files of their releases. */
const OLD_SAMPLES = `
  message Sample18 {
    int32 stack_index = 1; repeated int64 values = 2; repeated int32 attribute_indices = 3;
    int32 link_index = 4; repeated fixed64 timestamps_unix_nano = 5;
  }
  message Sample17 {
    int32 locations_start_index = 1; int32 locations_length = 2; repeated int64 value = 3;
    repeated int32 attribute_indices = 4; optional int32 link_index = 5;
    repeated uint64 timestamps_unix_nano = 6;
  }`;
const COMMON = `syntax = "proto3";
  message ValueType { int32 type_strindex = 1; int32 unit_strindex = 2; }
  message Zero {}
  message KeyValue { string key = 1; Zero value = 2; }
  message KeyValueAndUnit { int32 key_strindex = 1; Zero value = 2; }
  message Stack { repeated int32 location_indices = 1; }
  message Mapping { uint64 memory_start = 1; }
  message Location { int32 mapping_index = 1; }
  message Function { int32 name_strindex = 1; }
  message ScopeProfiles { repeated Profile profiles = 2; }
  message ResourceProfiles { repeated ScopeProfiles scope_profiles = 2; }
  ${OLD_SAMPLES}`;
const DATA = `message ProfilesData {
    repeated ResourceProfiles resource_profiles = 1; Dictionary dictionary = 2;
  }`;
const DICTIONARY_18 = `message Dictionary {
    repeated Mapping mapping_table = 1; repeated Location location_table = 2;
    repeated Function function_table = 3; repeated Zero link_table = 4;
    repeated string string_table = 5; repeated KeyValueAndUnit attribute_table = 6;
    repeated Stack stack_table = 7;
  }`;

const schemas: Readonly<Record<string, string>> = {
  "1.5": `message ProfilesData { repeated ResourceProfiles resource_profiles = 1; }
    message Profile {
      repeated ValueType sample_type = 1; repeated Sample17 sample = 2;
      repeated Mapping mapping_table = 3; repeated Location location_table = 4;
      repeated int32 location_indices = 5; repeated Function function_table = 6;
      repeated string string_table = 10; int64 time_nanos = 11;
    }`,
  "1.6": `message ProfilesData {
      repeated ResourceProfiles resource_profiles = 1; repeated Mapping mapping_table = 2;
      repeated Location location_table = 3; repeated Function function_table = 4;
      repeated string string_table = 6;
    }
    message Profile {
      repeated ValueType sample_type = 1; repeated Sample17 sample = 2;
      repeated int32 location_indices = 3; int64 time_nanos = 4;
    }`,
  "1.7": `${DATA}
    message Dictionary {
      repeated Mapping mapping_table = 1; repeated Location location_table = 2;
      repeated Function function_table = 3; repeated string string_table = 5;
      repeated KeyValue attribute_table = 6;
    }
    message Profile {
      repeated ValueType sample_type = 1; repeated Sample17 sample = 2;
      repeated int32 location_indices = 3; int64 time_nanos = 4; int64 duration_nanos = 5;
      ValueType period_type = 6; int64 period = 7;
    }`,
  "1.8": `${DATA} ${DICTIONARY_18}
    message Profile {
      ValueType sample_type = 1; repeated Sample18 sample = 2; fixed64 time_unix_nano = 3;
      uint64 duration_nano = 4; ValueType period_type = 5; int64 period = 6;
      repeated int32 comment_strindices = 7; bytes profile_id = 8;
    }`,
  "1.9": `${DATA} ${DICTIONARY_18}
    message Profile {
      ValueType sample_type = 1; repeated Sample18 sample = 2; fixed64 time_unix_nano = 3;
      uint64 duration_nano = 4; ValueType period_type = 5; int64 period = 6;
      bytes profile_id = 7;
    }`,
};

const tables = {
  mappingTable: [{}, { memoryStart: 4096 }],
  locationTable: [{}, { mappingIndex: 1 }],
  functionTable: [{}, { nameStrindex: 1 }],
  stringTable: ["", "cpu", "nanoseconds"],
};
const sample17 = { locationsStartIndex: 0, locationsLength: 1, value: [5] };
const sampleType = { typeStrindex: 1, unitStrindex: 2 };
const dictionary18 = {
  ...tables,
  linkTable: [{}],
  attributeTable: [{}, { keyStrindex: 1 }, { keyStrindex: 2 }],
  stackTable: [{}, { locationIndices: [1] }],
};

function dataOf(profile: PlainMessage): PlainMessage {
  return { resourceProfiles: [{ scopeProfiles: [{ profiles: [profile] }] }] };
}

const cases: readonly { version: string; name: string; message: PlainMessage }[] = [
  {
    version: "1.5",
    name: "tables in Profile",
    message: dataOf({ ...tables, sampleType: [sampleType], sample: [sample17] }),
  },
  {
    version: "1.6",
    name: "tables in ProfilesData",
    message: {
      ...dataOf({ sampleType: [sampleType], sample: [sample17], locationIndices: [1] }),
      ...tables,
    },
  },
  {
    version: "1.7",
    name: "location indices in Profile",
    message: {
      ...dataOf({ sampleType: [sampleType], sample: [sample17], locationIndices: [1] }),
      dictionary: tables,
    },
  },
  {
    version: "1.7",
    name: "a time and no samples",
    message: { ...dataOf({ timeNanos: 5, durationNanos: 7 }), dictionary: tables },
  },
  {
    version: "1.8",
    name: "comments",
    message: {
      ...dataOf({
        sampleType,
        commentStrindices: [1],
        profileId: new Uint8Array(16).fill(1),
        sample: [{ stackIndex: 1, values: [5], attributeIndices: [1] }],
      }),
      dictionary: dictionary18,
    },
  },
  ...[
    {
      name: "a value and attributes",
      sample: { stackIndex: 1, values: [5], attributeIndices: [1] },
    },
    { name: "a value alone", sample: { stackIndex: 1, values: [5] } },
    { name: "a small value alone", sample: { stackIndex: 1, values: [1] } },
    { name: "a value and a link", sample: { stackIndex: 1, values: [1], linkIndex: 1 } },
    {
      name: "timestamps and attributes",
      sample: { attributeIndices: [1], timestampsUnixNano: [1] },
    },
    {
      name: "timestamps and a link",
      sample: { linkIndex: 1, timestampsUnixNano: [1] },
    },
    {
      name: "values and timestamps",
      sample: { values: [1, 1, 1], timestampsUnixNano: [1, 2, 3] },
    },
    {
      name: "large values and timestamps",
      sample: { values: [5000, 6000], timestampsUnixNano: [1, 2] },
    },
  ].map(({ name, sample }) => ({
    version: "1.9",
    name,
    message: { ...dataOf({ sampleType, sample: [sample] }), dictionary: dictionary18 },
  })),
];

describe("OTLP layouts before 1.10", () => {
  for (const { version, name, message } of cases) {
    it(`refuses ${version} with ${name}, by name`, () => {
      const root = protobuf.parse(`${COMMON} ${schemas[version]}`).root;
      const type = root.lookupType("ProfilesData");
      const bytes = type.encode(type.fromObject(message)).finish();
      assert.throws(
        () => decodeOtlp(bytes, FILE_LIMITS),
        (error) => {
          assert.ok(isCollectorError(error, "INPUT_MALFORMED"));
          assert.match(error.message, new RegExp(`layout of opentelemetry-proto ${version}`));
          return true;
        },
      );
    });
  }

  const present: readonly { name: string; sample: PlainMessage }[] = [
    { name: "a value", sample: { values: [5] } },
    { name: "a value and attributes", sample: { values: [5], attributeIndices: [1] } },
    { name: "timestamps", sample: { timestampsUnixNano: [1, 2] } },
    {
      name: "an attribute for one timestamp",
      sample: { attributeIndices: [1], timestampsUnixNano: [1] },
    },
    {
      name: "as many attributes as timestamps",
      sample: { attributeIndices: [1, 2], timestampsUnixNano: [1, 2] },
    },
    { name: "a link", sample: { linkIndex: 1, timestampsUnixNano: [1] } },
  ];
  for (const { name, sample } of present) {
    it(`takes 1.10 with ${name}`, () => {
      const bytes = messageWith((message) => (profileOf(message).samples = [sample]));
      assert.equal(decodeOtlp(bytes, FILE_LIMITS).sampleCount, 1);
    });
  }

  it("does not blame the version for another fault", () => {
    for (const { bytes } of genuinePayloads) {
      assert.throws(
        () => decodeOtlp(bytes.subarray(0, bytes.length - 1), FILE_LIMITS),
        (error) => isCollectorError(error) && !error.message.includes("layout"),
      );
    }
  });
});
