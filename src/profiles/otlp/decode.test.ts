import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCollectorError } from "../../support/errors.ts";
import { FILE_LIMITS, NETWORK_LIMITS, type ProfileLimits } from "../../support/limits.ts";
import { tagOf, WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT } from "../protobuf/reader.ts";
import { ProtoWriter } from "../protobuf/writer.ts";
import { resolvedSamples } from "../resolved.ts";
import { messageWith, type PlainMessage, profileOf } from "../testing/otlp-message.ts";
import { decodeOtlp } from "./decode.ts";
import { OWNERS_MAX } from "./input.ts";

describe("OTLP indices [S3]", () => {
  const places: readonly {
    name: string;
    rows: number;
    set: (m: PlainMessage, i: number) => void;
  }[] = [
    { name: "Sample.stack_index", rows: 2, set: (m, i) => (sampleOf(m).stackIndex = i) },
    { name: "Sample.link_index", rows: 2, set: (m, i) => (sampleOf(m).linkIndex = i) },
    {
      name: "Sample.attribute_indices",
      rows: 3,
      set: (m, i) => (sampleOf(m).attributeIndices = [i]),
    },
    {
      name: "Profile.attribute_indices",
      rows: 3,
      set: (m, i) => (profileOf(m).attributeIndices = [i]),
    },
    {
      name: "ValueType.type_strindex",
      rows: 7,
      set: (m, i) => (profileOf(m).sampleType.typeStrindex = i),
    },
    {
      name: "ValueType.unit_strindex",
      rows: 7,
      set: (m, i) => (profileOf(m).periodType.unitStrindex = i),
    },
    {
      name: "Stack.location_indices",
      rows: 3,
      set: (m, i) => (tables(m).stackTable[1].locationIndices[1] = i),
    },
    {
      name: "Location.mapping_index",
      rows: 2,
      set: (m, i) => (tables(m).locationTable[2].mappingIndex = i),
    },
    {
      name: "Location.attribute_indices",
      rows: 3,
      set: (m, i) => (tables(m).locationTable[2].attributeIndices = [i]),
    },
    {
      name: "Line.function_index",
      rows: 2,
      set: (m, i) => (tables(m).locationTable[1].lines[0].functionIndex = i),
    },
    {
      name: "Function.name_strindex",
      rows: 7,
      set: (m, i) => (tables(m).functionTable[1].nameStrindex = i),
    },
    {
      name: "Function.system_name_strindex",
      rows: 7,
      set: (m, i) => (tables(m).functionTable[1].systemNameStrindex = i),
    },
    {
      name: "Function.filename_strindex",
      rows: 7,
      set: (m, i) => (tables(m).functionTable[1].filenameStrindex = i),
    },
    {
      name: "Mapping.filename_strindex",
      rows: 7,
      set: (m, i) => (tables(m).mappingTable[1].filenameStrindex = i),
    },
    {
      name: "Mapping.attribute_indices",
      rows: 3,
      set: (m, i) => (tables(m).mappingTable[1].attributeIndices = [i]),
    },
    {
      name: "KeyValueAndUnit.key_strindex",
      rows: 7,
      set: (m, i) => (tables(m).attributeTable[1].keyStrindex = i),
    },
    {
      name: "KeyValueAndUnit.unit_strindex",
      rows: 7,
      set: (m, i) => (tables(m).attributeTable[1].unitStrindex = i),
    },
    {
      name: "KeyValue.key_strindex",
      rows: 7,
      set: (m, i) => (attributesOf(m)[0] = { keyStrindex: i }),
    },
    {
      name: "AnyValue.string_value_strindex",
      rows: 7,
      set: (m, i) => (attributesOf(m)[0].value = { stringValueStrindex: i }),
    },
  ];
  for (const { name, rows, set } of places) {
    for (const index of [-1, rows, 2 ** 31]) {
      it(`refuses ${name} ${index}`, () => {
        const bytes = messageWith((message) => set(message, index | 0));
        assertMalformed(bytes, new RegExp(`${name} ${index | 0} is not one of ${rows} table rows`));
      });
    }
    it(`takes ${name} ${rows - 1}`, () => {
      decodeOtlp(
        messageWith((message) => set(message, rows - 1)),
        FILE_LIMITS,
      );
    });
  }

  const tableNames = ["mapping", "location", "function", "link", "attribute", "stack"] as const;
  const notZero: Readonly<Record<(typeof tableNames)[number], PlainMessage>> = {
    mapping: { memoryStart: 1 },
    location: { address: 1 },
    function: { startLine: 1 },
    link: { spanId: new Uint8Array(8).fill(1) },
    attribute: { value: { boolValue: false } },
    stack: { locationIndices: [0] },
  };
  for (const table of tableNames) {
    it(`refuses a ${table}_table whose row 0 is not the zero value`, () => {
      const bytes = messageWith((message) => {
        tables(message)[`${table}Table`][0] = notZero[table];
      });
      assertMalformed(bytes, new RegExp(`row 0 of ${table}_table is not the zero value`));
    });
    it(`refuses a message without a ${table}_table`, () => {
      const bytes = messageWith((message) => {
        message.resourceProfiles[0].scopeProfiles[0].profiles = [{}];
        for (const name of tableNames) tables(message)[`${name}Table`] = [{}];
        tables(message)[`${table}Table`] = [];
      });
      assertMalformed(bytes, new RegExp(`${table}_table lacks its row 0`));
    });
  }

  it("refuses a string_table whose row 0 is not empty", () => {
    const bytes = messageWith((message) => (tables(message).stringTable[0] = "x"));
    assertMalformed(bytes, /row 0 of string_table is not the zero value/);
  });

  it("refuses profiles without any dictionary", () => {
    const bytes = messageWith((message) => {
      message.dictionary = undefined;
      message.resourceProfiles[0].scopeProfiles[0].profiles = [{}];
    });
    assertMalformed(bytes, /has profiles and no dictionary/);
  });

  it("takes a resource without profiles and without a dictionary", () => {
    const bytes = messageWith((message) => {
      message.dictionary = undefined;
      message.resourceProfiles[0].scopeProfiles = [];
    });
    assert.equal(decodeOtlp(bytes, FILE_LIMITS).resourceProfiles.length, 1);
  });
});

