import { malformed } from "../../support/errors.ts";
import type { AttributeValue, KeyValue } from "../attribute-value.ts";

/**
 * Attribute values as JSON, in the form of OTLP/JSON's AnyValue, for the notes that an OTLP
 * batch leaves in a pprof file. Doubles that JSON has no number for are texts.
 */
export type ValueJson = { readonly [kind: string]: unknown };

/** An attribute with its unit, which is left out when it is "". */
export interface AttributeJson {
  readonly key: string;
  readonly value: ValueJson;
  readonly unit?: string;
}

export function valueToJson(value: AttributeValue): ValueJson {
  switch (value.type) {
    case "empty":
      return {};
    case "string":
      return { stringValue: value.value };
    case "bool":
      return { boolValue: value.value };
    case "int":
      return { intValue: String(value.value) };
    case "double":
      return { doubleValue: isPlain(value.value) ? value.value : doubleText(value.value) };
    case "bytes":
      return { bytesValue: value.value.toBase64() };
    case "array":
      return { arrayValue: value.value.map(valueToJson) };
    case "kvlist":
      return { kvlistValue: value.value.map(keyValueToJson) };
  }
}

export function keyValueToJson({ key, value }: KeyValue): AttributeJson {
  return { key, value: valueToJson(value) };
}

/** @throws INPUT_MALFORMED  it is not what `valueToJson` makes */
export function valueFromJson(json: unknown, where: string): AttributeValue {
  if (!isObject(json)) throw malformed(where, "an attribute value is not an object");
  const entry = Object.entries(json)[0];
  if (!entry) return { type: "empty" };
  const [kind, content] = entry;
  switch (kind) {
    case "stringValue":
      return { type: "string", value: textFromJson(content, where) };
    case "boolValue":
      return { type: "bool", value: content === true };
    case "intValue":
      return { type: "int", value: intFromJson(content, where) };
    case "doubleValue":
      return { type: "double", value: Number(content) };
    case "bytesValue":
      return { type: "bytes", value: bytesFromJson(content, where) };
    case "arrayValue":
      return { type: "array", value: listFromJson(content, where, valueFromJson) };
    case "kvlistValue":
      return { type: "kvlist", value: listFromJson(content, where, keyValueFromJson) };
    default:
      throw malformed(where, `an attribute value of the kind ${JSON.stringify(kind)}`);
  }
}

export function keyValueFromJson(json: unknown, where: string): KeyValue & { unit: string } {
  if (!isObject(json)) throw malformed(where, "an attribute is not an object");
  const { key, value, unit } = json;
  return {
    key: textFromJson(key, where),
    value: valueFromJson(value, where),
    unit: unit === undefined ? "" : textFromJson(unit, where),
  };
}

export function listFromJson<Item>(
  json: unknown,
  where: string,
  itemFromJson: (json: unknown, where: string) => Item,
): Item[] {
  if (!Array.isArray(json)) throw malformed(where, "a list is not an array");
  return json.map((item) => itemFromJson(item, where));
}

export function textFromJson(json: unknown, where: string): string {
  if (typeof json !== "string") throw malformed(where, "a text is not a string");
  return json.toWellFormed();
}

export function isObject(json: unknown): json is Record<string, unknown> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** An integer of 64 bits as decimal text. */
export function intFromJson(json: unknown, where: string): bigint {
  if (typeof json !== "string" || !/^-?[0-9]{1,20}$/.test(json)) {
    throw malformed(where, "an integer is not a decimal text");
  }
  return BigInt.asIntN(64, BigInt(json));
}

function bytesFromJson(json: unknown, where: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(textFromJson(json, where));
  } catch {
    throw malformed(where, "bytes are not base64");
  }
}

function isPlain(value: number): boolean {
  return Number.isFinite(value) && !Object.is(value, -0);
}

function doubleText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}
