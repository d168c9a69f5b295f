import protobuf from "protobufjs";
import type { AttributeValue, KeyValue } from "../attribute-value.ts";
import { Dictionary } from "../dictionary.ts";
import { emptyProfile, type Profile, ProfileBatch, type SampleShape, Samples } from "../profile.ts";

const PROTO_ROOT = new URL("../../../proto/", import.meta.url);

/** Code that protobufjs generates from the contracts in proto/: what our codec is judged by. */
export function otlpOracle(): protobuf.Type {
  const root = new protobuf.Root();
  root.resolvePath = (_, target) => new URL(target, PROTO_ROOT).pathname;
  root.loadSync([
    "opentelemetry/proto/collector/profiles/v1development/profiles_service.proto",
    "opentelemetry/proto/profiles/v1development/profiles.proto",
  ]);
  return root.lookupType("opentelemetry.proto.profiles.v1development.ProfilesData");
}

/** A message that does not follow the rules of OTLP profiles. */
export class InvalidMessage extends Error {}

/**
 * The model of a message that protobufjs decoded, made field by field and checked without any
 * code of ours that decodes.
 *
 * @throws InvalidMessage
 */
export function batchOfOracle(message: protobuf.Message): ProfileBatch {
  const data = message as unknown as Node;
  const dictionary = new Dictionary();
  const resources = list(data["resourceProfiles"]);
  fillDictionary(dictionary, node(data["dictionary"]));
  const batch = new ProfileBatch(dictionary);
  for (const resource of resources) {
    const owner = node(resource["resource"]);
    batch.resourceProfiles.push({
      resource: {
        attributes: keyValues(dictionary, list(owner["attributes"])),
        droppedAttributesCount: number(owner["droppedAttributesCount"]),
      },
      schemaUrl: text(resource["schemaUrl"]),
      scopeProfiles: list(resource["scopeProfiles"]).map((scopeProfiles) => {
        const scope = node(scopeProfiles["scope"]);
        return {
          scope: {
            name: text(scope["name"]),
            version: text(scope["version"]),
            attributes: keyValues(dictionary, list(scope["attributes"])),
            droppedAttributesCount: number(scope["droppedAttributesCount"]),
          },
          schemaUrl: text(scopeProfiles["schemaUrl"]),
          profiles: list(scopeProfiles["profiles"]).map((profile) =>
            toProfile(dictionary, profile),
          ),
        };
      }),
    });
  }
  checkZeroEntries(dictionary, batch.profiles().next().done === false);
  return batch;
}

type Node = Readonly<Record<string, unknown>>;
const NONE: Node = {};

const list = (value: unknown): readonly Node[] => (value as Node[] | undefined) ?? [];
const node = (value: unknown): Node => (value as Node | undefined | null) ?? NONE;
const text = (value: unknown): string => (value as string | undefined) ?? "";
const number = (value: unknown): number => (value as number | undefined) ?? 0;
const bytes = (value: unknown): Uint8Array =>
  new Uint8Array((value as Uint8Array | undefined) ?? []);
const big = (value: unknown): bigint => BigInt(String(value ?? 0));

function exact(value: unknown): number {
  const integer = big(value);
  check(Number.isSafeInteger(Number(integer)), `${integer} is above 2^53`);
  return Number(integer);
}

function check(holds: boolean, what: string): void {
  if (!holds) throw new InvalidMessage(what);
}

function index(value: unknown, rowCount: number): number {
  const row = number(value);
  check(row >= 0 && row < rowCount, `index ${row} of ${rowCount}`);
  return row;
}

function fillDictionary(dictionary: Dictionary, tables: Node): void {
  const strings = (tables["stringTable"] as string[] | undefined) ?? [];
  for (const row of strings) dictionary.strings.append(row);
  const stringIndex = (value: unknown): number => index(value, strings.length);
  for (const row of list(tables["functionTable"])) {
    dictionary.functions.append(
      stringIndex(row["nameStrindex"]),
      stringIndex(row["systemNameStrindex"]),
      stringIndex(row["filenameStrindex"]),
      exact(row["startLine"]),
    );
  }
  for (const row of list(tables["attributeTable"])) {
    const key = stringIndex(row["keyStrindex"]);
    const value = toValue(dictionary, row["value"] as Node | null);
    dictionary.attributes.append(key, value, stringIndex(row["unitStrindex"]));
  }
  for (const row of list(tables["mappingTable"])) {
    dictionary.mappings.append({
      memoryStart: big(row["memoryStart"]),
      memoryLimit: big(row["memoryLimit"]),
      fileOffset: big(row["fileOffset"]),
      filename: stringIndex(row["filenameStrindex"]),
      attributeSet: set(dictionary, row["attributeIndices"]),
    });
  }
  fillStacks(dictionary, tables);
}

function fillStacks(dictionary: Dictionary, tables: Node): void {
  const { locations, functions, mappings, links, stacks } = dictionary;
  for (const row of list(tables["locationTable"])) {
    for (const line of list(row["lines"])) {
      const functionIndex = index(line["functionIndex"], functions.length);
      locations.pushLine(functionIndex, exact(line["line"]), exact(line["column"]));
    }
    const address = big(row["address"]);
    locations.endRow(
      index(row["mappingIndex"], mappings.length),
      Number(address & 0xffffffffn),
      Number(address >> 32n),
      set(dictionary, row["attributeIndices"]),
    );
  }
  for (const row of list(tables["linkTable"])) {
    links.append(id(row["traceId"], 16), id(row["spanId"], 8));
  }
  for (const row of list(tables["stackTable"])) {
    const indices = (row["locationIndices"] as number[] | undefined) ?? [];
    stacks.append(indices.map((location) => index(location, locations.length)));
  }
}