describe("OTLP sample shapes and values", () => {
  const refused: readonly { name: string; samples: PlainMessage[]; error: RegExp }[] = [
    { name: "nothing", samples: [{}], error: /0 values and 0 timestamps/ },
    { name: "two values", samples: [{ values: [1, 2] }], error: /2 values and 0 timestamps/ },
    {
      name: "two values with one timestamp",
      samples: [{ values: [1, 2], timestampsUnixNano: [1] }],
      error: /2 values and 1 timestamps/,
    },
    {
      name: "one value after timestamps",
      samples: [{ timestampsUnixNano: [1] }, { values: [1] }],
      error: /1 values and 0 timestamps in a Profile of the shape "timestamps"/,
    },
    {
      name: "timestamps after a value",
      samples: [{ values: [1] }, { timestampsUnixNano: [1] }],
      error: /0 values and 1 timestamps in a Profile of the shape "values"/,
    },
    {
      name: "a value above 2^53",
      samples: [{ values: ["9007199254740992"] }],
      error: /Sample.values 9007199254740992 is beyond 2\^53/,
    },
    {
      name: "a sum above 2^53",
      samples: [{ values: ["9007199254740991", 1], timestampsUnixNano: [1, 2] }],
      error: /sum to more than 2\^53/,
    },
  ];
  for (const { name, samples, error } of refused) {
    it(`refuses a sample of ${name}`, () => {
      assertMalformed(
        messageWith((message) => (profileOf(message).samples = samples)),
        error,
      );
    });
  }

  it("takes each of the three shapes", () => {
    const shapes = [
      { values: [-5] },
      { timestampsUnixNano: [1, 2] },
      { values: [3, 4], timestampsUnixNano: [1, 2] },
    ].map((sample) => {
      const bytes = messageWith((message) => (profileOf(message).samples = [sample]));
      const [first] = resolvedSamples(decodeOtlp(bytes, FILE_LIMITS));
      return [first?.value, first?.timestamps.length];
    });
    assert.deepEqual(shapes, [
      [-5, 0],
      [2, 2],
      [7, 2],
    ]);
  });

  const ids: readonly { name: string; change: (message: PlainMessage) => void }[] = [
    { name: "trace_id", change: (m) => (tables(m).linkTable[1].traceId = new Uint8Array(15)) },
    { name: "span_id", change: (m) => (tables(m).linkTable[1].spanId = new Uint8Array(16)) },
    { name: "profile_id", change: (m) => (profileOf(m).profileId = new Uint8Array(8)) },
  ];
  for (const { name, change } of ids) {
    it(`refuses a ${name} of a wrong length`, () => {
      assertMalformed(messageWith(change), new RegExp(`${name} has \\d+ bytes instead of`));
    });
  }
});

