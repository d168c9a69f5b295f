import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FILE_LIMITS } from "../../support/limits.ts";
import { intValue, stringValue } from "../attribute-value.ts";
import { decodeOtlp } from "../otlp/decode.ts";
import { emptyProfile, ProfileBatch } from "../profile.ts";
import { genuinePayloads } from "../testing/genuine-payloads.ts";
import { checkProfileRoundTrip } from "../testing/round-trip.ts";
import { decodeFolded } from "./decode.ts";
import { encodeFolded, type FoldedOptions } from "./encode.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (batch: ProfileBatch, options?: FoldedOptions): string =>
  new TextDecoder().decode(encodeFolded(batch, options));
const again = (text: string): string => textOf(decodeFolded(bytesOf(text), FILE_LIMITS));

describe("folded stacks", () => {
  const cases = [
    { name: "sorts and sums equal stacks", given: "b 1\na;b 2\nb 3\n", kept: "a;b 2\nb 4\n" },
    { name: "marks kernel frames", given: "a;read_[k] 1\n", kept: "a;read_[k] 1\n" },
    {
      name: "takes \\r\\n and a last line without an end",
      given: "a 1\r\nb 2",
      kept: "a 1\nb 2\n",
    },
    { name: "skips empty lines", given: "\n\na 1\n\n", kept: "a 1\n" },
    { name: "names frames that have no name", given: "a;;b 1\n", kept: "a;[unknown];b 1\n" },
    {
      name: "keeps spaces in names",
      given: "operator new (int) 7\n",
      kept: "operator new (int) 7\n",
    },
    { name: "escapes control characters", given: "a\x01b 1\n", kept: "a\\x01b 1\n" },
    { name: "knows one zero", given: "a -0\n", kept: "a 0\n" },
    { name: "keeps negative counts of differences", given: "a -3\n", kept: "a -3\n" },
  ];
  for (const { name, given, kept } of cases) {
    it(name, () => assert.equal(again(given), kept));
  }

  for (const bad of ["a", "a b", " 12", "a 1.5", "a 99999999999999999"]) {
    it(`refuses ${JSON.stringify(bad)} and names the line`, () => {
      assert.throws(() => decodeFolded(bytesOf(`ok 1\n${bad}\n`), FILE_LIMITS), {
        code: "INPUT_MALFORMED",
        message: /line 2/,
      });
    });
  }

  it("holds its limits", () => {
    const limits = { ...FILE_LIMITS, stackDepthMax: 3, samplesMax: 2 };
    assert.ok(decodeFolded(bytesOf("a;b;c 1\na 1\n"), limits));
    const code = "LIMIT_EXCEEDED";
    assert.throws(() => decodeFolded(bytesOf("a;b;c;d 1\n"), limits), { code });
    assert.throws(() => decodeFolded(bytesOf("a 1\nb 1\nc 1\n"), limits), { code });
    assert.throws(() => decodeFolded(bytesOf("a 9007199254740991\na 1\n"), limits), { code });
  });

  it("begins with the process, writes names harmlessly and addresses where there are none", () => {
    const batch = smallBatch();
    assert.equal(textOf(batch), "my:app;a:b\\x0ac;in;libfoo.so+0x1234;read_[k] 5\n");
    assert.equal(
      textOf(batch, { processRoot: false }),
      "a:b\\x0ac;in;libfoo.so+0x1234;read_[k] 5\n",
    );
  });

  for (const { name, bytes } of genuinePayloads) {
    it(`comes back: ${name}`, () => {
      const batch = decodeOtlp(bytes, FILE_LIMITS);
      const text = textOf(batch);
      const sum = [...batch.profiles()].reduce(
        (sum, { profile }) => sum + profile.samples.total(),
        0,
      );
      const written = text.split("\n").map((line) => Number(line.slice(line.lastIndexOf(" ") + 1)));
      assert.equal(
        written.reduce((a, b) => a + b, 0),
        sum,
      );
      assert.equal(again(text), text);
      checkProfileRoundTrip("folded", decodeFolded(bytesOf(text), FILE_LIMITS));
    });
  }
});

/** One process, one stack: a location of two lines, one without a name, one of the kernel. */
function smallBatch(): ProfileBatch {
  const batch = new ProfileBatch();
  const { strings, functions, locations, mappings, stacks, attributeSets } = batch.dictionary;
  const named = (name: string): number => functions.intern(strings.intern(name), 0, 0, 0);
  const kernel = attributeSets.intern([
    batch.dictionary.internStringAttribute("profile.frame.type", "kernel"),
  ]);
  const none = { memoryStart: 0n, memoryLimit: 0n, fileOffset: 0n, attributeSet: 0 };
  const mapping = mappings.intern({ ...none, filename: strings.intern("/usr/lib/libfoo.so") });
  const stack = stacks.intern([
    locations.intern(0, 0, 0, [named("read"), 0, 0], kernel),
    locations.intern(mapping, 0x1234, 0, [], 0),
    locations.intern(0, 0, 0, [named("in"), 0, 0, named("a;b\nc"), 0, 0], 0),
  ]);
  const profile = emptyProfile();
  profile.sampleType = { type: strings.intern("samples"), unit: strings.intern("count") };
  profile.samples.push(stack, 0, 0, 5);
  const idle = emptyProfile();
  idle.sampleType = { type: strings.intern("off_cpu"), unit: strings.intern("nanoseconds") };
  idle.samples.push(stack, 0, 0, 1000);
  batch.resourceProfiles.push({
    resource: {
      attributes: [
        { key: "process.pid", value: intValue(7) },
        { key: "process.executable.name", value: stringValue("my;app") },
      ],
      droppedAttributesCount: 0,
    },
    schemaUrl: "",
    scopeProfiles: [
      {
        scope: { name: "", version: "", attributes: [], droppedAttributesCount: 0 },
        schemaUrl: "",
        profiles: [idle, profile],
      },
    ],
  });
  return batch;
}