function id(value: unknown, byteCount: number): string {
  const contents = bytes(value);
  check(contents.length === 0 || contents.length === byteCount, "the length of an id");
  return contents.every((byte) => byte === 0) ? "" : contents.toHex();
}

function set(dictionary: Dictionary, value: unknown): number {
  const indices = (value as number[] | undefined) ?? [];
  const rows = indices.map((row) => index(row, dictionary.attributes.length));
  return dictionary.attributeSets.intern(rows);
}

function keyValues(dictionary: Dictionary, nodes: readonly Node[]): KeyValue[] {
  return nodes.map((entry) => {
    const keyIndex = index(entry["keyStrindex"], Math.max(1, dictionary.strings.length));
    const key = text(entry["key"]);
    check(key === "" || keyIndex === 0, "key and key_strindex");
    return {
      key: keyIndex === 0 ? key : dictionary.strings.at(keyIndex),
      value: toValue(dictionary, entry["value"] as Node | null),
    };
  });
}

function toValue(dictionary: Dictionary, value: Node | null | undefined): AttributeValue {
  const which = value?.["value"] as string | undefined;
  if (!value || which === undefined) return { type: "empty" };
  const field = value[which];
  switch (which) {
    case "stringValue":
      return { type: "string", value: text(field) };
    case "boolValue":
      return { type: "bool", value: Boolean(field) };
    case "intValue":
      return { type: "int", value: big(field) };
    case "doubleValue":
      return { type: "double", value: number(field) };
    case "bytesValue":
      return { type: "bytes", value: bytes(field) };
    case "stringValueStrindex": {
      const row = index(field, dictionary.strings.length);
      return { type: "string", value: dictionary.strings.at(row) };
    }
    case "arrayValue": {
      const items = list(node(field)["values"]).map((item) => toValue(dictionary, item));
      return { type: "array", value: items };
    }
    default:
      return { type: "kvlist", value: keyValues(dictionary, list(node(field)["values"])) };
  }
}

function toProfile(dictionary: Dictionary, source: Node): Profile {
  const strings = dictionary.strings.length;
  const valueType = (value: unknown) => ({
    type: index(node(value)["typeStrindex"], Math.max(1, strings)),
    unit: index(node(value)["unitStrindex"], Math.max(1, strings)),
  });
  const profileId = bytes(source["profileId"]);
  check(profileId.length === 0 || profileId.length === 16, "the length of profile_id");
  return {
    ...emptyProfile(),
    sampleType: valueType(source["sampleType"]),
    timeUnixNano: big(source["timeUnixNano"]),
    durationNano: big(source["durationNano"]),
    periodType: valueType(source["periodType"]),
    period: exact(source["period"]),
    profileId,
    droppedAttributesCount: number(source["droppedAttributesCount"]),
    originalPayloadFormat: text(source["originalPayloadFormat"]),
    originalPayload: bytes(source["originalPayload"]),
    samples: toSamples(dictionary, list(source["samples"])),
    attributeSet: set(dictionary, source["attributeIndices"]),
  };
}

function toSamples(dictionary: Dictionary, sources: readonly Node[]): Samples {
  const shapes = new Set(sources.map(shapeOf));
  check(shapes.size <= 1, "samples of two shapes");
  const samples = new Samples([...shapes][0] ?? "values");
  for (const source of sources) {
    const values = ((source["values"] as unknown[] | undefined) ?? []).map(exact);
    const timestamps = ((source["timestampsUnixNano"] as unknown[] | undefined) ?? []).map(big);
    const stack = index(source["stackIndex"], dictionary.stacks.length);
    const link = index(source["linkIndex"], dictionary.links.length);
    const attributeSet = set(dictionary, source["attributeIndices"]);
    if (samples.shape === "values") {
      samples.push(stack, attributeSet, link, values[0] as number);
      continue;
    }
    for (const timestamp of timestamps) samples.timestampUnixNano.pushBigInt(timestamp);
    if (samples.shape === "values_and_timestamps") {
      for (const value of values) samples.timestampValue.push(value);
      const sum = values.reduce((total, value) => total + value, 0);
      check(Number.isSafeInteger(sum), "a sum above 2^53");
    }
    samples.pushTimed(stack, attributeSet, link);
  }
  return samples;
}

function shapeOf(source: Node): SampleShape {
  const values = list(source["values"]).length;
  const timestamps = list(source["timestampsUnixNano"]).length;
  if (timestamps === 0) {
    check(values === 1, `${values} values without timestamps`);
    return "values";
  }
  check(values === 0 || values === timestamps, `${values} values, ${timestamps} timestamps`);
  return values === 0 ? "timestamps" : "values_and_timestamps";
}

function checkZeroEntries(dictionary: Dictionary, hasProfiles: boolean): void {
  const { strings, functions, mappings, locations, stacks, attributes, links } = dictionary;
  const tables = [strings, functions, mappings, locations, stacks, attributes, links];
  const isEmpty = tables.every((table) => table.length === 0);
  if (isEmpty && !hasProfiles) {
    dictionary.addMissingZeroEntries();
    return;
  }
  check(
    tables.every((table) => table.length > 0),
    "a table without a zero entry",
  );
  check(dictionary.firstWrongZeroEntry() === undefined, "a zero entry that is not zero");
}