describe("OTLP wire forms", () => {
  it("resolves references to strings at any depth", () => {
    const nested = (item: PlainMessage): PlainMessage => ({ arrayValue: { values: [item] } });
    const attributes = (key: PlainMessage, leaf: PlainMessage): PlainMessage[] => [
      { ...key, value: leaf },
      { ...key, value: nested({ kvlistValue: { values: [{ ...key, value: nested(leaf) }] } }) },
    ];
    const given = messageWith((message) => {
      const list = attributes({ keyStrindex: 4 }, { stringValueStrindex: 3 });
      message.resourceProfiles[0].resource.attributes = list;
      message.resourceProfiles[0].scopeProfiles[0].scope.attributes = list;
      tables(message).attributeTable[1].value = nested({ stringValueStrindex: 3 });
    });
    const plain = messageWith((message) => {
      const list = attributes({ key: "thread.name" }, { stringValue: "main" });
      message.resourceProfiles[0].resource.attributes = list;
      message.resourceProfiles[0].scopeProfiles[0].scope.attributes = list;
      tables(message).attributeTable[1].value = nested({ stringValue: "main" });
    });
    assertSame(given, plain);
  });

  it("refuses a key given both ways", () => {
    const bytes = messageWith((message) => (attributesOf(message)[0].keyStrindex = 1));
    assertMalformed(bytes, /both a key and a key_strindex/);
  });

  it("takes the dictionary first, last, and in pieces", () => {
    const whole = messageWith();
    const resources = messageWith((message) => (message.dictionary = {}));
    const pieces = ["string", "mapping", "location", "function", "link", "attribute", "stack"].map(
      (kept) =>
        messageWith((message) => {
          message.resourceProfiles = [];
          for (const table of Object.keys(tables(message))) {
            if (table !== `${kept}Table`) tables(message)[table] = [];
          }
        }),
    );
    assertSame(Buffer.concat([resources, ...pieces]), whole);
    assertSame(Buffer.concat([...pieces.reverse(), resources]), whole);
  });

  it("takes repeated scalars that are not packed", () => {
    const writer = new ProtoWriter();
    nest(writer, [1, 2, 2, 2], () => {
      writer.int32Field(tagOf(1, WIRE_VARINT), 1);
      writer.int32Field(tagOf(2, WIRE_VARINT), 1);
      writer.int32Field(tagOf(2, WIRE_VARINT), 2);
      writer.int64Field(tagOf(4, WIRE_VARINT), 9);
      writer.fixed64BigIntField(tagOf(5, WIRE_FIXED64), 77n);
    });
    nest(writer, [2, 7], () => {});
    nest(writer, [2, 7], () => writer.int32Field(tagOf(1, WIRE_VARINT), 2));
    const bare = messageWith((message) => {
      message.resourceProfiles = [];
      tables(message).stackTable = [];
    });
    const [sample] = resolvedSamples(
      decodeOtlp(Buffer.concat([writer.finish(), bare]), FILE_LIMITS),
    );
    assert.equal(sample?.value, 9);
    assert.equal(sample?.attributes.length, 2);
    assert.equal(sample?.stack.length, 1);
    assert.deepEqual(sample?.timestamps, ["00000000000000000077=9"]);
  });

  it("ignores unknown fields and drops entity references", () => {
    const writer = new ProtoWriter();
    writer.stringField(tagOf(99, WIRE_BYTES), "later");
    nest(writer, [1, 1, 3], () => writer.stringField(tagOf(1, WIRE_BYTES), "schema"));
    const batch = decodeOtlp(Buffer.concat([writer.finish(), messageWith()]), FILE_LIMITS);
    assert.equal(batch.sampleCount, 1);
  });

  it("refuses a known field of another wire type", () => {
    const writer = new ProtoWriter();
    nest(writer, [1, 1], () => writer.stringField(tagOf(2, WIRE_BYTES), "x"));
    assertMalformed(writer.finish(), /field 2 of Resource has wire type 2/);
  });

  it("merges a message that is given twice", () => {
    const writer = new ProtoWriter();
    for (const key of ["a", "b"]) {
      nest(writer, [1], () => {});
      nest(writer, [1, 1, 1], () => writer.stringField(tagOf(1, WIRE_BYTES), key));
    }
    assert.equal(decodeOtlp(writer.finish(), FILE_LIMITS).resourceProfiles.length, 4);
    const twice = new ProtoWriter();
    nest(twice, [1], () => {
      for (const key of ["a", "b"]) {
        nest(twice, [1, 1], () => twice.stringField(tagOf(1, WIRE_BYTES), key));
      }
    });
    const [owner] = decodeOtlp(twice.finish(), FILE_LIMITS).resourceProfiles;
    assert.deepEqual(
      owner?.resource.attributes.map(({ key }) => key),
      ["a", "b"],
    );
  });
});

