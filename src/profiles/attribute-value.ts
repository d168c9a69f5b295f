/**
 * OTLP's AnyValue as plain data. Integers are 64 bit and therefore bigint; "empty" is a value
 * whose oneof is unset.
 */
export type AttributeValue =
  | { readonly type: "empty" }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "int"; readonly value: bigint }
  | { readonly type: "double"; readonly value: number }
  | { readonly type: "bytes"; readonly value: Uint8Array }
  | { readonly type: "array"; readonly value: readonly AttributeValue[] }
  | { readonly type: "kvlist"; readonly value: readonly KeyValue[] };

/** An attribute outside of the dictionary: of a resource, a scope, or inside a kvlist. */
export interface KeyValue {
  readonly key: string;
  readonly value: AttributeValue;
}

export function stringValue(value: string): AttributeValue {
  return { type: "string", value };
}

export function intValue(value: number | bigint): AttributeValue {
  return { type: "int", value: BigInt(value) };
}

/**
 * A text that is equal for equal values and differs for different ones, of whatever type:
 * the identity of a value in interning tables and in comparisons.
 */
export function valueKey(value: AttributeValue): string {
  switch (value.type) {
    case "empty":
      return "e";
    case "string":
      return `s${value.value.length}:${value.value}`;
    case "bool":
      return value.value ? "b1" : "b0";
    case "int":
      return `i${value.value};`;
    case "double":
      return `d${Object.is(value.value, -0) ? "-0" : value.value};`;
    case "bytes":
      return `x${value.value.toHex()};`;
    case "array":
      return `a${value.value.length}[${value.value.map(valueKey).join("")}]`;
    case "kvlist":
      return `k${value.value.length}{${value.value.map(keyValueKey).join("")}}`;
  }
}

/** The identity of a key with its value. */
export function keyValueKey({ key, value }: KeyValue): string {
  return `${key.length}:${key}=${valueKey(value)}`;
}

/** The value as a person or a plain-text label shows it. */
export function valueText(value: AttributeValue): string {
  switch (value.type) {
    case "empty":
      return "";
    case "string":
      return value.value;
    case "bytes":
      return value.value.toHex();
    case "array":
      return `[${value.value.map(valueText).join(",")}]`;
    case "kvlist":
      return `{${value.value.map((entry) => `${entry.key}=${valueText(entry.value)}`).join(",")}}`;
    default:
      return String(value.value);
  }
}
