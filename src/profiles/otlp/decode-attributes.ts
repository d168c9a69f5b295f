import type { AttributeValue, KeyValue } from "../attribute-value.ts";
import {
  ANY_VALUE_ARRAY_VALUE,
  ANY_VALUE_BOOL_VALUE,
  ANY_VALUE_BYTES_VALUE,
  ANY_VALUE_DOUBLE_VALUE,
  ANY_VALUE_INT_VALUE,
  ANY_VALUE_KVLIST_VALUE,
  ANY_VALUE_STRING_VALUE,
  ANY_VALUE_STRING_VALUE_STRINDEX,
  KEY_VALUE_KEY,
  KEY_VALUE_KEY_STRINDEX,
  KEY_VALUE_VALUE,
  LIST_VALUES,
} from "./fields.ts";
import type { OtlpInput } from "./input.ts";

/**
 * AnyValue and KeyValue. References into the string table are resolved here, at any depth, so
 * the model never holds one; the strings must have been read before.
 */

export const EMPTY_VALUE: AttributeValue = { type: "empty" };

/**
 * Reads an AnyValue.
 *
 * @param before  what the owner had before; protobuf merges a message that is given twice
 * @param depth   how deep inside of other values this one stands
 */
export function decodeAnyValue(
  input: OtlpInput,
  before: AttributeValue = EMPTY_VALUE,
  depth = 1,
): AttributeValue {
  const { reader } = input;
  input.atMost("depth of nested values", depth, input.limits.nestingMax);
  const outer = reader.enter();
  let value = before;
  while (reader.offset < reader.end) value = decodeOneOf(input, value, depth);
  reader.leave(outer);
  return value;
}

function decodeOneOf(input: OtlpInput, before: AttributeValue, depth: number): AttributeValue {
  const { reader } = input;
  const tag = reader.tag();
  switch (tag) {
    case ANY_VALUE_STRING_VALUE:
      return { type: "string", value: input.string("AnyValue.string_value") };
    case ANY_VALUE_BOOL_VALUE:
      return { type: "bool", value: reader.bool() };
    case ANY_VALUE_INT_VALUE:
      return { type: "int", value: reader.int64BigInt() };
    case ANY_VALUE_DOUBLE_VALUE:
      return { type: "double", value: reader.double() };
    case ANY_VALUE_ARRAY_VALUE: {
      // Appended to in place: a copy for each of a million empty lists would take for ever.
      const items = before.type === "array" ? (before.value as AttributeValue[]) : [];
      return { type: "array", value: decodeArray(input, items, depth) };
    }
    case ANY_VALUE_KVLIST_VALUE: {
      const entries = before.type === "kvlist" ? (before.value as KeyValue[]) : [];
      return { type: "kvlist", value: decodeKeyValueList(input, entries, depth) };
    }
    case ANY_VALUE_BYTES_VALUE:
      input.atMost("bytes of a value", reader.peekLength(), input.limits.stringBytesMax);
      return { type: "bytes", value: reader.lengthDelimited().slice() };
    case ANY_VALUE_STRING_VALUE_STRINDEX: {
      const index = input.stringIndex("AnyValue.string_value_strindex");
      return { type: "string", value: input.dictionary.strings.at(index) };
    }
    default:
      input.skipUnknown(tag, "AnyValue", 8);
      return before;
  }
}

function decodeArray(input: OtlpInput, items: AttributeValue[], depth: number): AttributeValue[] {
  const { reader } = input;
  const outer = reader.enter();
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag === LIST_VALUES) {
      items.push(decodeAnyValue(input, EMPTY_VALUE, depth + 1));
      input.atMost("items of an array value", items.length, input.limits.attributesMax);
    } else input.skipUnknown(tag, "ArrayValue", 1);
  }
  reader.leave(outer);
  return items;
}

function decodeKeyValueList(input: OtlpInput, entries: KeyValue[], depth: number): KeyValue[] {
  const { reader } = input;
  const outer = reader.enter();
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag === LIST_VALUES) pushKeyValue(input, entries, depth + 1);
    else input.skipUnknown(tag, "KeyValueList", 1);
  }
  reader.leave(outer);
  return entries;
}

/** Reads a KeyValue and appends it to an owner's attributes, within the limit. */
export function pushKeyValue(input: OtlpInput, attributes: KeyValue[], depth = 1): void {
  const { reader } = input;
  input.atMost("attributes of one owner", attributes.length + 1, input.limits.attributesMax);
  const outer = reader.enter();
  let key = "";
  let keyIndex = 0;
  let value = EMPTY_VALUE;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    switch (tag) {
      case KEY_VALUE_KEY:
        key = input.string("KeyValue.key");
        break;
      case KEY_VALUE_KEY_STRINDEX:
        keyIndex = input.stringIndex("KeyValue.key_strindex");
        break;
      case KEY_VALUE_VALUE:
        value = decodeAnyValue(input, value, depth);
        break;
      default:
        input.skipUnknown(tag, "KeyValue", 3);
    }
  }
  if (key !== "" && keyIndex !== 0) {
    throw reader.error("a KeyValue has both a key and a key_strindex");
  }
  reader.leave(outer);
  attributes.push({ key: keyIndex === 0 ? key : input.dictionary.strings.at(keyIndex), value });
}
