import fc from "fast-check";
import type { AttributeValue, KeyValue } from "../attribute-value.ts";
import type { Dictionary } from "../dictionary.ts";
import { emptyProfile, type Profile, ProfileBatch, type SampleShape } from "../profile.ts";

/**
 * Random batches for property tests: valid ones, with rows that equal one another and rows
 * that nothing refers to, inlined frames, frames without lines, addresses above 2^53.
 */
export interface ArbitraryBatchOptions {
  readonly shapes?: readonly SampleShape[];
  /** Names, files, keys; any well-formed text by default. */
  readonly text?: fc.Arbitrary<string>;
  /** Values of attributes of samples, locations and mappings; any type by default. */
  readonly attributeValue?: fc.Arbitrary<AttributeValue>;
  /** Values of samples; any exact integer by default. Keep sums in mind: they must be exact. */
  readonly value?: fc.Arbitrary<number>;
  readonly links?: boolean;
}

const ALL_SHAPES: readonly SampleShape[] = ["values", "timestamps", "values_and_timestamps"];
const LINE_MAX = 100_000;
/** A billion samples of this sum exactly. */
const VALUE_LIMIT = 2 ** 23;

const uint64: fc.Arbitrary<bigint> = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const lineNumber = fc.nat(LINE_MAX);
/** A row of a table that is not known yet: taken modulo its length. */
const pick = fc.nat(1000);

/** Any attribute value, nested ones included. */
export const arbitraryAttributeValue: fc.Arbitrary<AttributeValue> = fc.letrec<{
  value: AttributeValue;
}>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constant<AttributeValue>({ type: "empty" }),
    wellFormed().map((value): AttributeValue => ({ type: "string", value })),
    fc.boolean().map((value): AttributeValue => ({ type: "bool", value })),
    fc
      .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
      .map((value): AttributeValue => ({ type: "int", value })),
    fc.double().map((value): AttributeValue => ({ type: "double", value })),
    fc.uint8Array({ maxLength: 8 }).map((value): AttributeValue => ({ type: "bytes", value })),
    fc
      .array(tie("value"), { maxLength: 3 })
      .map((value): AttributeValue => ({ type: "array", value })),
    fc
      .array(fc.record({ key: wellFormed(), value: tie("value") }), { maxLength: 3 })
      .map((value): AttributeValue => ({ type: "kvlist", value })),
  ),
})).value;

/** Strings and integers: what the labels of pprof can hold. */
export const arbitraryLabelValue: fc.Arbitrary<AttributeValue> = fc.oneof(
  wellFormed().map((value): AttributeValue => ({ type: "string", value })),
  fc
    .integer({ min: 1, max: 2 ** 31 - 1 })
    .map((value): AttributeValue => ({ type: "int", value: BigInt(value) })),
);

/** A random valid batch. */
export function arbitraryBatch(options: ArbitraryBatchOptions = {}): fc.Arbitrary<ProfileBatch> {
  return fc
    .record({ tables: arbitraryTables(options), resources: arbitraryResources(options) })
    .map(({ tables, resources }) => {
      const batch = new ProfileBatch();
      fillDictionary(batch.dictionary, tables);
      for (const resource of resources) addResource(batch, resource);
      return batch;
    });
}

function wellFormed(): fc.Arbitrary<string> {
  return fc.string({ unit: "binary", maxLength: 8 });
}

interface Tables {
  readonly texts: string[];
  readonly attributes: { key: number; value: AttributeValue; unit: number }[];
  readonly sets: number[][];
  readonly mappings: {
    memoryStart: bigint;
    memoryLimit: bigint;
    fileOffset: bigint;
    filename: number;
    set: number;
  }[];
  readonly functions: [number, number, number, number][];
  readonly locations: {
    mapping: number;
    address: bigint;
    lines: [number, number, number][];
    set: number;
  }[];
  readonly stacks: number[][];
  readonly links: { trace: bigint; span: bigint }[];
}

function arbitraryTables(options: ArbitraryBatchOptions): fc.Arbitrary<Tables> {
  const few = { maxLength: 4 };
  return fc.record({
    texts: fc.array(options.text ?? wellFormed(), { minLength: 1, maxLength: 8 }),
    attributes: fc.array(
      fc.record({
        key: pick,
        value: options.attributeValue ?? arbitraryAttributeValue,
        unit: fc.constant(0),
      }),
      few,
    ),
    sets: fc.array(fc.array(pick, few), few),
    mappings: fc.array(
      fc.record({
        memoryStart: uint64,
        memoryLimit: uint64,
        fileOffset: uint64,
        filename: pick,
        set: pick,
      }),
      few,
    ),
    functions: fc.array(fc.tuple(pick, pick, pick, lineNumber), few),
    locations: fc.array(
      fc.record({
        mapping: pick,
        address: uint64,
        lines: fc.array(fc.tuple(pick, lineNumber, lineNumber), { maxLength: 3 }),
        set: pick,
      }),
      { maxLength: 6 },
    ),
    stacks: fc.array(fc.array(pick, { maxLength: 6 }), { maxLength: 6 }),
    links: fc.array(
      fc.record({
        trace: fc.bigInt({ min: 1n, max: 2n ** 128n - 1n }),
        span: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
      }),
      { maxLength: options.links === false ? 0 : 2 },
    ),
  });
}

interface RandomSample {
  readonly stack: number;
  readonly set: number;
  readonly link: number;
  readonly values: number[];
  readonly times: bigint[];
}