describe("OTLP limits [S2]", () => {
  const cases: readonly {
    limit: keyof ProfileLimits;
    value: number;
    fill: (message: PlainMessage, count: number) => void;
  }[] = [
    {
      limit: "samplesMax",
      value: 5,
      fill: (m, count) => (profileOf(m).samples = Array(count).fill(sampleOf(m))),
    },
    {
      limit: "stackDepthMax",
      value: 20,
      fill: (m, count) => (tables(m).stackTable[1].locationIndices = Array(count).fill(1)),
    },
    {
      limit: "stackDepthMax",
      value: 20,
      fill: (m, count) => (tables(m).locationTable[1].lines = Array(count).fill({})),
    },
    {
      limit: "stringBytesMax",
      value: 50,
      fill: (m, count) => tables(m).stringTable.push("x".repeat(count)),
    },
    {
      limit: "stringBytesMax",
      value: 50,
      fill: (m, count) => (attributesOf(m)[0].value = { stringValue: "x".repeat(count) }),
    },
    {
      limit: "tableRowsMax",
      value: 30,
      fill: (m, count) => (tables(m).linkTable = Array(count).fill({})),
    },
    {
      limit: "attributesMax",
      value: 6,
      fill: (m, count) => (sampleOf(m).attributeIndices = Array(count).fill(1)),
    },
    {
      limit: "attributesMax",
      value: 6,
      fill: (m, count) => {
        m.resourceProfiles[0].resource.attributes = Array(count).fill({ key: "k" });
      },
    },
    {
      limit: "nestingMax",
      value: 10,
      fill: (m, count) => {
        let value: PlainMessage = {};
        for (let i = 1; i < count; i++) value = { arrayValue: { values: [value] } };
        attributesOf(m)[0].value = value;
      },
    },
  ];
  for (const { limit, value, fill } of cases) {
    it(`holds ${limit}: ${fill.toString().replace(/\s+/g, " ").slice(0, 70)}`, () => {
      // Links to rows that a case replaces would be out of range.
      const filled = (count: number): Uint8Array =>
        messageWith((message) => {
          sampleOf(message).linkIndex = 0;
          fill(message, count);
        });
      const limits = { ...NETWORK_LIMITS, [limit]: value };
      decodeOtlp(filled(value - 1), limits);
      decodeOtlp(filled(value), limits);
      assert.throws(
        () => decodeOtlp(filled(value + 1), limits),
        (error) =>
          isCollectorError(error, "LIMIT_EXCEEDED") &&
          error.message.includes(`${value + 1} is over the limit of ${value}`),
      );
    });
  }

  it("holds inflatedBytesMax", () => {
    const bytes = messageWith();
    const limits = (inflatedBytesMax: number): ProfileLimits => ({
      ...FILE_LIMITS,
      inflatedBytesMax,
    });
    decodeOtlp(bytes, limits(bytes.length));
    assert.throws(() => decodeOtlp(bytes, limits(bytes.length - 1)), /bytes: .* over the limit/);
  });

  it("holds OWNERS_MAX, whose members cost two bytes on the wire", () => {
    const bytes = (count: number): Uint8Array =>
      new Uint8Array(2 * count).map((_, i) => (i % 2 === 0 ? 0x0a : 0));
    decodeOtlp(bytes(OWNERS_MAX), FILE_LIMITS);
    assert.throws(() => decodeOtlp(bytes(OWNERS_MAX + 1), FILE_LIMITS), /over the limit of/);
  });
});

