import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FILE_LIMITS } from "../../support/limits.ts";
import { resolvedSamples } from "../resolved.ts";
import { pprofOracle } from "../testing/pprof-oracle.ts";
import { checkPprof } from "./check-valid.ts";
import { decodePprof } from "./decode.ts";
import { encodePprof } from "./encode.ts";

const oracle = pprofOracle();

/** A file of another program's: ids sparse and of 64 bits, every field in use. */
const strings = ["", "cpu", "nanoseconds", "main", "a.c", "/bin/a", "key", "x", "y", "bytes", "^d"];
const foreign = {
  sample_type: [{ type: 1, unit: 2 }],
  sample: [
    {
      location_id: ["18446744073709551615", "5000000000"],
      value: [7],
      label: [
        { key: 6, str: 7 },
        { key: 6, str: 8 },
        { key: 9, num: "-9223372036854775808", num_unit: 9 },
      ],
    },
    { location_id: [], value: [-3], label: [{ key: 6 }] },
  ],
  mapping: [{ id: "9223372036854775808", memory_start: 4096, memory_limit: 8192, filename: 5 }],
  location: [
    { id: "18446744073709551615", mapping_id: "9223372036854775808", address: "4097" },
    { id: "5000000000", line: [{ function_id: 77, line: 3, column: 4 }], is_folded: true },
  ],
  function: [{ id: 77, name: 3, system_name: 3, filename: 4, start_line: 1 }],
  string_table: strings,
  drop_frames: 10,
  keep_frames: 3,
  doc_url: 5,
  comment: [7, 8],
  default_sample_type: 1,
};

type Change = Partial<Record<keyof typeof foreign | "note", unknown>>;
const bytesOf = (change: Change = {}): Uint8Array =>
  oracle.encode(oracle.fromObject({ ...foreign, ...change })).finish();

describe("pprof files with every field", () => {
  it("resolves sparse ids and keeps labels with several values and units", () => {
    const batch = decodePprof(bytesOf(), FILE_LIMITS);
    const samples = resolvedSamples(batch);
    assert.deepEqual(
      samples.map(({ value, attributes }) => [value, attributes]),
      [
        [-3, ['key=""']],
        [7, ["bytes=-9223372036854775808 bytes", 'key=["x", "y"]']],
      ].sort((a, b) => String(a[1]).localeCompare(String(b[1]))),
    );
    assert.deepEqual(samples.find(({ value }) => value === 7)?.stack, [
      '@ 0x1001 "/bin/a" 1000-2000-0 []',
      "main (main) a.c:3:4 from 1 @ 0x0 - pprof.location.is_folded=true",
    ]);
    assert.deepEqual(samples[0]?.profileAttributes, [
      'pprof.profile.comment=["x", "y"]',
      'pprof.profile.doc_url="/bin/a"',
      'pprof.profile.drop_frames="^d"',
      'pprof.profile.keep_frames="main"',
    ]);
  });

  it("comes back with every field", () => {
    const again = encodePprof(decodePprof(bytesOf(), FILE_LIMITS), { gzip: false });
    assert.deepEqual(checkPprof(again, FILE_LIMITS), []);
    assert.deepEqual(shown(again), shown(bytesOf()));
  });

  const [sample] = foreign.sample;
  const refused: readonly { readonly name: string; readonly change: Change }[] = [
    { name: "no sample types", change: { sample_type: [] } },
    { name: "too many values", change: { sample: [{ ...sample, value: [1, 2] }] } },
    { name: "an unknown location", change: { sample: [{ ...sample, location_id: [1] }] } },
    { name: "an unknown mapping", change: { location: [{ id: 1, mapping_id: 1 }], sample: [] } },
    { name: "a line without a function", change: { function: [] } },
    { name: "an id 0", change: { function: [...foreign.function, { name: 3 }] } },
    { name: "an id twice", change: { mapping: [...foreign.mapping, ...foreign.mapping] } },
    { name: "a text that is not there", change: { doc_url: 11 } },
    { name: "a negative text index", change: { doc_url: -1 } },
    { name: "a first text that is not empty", change: { string_table: strings.toSpliced(0, 1) } },
    { name: "a label's text that is not there", change: { sample: [labelled({ key: 99 })] } },
    {
      name: "a value beyond 2^53",
      change: { sample: [{ ...sample, value: ["9007199254740992"] }] },
    },
  ];
  for (const { name, change } of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => decodePprof(bytesOf(change), FILE_LIMITS), { code: "INPUT_MALFORMED" });
    });
  }

  const limited = [
    { name: "samples", limits: { samplesMax: 1 } },
    { name: "stack depth", limits: { stackDepthMax: 1 } },
    { name: "labels", limits: { attributesMax: 2 } },
    { name: "rows", limits: { tableRowsMax: 10 } },
    { name: "a string", limits: { stringBytesMax: 5 } },
    { name: "bytes", limits: { wireBytesMax: 10 } },
    { name: "inflated bytes", limits: { inflatedBytesMax: 10 } },
  ];
  for (const { name, limits } of limited) {
    it(`limits ${name}`, () => {
      assert.throws(() => decodePprof(bytesOf(), { ...FILE_LIMITS, ...limits }), {
        code: "LIMIT_EXCEEDED",
      });
    });
  }

  it("limits a note and their nesting", () => {
    const limits = { ...FILE_LIMITS, stringBytesMax: 20, nestingMax: 3 };
    for (const note of [`batch {"x":"${"x".repeat(80)}"}`, `batch {"x":${"[".repeat(4)}`]) {
      const bytes = bytesOf({ note: [note] });
      assert.throws(() => decodePprof(bytes, limits), { code: "LIMIT_EXCEEDED" });
    }
  });

  it("takes an empty file for an empty profile", () => {
    assert.equal(decodePprof(new Uint8Array(0), FILE_LIMITS).sampleCount, 0);
  });

  it("passes over notes that are none", () => {
    const note = ["batch {", "other {}", "", "batch []"];
    const [plain, noted] = [bytesOf(), bytesOf({ note })].map((bytes) =>
      resolvedSamples(decodePprof(bytes, FILE_LIMITS)),
    );
    assert.deepEqual(noted, plain);
  });
});

function labelled(label: object): object {
  return { ...foreign.sample[0], label: [label] };
}

/** The profile with texts for their indices, and places in the file for ids. */
function shown(bytes: Uint8Array): unknown {
  const profile = oracle.toObject(oracle.decode(bytes), { longs: String }) as typeof foreign;
  const text = (index: unknown): string => profile.string_table[Number(index ?? 0)] ?? "?";
  return {
    samples: profile.sample.map(({ value, label }) => ({
      value,
      label: (label ?? []).map((one: Record<string, unknown>) => [
        text(one["key"]),
        text(one["str"]),
        one["num"],
        text(one["num_unit"]),
      ]),
    })),
    mappings: profile.mapping.map(({ filename, memory_start }) => [text(filename), memory_start]),
    folded: profile.location.map((location) => location.is_folded ?? false),
    fields: [
      profile.drop_frames,
      profile.keep_frames,
      profile.doc_url,
      profile.default_sample_type,
      ...profile.comment,
    ].map(text),
  };
}
