import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isCollectorError } from "../../support/errors.ts";
import { FILE_LIMITS, NETWORK_LIMITS } from "../../support/limits.ts";
import type { ProfileBatch } from "../profile.ts";
import { resolvedSamples } from "../resolved.ts";
import { arbitraryBatch } from "../testing/arbitrary-batch.ts";
import { genuinePayloads } from "../testing/genuine-payloads.ts";
import { messageWith, type PlainMessage, smallMessage } from "../testing/otlp-message.ts";
import { decodeOtlp } from "./decode.ts";
import { encodeOtlp } from "./encode.ts";
import { decodeOtlpJson } from "./json-decode.ts";
import { encodeOtlpJson } from "./json-encode.ts";

describe("OTLP/JSON codec", () => {
  for (const { name, bytes } of genuinePayloads) {
    it(`carries ${name} unchanged`, () => {
      const batch = decodeOtlp(bytes, FILE_LIMITS);
      const read = decodeOtlpJson(encodeOtlpJson(batch), FILE_LIMITS);
      assert.deepEqual(encodeOtlp(read), encodeOtlp(batch));
    });
  }

  it("carries random batches unchanged", () => {
    fc.assert(
      fc.property(arbitraryBatch(), (batch) => {
        const read = decodeOtlpJson(encodeOtlpJson(batch), FILE_LIMITS);
        assert.deepEqual(resolvedSamples(read), resolvedSamples(batch));
        assert.deepEqual(encodeOtlp(read), encodeOtlp(batch));
      }),
    );
  });

  it("writes 64-bit integers as text, ids as hex, other bytes as base64", () => {
    const bytes = messageWith((message) => {
      const [{ scopeProfiles, resource }] = message.resourceProfiles;
      scopeProfiles[0].profiles[0].profileId = new Uint8Array(16).fill(0xfb);
      resource.attributes[0].value = { intValue: "-9223372036854775808" };
    });
    const json = JSON.parse(
      Buffer.from(encodeOtlpJson(decodeOtlp(bytes, FILE_LIMITS))).toString(),
    ) as PlainMessage;
    const [{ scopeProfiles, resource }] = json.resourceProfiles;
    const [profile] = scopeProfiles[0].profiles;
    assert.equal(profile.profileId, "+/v7+/v7+/v7+/v7+/v7+w==");
    assert.equal(profile.timeUnixNano, "1000");
    assert.equal(profile.period, "10");
    assert.deepEqual(profile.samples[0], {
      stackIndex: 1,
      attributeIndices: [1],
      linkIndex: 1,
      values: ["30"],
    });
    assert.equal(json.dictionary.linkTable[1].traceId, "01".repeat(16));
    assert.equal(json.dictionary.linkTable[0].spanId, "00".repeat(8));
    assert.deepEqual(resource.attributes[0].value, { intValue: "-9223372036854775808" });
  });

  const forms: readonly { name: string; a: string; b: string }[] = [
    {
      name: "numbers and text for 64-bit integers",
      a: '"timeUnixNano":1000',
      b: '"timeUnixNano":"1000"',
    },
    { name: "numbers with an exponent", a: '"period":10', b: '"period":1e1' },
    { name: "null as absent", a: '"period":10', b: '"period":10,"profileId":null' },
    { name: "unknown names", a: '"period":10', b: '"period":10,"later":{"x":[{}]}' },
    {
      name: "prototype names",
      a: '"period":10',
      b: '"__proto__":{"period":7},"period":10,"constructor":1',
    },
    { name: "ids in capitals", a: "abababab", b: "ABABABAB" },
    {
      name: "base64 for URLs without padding",
      a: '"+/v7+/v7+/v7+/v7+/v7+w=="',
      b: '"-_v7-_v7-_v7-_v7-_v7-w"',
    },
  ];
  for (const { name, a, b } of forms) {
    it(`takes ${name}`, () => {
      const text = jsonText();
      assert.ok(text.includes(a), `${a} is in ${text}`);
      const expected = encodeOtlp(read(text));
      assert.deepEqual(encodeOtlp(read(text.replaceAll(a, b))), expected);
    });
  }

  it("keeps the digits of an address above 2^53 that is given as a number", () => {
    const text = jsonText().replace('"address":"4100"', '"address":18446744071562067971');
    assert.equal(read(text).dictionary.locations.address.bigint(1), 18446744071562067971n);
  });

  it("does not take the layout for an old one, since names tell", () => {
    const text = jsonText().replace(
      '"attributeIndices":[1],"linkIndex":1,"values":["30"]',
      '"attributeIndices":[1,1],"timestampsUnixNano":["1","2"]',
    );
    assert.equal(read(text).sampleCount, 1);
  });
});