interface RandomProfile {
  readonly shape: SampleShape;
  readonly type: [number, number];
  readonly periodType: [number, number];
  readonly period: number;
  readonly time: bigint;
  readonly duration: bigint;
  readonly set: number;
  readonly samples: RandomSample[];
}

interface RandomResource {
  readonly attributes: readonly KeyValue[];
  readonly schemaUrl: string;
  readonly scopes: { name: string; version: string; profiles: RandomProfile[] }[];
}

function arbitraryResources(options: ArbitraryBatchOptions): fc.Arbitrary<RandomResource[]> {
  const text = options.text ?? wellFormed();
  const attribute = fc.record({
    key: text,
    value: options.attributeValue ?? arbitraryAttributeValue,
  });
  const scope = fc.record({
    name: text,
    version: text,
    profiles: fc.array(arbitraryProfile(options), { maxLength: 3 }),
  });
  return fc.array(
    fc.record({
      attributes: fc.uniqueArray(attribute, { maxLength: 3, selector: ({ key }) => key }),
      schemaUrl: text,
      scopes: fc.array(scope, { maxLength: 2 }),
    }),
    { maxLength: 3 },
  );
}

function arbitraryProfile(options: ArbitraryBatchOptions): fc.Arbitrary<RandomProfile> {
  const value = options.value ?? fc.integer({ min: -VALUE_LIMIT, max: VALUE_LIMIT });
  const time = fc.bigInt({ min: 1n, max: 2n ** 62n });
  const sample = fc.record({
    stack: pick,
    set: pick,
    link: pick,
    values: fc.array(value, { minLength: 3, maxLength: 3 }),
    times: fc.array(time, { minLength: 1, maxLength: 3 }),
  });
  return fc.record({
    shape: fc.constantFrom(...(options.shapes ?? ALL_SHAPES)),
    type: fc.tuple(pick, pick),
    periodType: fc.tuple(pick, pick),
    period: fc.nat(10_000_000),
    time,
    duration: fc.bigInt({ min: 0n, max: 2n ** 40n }),
    set: pick,
    samples: fc.array(sample, { maxLength: 5 }),
  });
}

function fillDictionary(dictionary: Dictionary, tables: Tables): void {
  for (const text of tables.texts) dictionary.strings.append(text);
  const { strings, functions, mappings, locations, stacks, attributes, links } = dictionary;
  for (const { key, value, unit } of tables.attributes) {
    attributes.append(key % strings.length, value, unit);
  }
  for (const set of tables.sets) dictionary.attributeSets.append(distinctKeys(dictionary, set));
  const sets = dictionary.attributeSets.length;
  for (const { set, filename, ...mapping } of tables.mappings) {
    mappings.append({ ...mapping, filename: filename % strings.length, attributeSet: set % sets });
  }
  for (const [name, systemName, filename, startLine] of tables.functions) {
    const count = strings.length;
    functions.append(name % count, systemName % count, filename % count, startLine);
  }
  for (const { mapping, address, lines, set } of tables.locations) {
    for (const [row, line, column] of lines) {
      locations.pushLine(row % functions.length, line, column);
    }
    const low = Number(address & 0xffffffffn);
    locations.endRow(mapping % mappings.length, low, Number(address >> 32n), set % sets);
  }
  for (const stack of tables.stacks) stacks.append(stack.map((row) => row % locations.length));
  for (const { trace, span } of tables.links) {
    links.append(trace.toString(16).padStart(32, "0"), span.toString(16).padStart(16, "0"));
  }
}

/** Attribute rows, not the zero row, of which no two have one key. */
function distinctKeys({ attributes, strings }: Dictionary, picks: readonly number[]): number[] {
  const byKey = new Map<string, number>();
  for (const row of picks.map((number) => number % attributes.length)) {
    if (row !== 0) byKey.set(strings.at(attributes.key.at(row)), row);
  }
  return [...byKey.values()];
}

function addResource(batch: ProfileBatch, random: RandomResource): void {
  batch.resourceProfiles.push({
    resource: { attributes: random.attributes, droppedAttributesCount: 0 },
    schemaUrl: random.schemaUrl,
    scopeProfiles: random.scopes.map(({ name, version, profiles }) => ({
      scope: { name, version, attributes: [], droppedAttributesCount: 0 },
      schemaUrl: "",
      profiles: profiles.map((profile) => profileOf(batch.dictionary, profile)),
    })),
  });
}

function profileOf(dictionary: Dictionary, random: RandomProfile): Profile {
  const count = dictionary.strings.length;
  const profile = emptyProfile(random.shape);
  profile.sampleType = { type: random.type[0] % count, unit: random.type[1] % count };
  profile.periodType = { type: random.periodType[0] % count, unit: random.periodType[1] % count };
  profile.period = random.period;
  profile.timeUnixNano = random.time;
  profile.durationNano = random.duration;
  profile.attributeSet = random.set % dictionary.attributeSets.length;
  for (const sample of random.samples) addSample(dictionary, profile, sample);
  return profile;
}

function addSample(dictionary: Dictionary, { samples }: Profile, random: RandomSample): void {
  const stack = random.stack % dictionary.stacks.length;
  const set = random.set % dictionary.attributeSets.length;
  const link = random.link % dictionary.links.length;
  if (samples.shape === "values") {
    samples.push(stack, set, link, random.values[0] as number);
    return;
  }
  for (const [i, time] of random.times.entries()) {
    samples.timestampUnixNano.pushBigInt(time);
    if (samples.shape === "values_and_timestamps") {
      samples.timestampValue.push(random.values[i] as number);
    }
  }
  samples.pushTimed(stack, set, link);
}