describe("OTLP floods [S4]", () => {
  const REPEATS = 2_000_000;
  /** Fields of no length, two bytes each: what a message that is given again and again costs. */
  const floods: readonly { name: string; path: readonly number[]; fieldNumber: number }[] = [
    { name: "resource again and again", path: [1], fieldNumber: 1 },
    { name: "array value again and again", path: [1, 1, 1, 2], fieldNumber: 5 },
    { name: "unknown fields", path: [1, 1], fieldNumber: 15 },
    { name: "samples", path: [1, 2, 2], fieldNumber: 2 },
    { name: "profiles", path: [1, 2], fieldNumber: 2 },
    { name: "locations", path: [2], fieldNumber: 2 },
  ];
  for (const { name, path, fieldNumber } of floods) {
    it(`ends within a second: ${name}`, () => {
      const writer = new ProtoWriter();
      nest(writer, path, () => {
        for (let i = 0; i < REPEATS; i++) {
          writer.tag(tagOf(fieldNumber, WIRE_BYTES));
          writer.uint32(0);
        }
      });
      const start = process.hrtime.bigint();
      try {
        decodeOtlp(writer.finish(), NETWORK_LIMITS);
      } catch (error) {
        assert.ok(isCollectorError(error, "INPUT_MALFORMED", "LIMIT_EXCEEDED"));
      }
      assert.ok(process.hrtime.bigint() - start < 1_000_000_000n);
    });
  }
});

function assertMalformed(bytes: Uint8Array, message: RegExp): void {
  assert.throws(
    () => decodeOtlp(bytes, FILE_LIMITS),
    (error) => {
      assert.ok(isCollectorError(error, "INPUT_MALFORMED"), String(error));
      assert.match(error.message, message);
      return true;
    },
  );
}

function assertSame(given: Uint8Array, expected: Uint8Array): void {
  const samples = resolvedSamples(decodeOtlp(given, FILE_LIMITS));
  assert.ok(samples.length > 0);
  assert.deepEqual(samples, resolvedSamples(decodeOtlp(expected, FILE_LIMITS)));
}

function nest(writer: ProtoWriter, path: readonly number[], write: () => void): void {
  const [first, ...rest] = path;
  if (first === undefined) {
    write();
    return;
  }
  writer.tag(tagOf(first, WIRE_BYTES));
  const start = writer.begin();
  nest(writer, rest, write);
  writer.end(start);
}

function tables(message: PlainMessage): PlainMessage {
  return message.dictionary;
}

function sampleOf(message: PlainMessage): PlainMessage {
  return profileOf(message).samples[0];
}

function attributesOf(message: PlainMessage): PlainMessage {
  return message.resourceProfiles[0].resource.attributes;
}