describe("OTLP/JSON faults", () => {
  const cases: readonly { name: string; change: [string, string]; error: RegExp }[] = [
    { name: "no JSON", change: ["{", "{{"], error: /at byte 1: not JSON: a name in quotes/ },
    {
      name: "a list for an object",
      change: ['"resource":{', '"resource":[],"x":{'],
      error: /at resourceProfiles\[0\].resource: an object/,
    },
    {
      name: "an object for a list",
      change: ['"values":["30"]', '"values":{}'],
      error: /samples\[0\].values: a list/,
    },
    {
      name: "null in a list",
      change: ['"values":["30"]', '"values":[null]'],
      error: /values\[0\]: a string/,
    },
    { name: "a fraction", change: ['"period":10', '"period":10.5'], error: /period: an integer/ },
    { name: "no digits", change: ['"period":10', '"period":"ten"'], error: /period: an integer/ },
    {
      name: "a hexadecimal number",
      change: ['"period":10', '"period":"0x10"'],
      error: /period: an integer/,
    },
    {
      name: "2^63",
      change: ['"period":10', '"period":9223372036854775808'],
      error: /period: 9223372036854775808 is out of range/,
    },
    {
      name: "a huge number",
      change: ['"period":10', '"period":1e300'],
      error: /period: an integer is expected/,
    },
    {
      name: "a value above 2^53",
      change: ['"values":["30"]', '"values":["9007199254740993"]'],
      error: /Sample.values 9007199254740993 is beyond/,
    },
    {
      name: "an index of 2^31",
      change: ['"stackIndex":1', '"stackIndex":2147483648'],
      error: /stackIndex: 2147483648 is out of range/,
    },
    {
      name: "an index out of range",
      change: ['"stackIndex":1', '"stackIndex":9'],
      error: /^OTLP\/JSON profiles: Sample.stack_index 9 is not one of/,
    },
    {
      name: "an id that is not hex",
      change: ["abababab", "zzzzzzzz"],
      error: /traceId: hexadecimal/,
    },
    { name: "bytes that are not base64", change: ["+/v7", "!!!!"], error: /profileId: base64/ },
    {
      name: "two values at once",
      change: ['"stringValue":"shop"', '"stringValue":"shop","boolValue":true'],
      error: /boolValue: stringValue is given already/,
    },
    {
      name: "samples of 1.8",
      change: ['"samples":', '"sample":'],
      error: /"sample" is a name of opentelemetry-proto 1.8/,
    },
    {
      name: "lines of 1.8",
      change: ['"lines":', '"line":'],
      error: /"line" is a name of opentelemetry-proto 1.8/,
    },
    {
      name: "times of 1.7",
      change: ['"timeUnixNano":', '"timeNanos":'],
      error: /opentelemetry-proto 1.7/,
    },
  ];
  for (const { name, change, error } of cases) {
    it(`refuses ${name}`, () => {
      const text = jsonText();
      assert.ok(text.includes(change[0]), `${change[0]} is in ${text}`);
      assert.throws(
        () => read(text.replace(change[0], change[1])),
        (thrown) => {
          assert.ok(isCollectorError(thrown, "INPUT_MALFORMED"), String(thrown));
          assert.match(thrown.message, error);
          return true;
        },
      );
    });
  }

  it("bounds nesting, of values and of what is ignored [S2]", () => {
    const nested = (count: number): Uint8Array =>
      Buffer.from(`{"x":${"[".repeat(count)}${"]".repeat(count)}}`);
    const limits = { ...NETWORK_LIMITS, nestingMax: 5 };
    decodeOtlpJson(nested(39), limits);
    for (const count of [40, 1_000_000]) {
      assert.throws(() => decodeOtlpJson(nested(count), limits), /depth of nesting: 41 is over/);
    }
  });

  it("ignores brackets in strings for the depth", () => {
    read(`{"x":"${"[".repeat(10_000)}\\"${"{".repeat(10_000)}"}`);
  });

  it("bounds the bytes [S2]", () => {
    const bytes = Buffer.from(jsonText());
    const limits = { ...NETWORK_LIMITS, inflatedBytesMax: bytes.length };
    decodeOtlpJson(bytes, limits);
    assert.throws(
      () => decodeOtlpJson(bytes, { ...limits, inflatedBytesMax: bytes.length - 1 }),
      (error) => isCollectorError(error, "LIMIT_EXCEEDED"),
    );
  });
});

function read(text: string): ProfileBatch {
  return decodeOtlpJson(Buffer.from(text), FILE_LIMITS);
}

/** The small message as OTLP/JSON, some integers as numbers. */
function jsonText(): string {
  const message = smallMessage();
  const [{ scopeProfiles }] = message.resourceProfiles;
  const [profile] = scopeProfiles[0].profiles;
  profile.profileId = "+/v7+/v7+/v7+/v7+/v7+w==";
  profile.samples[0].values = ["30"];
  message.dictionary.locationTable[1].address = "4100";
  message.dictionary.linkTable[1] = { traceId: "abababab".repeat(4), spanId: "01".repeat(8) };
  return JSON.stringify(message);
}
