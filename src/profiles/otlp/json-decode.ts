import {
  CollectorError,
  isCollectorError,
  limitExceeded,
  malformed,
} from "../../support/errors.ts";
import type { ProfileLimits } from "../../support/limits.ts";
import type { ProfileBatch } from "../profile.ts";
import { ProtoWriter } from "../protobuf/writer.ts";
import { decodePresentLayout } from "./decode.ts";
import { LAYOUT_SINCE } from "./fields.ts";
import { INPUT_NAME } from "./input.ts";
import {
  type JsonField,
  type MessageType,
  messageType,
  PROFILES_DATA,
  type ScalarKind,
} from "./json-schema.ts";

/**
 * Reads OTLP/JSON profiles by translating them to protobuf, so that both forms pass the same
 * checks. Unknown names are ignored, as the specification says; those that earlier versions
 * used for what has another name today are refused, since ignoring them would lose samples.
 */

const JSON_NAME = "OTLP/JSON profiles";

/** Objects and lists around the outermost attribute value. */
const JSON_DEPTH_AROUND_VALUES = 20;
/** Objects and lists that one nested value takes: kvlistValue, values, its item, value. */
const JSON_DEPTH_OF_VALUE = 4;

/** Names that fields had before, and until which version. */
const FORMER_NAMES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Profile: {
    sample: "1.8",
    timeNanos: "1.7",
    durationNanos: "1.7",
    locationIndices: "1.7",
    stringTable: "1.5",
  },
  ProfilesData: { stringTable: "1.6", locationTable: "1.6" },
  Sample: { value: "1.7", locationsStartIndex: "1.7", locationsLength: "1.7" },
  Location: { line: "1.8" },
};

/**
 * @param bytes   UTF-8; what is not becomes U+FFFD
 * @param limits  as for `decodeOtlp`
 * @throws INPUT_MALFORMED with the path of the value
 * @throws LIMIT_EXCEEDED
 */
export function decodeOtlpJson(bytes: Uint8Array, limits: ProfileLimits): ProfileBatch {
  if (bytes.length > limits.inflatedBytesMax) {
    throw limitExceeded(JSON_NAME, "bytes", bytes.length, limits.inflatedBytesMax);
  }
  const depthMax = JSON_DEPTH_AROUND_VALUES + JSON_DEPTH_OF_VALUE * limits.nestingMax;
  checkDepth(bytes, depthMax);
  const translation = new Translation();
  translation.message(PROFILES_DATA, parse(bytes));
  try {
    return decodePresentLayout(translation.writer.finish(), limits);
  } catch (error) {
    if (!isCollectorError(error)) throw error;
    // The offset is one of the translation and would mislead.
    const message = error.message.replace(new RegExp(`^${INPUT_NAME} at offset \\d+`), JSON_NAME);
    throw new CollectorError(error.code, message, { cause: error });
  }
}

/** Parsing and translating recurse, so the depth is bounded before they begin. */
function checkDepth(bytes: Uint8Array, depthMax: number): void {
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (isInString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) isInString = false;
    } else if (byte === QUOTE) isInString = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > depthMax) throw limitExceeded(JSON_NAME, "depth of nesting", depth, depthMax);
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) depth--;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;

function parse(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  } catch (error) {
    // A string holds 2^29 units at most; only a limit for files allows more bytes than that.
    throw limitExceeded(JSON_NAME, `bytes of JSON (${String(error)})`, bytes.length, STRING_MAX);
  }
  try {
    return JSON.parse(text, keepDigits);
  } catch (error) {
    throw malformed(JSON_NAME, `not JSON: ${(error as Error).message}`);
  }
}

/** UTF-16 units that a JavaScript string of this engine can hold. */
const STRING_MAX = 2 ** 29;

/** An integer that a number would round stays text. */
function keepDigits(
  this: unknown,
  _key: string,
  value: unknown,
  context?: { readonly source?: string },
): unknown {
  const source = context?.source;
  if (typeof value !== "number" || Number.isSafeInteger(value) || source === undefined)
    return value;
  return /^-?\d+$/.test(source) ? source : value;
}

class Translation {
  readonly writer: ProtoWriter = new ProtoWriter();
  /** Where in the input the translation is, for errors. */
  readonly #path: (string | number)[] = [];

  message(type: MessageType, value: unknown): void {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.#error("an object is expected");
    }
    let oneOf = "";
    for (const [name, item] of Object.entries(value)) {
      const field = type.byName.get(name);
      if (!field) this.#refuseFormerName(type, name);
      if (!field || item === null) continue;
      this.#path.push(name);
      if (field.isOneOf && oneOf !== "") throw this.#error(`${oneOf} is given already`);
      if (field.isOneOf) oneOf = name;
      this.#field(field, item);
      this.#path.pop();
    }
  }

  #field(field: JsonField, value: unknown): void {
    if (!field.isRepeated) {
      this.#tagged(field, value);
      return;
    }
    if (!Array.isArray(value)) throw this.#error("a list is expected");
    if (field.isPacked) this.writer.tag(field.tag);
    const start = field.isPacked ? this.writer.begin() : 0;
    for (const [i, item] of value.entries()) {
      this.#path.push(i);
      if (field.isPacked) this.#scalar(field.kind as ScalarKind, item);
      else this.#tagged(field, item);
      this.#path.pop();
    }
    if (field.isPacked) this.writer.end(start);
  }

  #tagged(field: JsonField, value: unknown): void {
    this.writer.tag(field.tag);
    const type = messageType(field.kind);
    if (!type) {
      this.#scalar(field.kind as ScalarKind, value);
      return;
    }
    const start = this.writer.begin();
    this.message(type, value);
    this.writer.end(start);
  }

  #scalar(kind: ScalarKind, value: unknown): void {
    const { writer } = this;
    switch (kind) {
      case "string":
        writer.string(this.#text(value).toWellFormed());
        return;
      case "bytes":
        writer.lengthDelimited(this.#base64(value));
        return;
      case "id":
        writer.lengthDelimited(this.#hex(value));
        return;
      case "bool":
        if (typeof value !== "boolean") throw this.#error("true or false is expected");
        writer.uint32(value ? 1 : 0);
        return;
      case "int32":
        writer.int32(Number(this.#integer(value, -(2n ** 31n), 2n ** 31n - 1n)));
        return;
      case "uint32":
        writer.uint32(Number(this.#integer(value, 0n, 2n ** 32n - 1n)));
        return;
      case "int64":
        writer.int64BigInt(this.#integer(value, -(2n ** 63n), 2n ** 63n - 1n));
        return;
      case "uint64":
        writer.int64BigInt(this.#integer(value, 0n, 2n ** 64n - 1n));
        return;
      case "fixed64": {
        const integer = this.#integer(value, 0n, 2n ** 64n - 1n);
        writer.fixed64(Number(integer & 0xffffffffn), Number(integer >> 32n));
        return;
      }
      case "double":
        writer.double(this.#double(value));
    }
  }

  #text(value: unknown): string {
    if (typeof value !== "string") throw this.#error("a string is expected");
    return value;
  }

  #integer(value: unknown, min: bigint, max: bigint): bigint {
    // A larger number that stands here has a fraction or an exponent, and was rounded.
    const isExact =
      typeof value === "number" ? Number.isSafeInteger(value) : INTEGER.test(this.#text(value));
    if (!isExact) throw this.#error("an integer is expected");
    const integer = BigInt(value as number | string);
    if (integer < min || integer > max) throw this.#error(`${integer} is out of range`);
    return integer;
  }

  #double(value: unknown): number {
    if (typeof value === "number") return value;
    const text = this.#text(value);
    const number = text.trim() === "" ? Number.NaN : Number(text);
    if (Number.isNaN(number) && text !== "NaN") throw this.#error("a number is expected");
    return number;
  }

  #base64(value: unknown): Uint8Array {
    const text = this.#text(value).replaceAll("-", "+").replaceAll("_", "/");
    try {
      return Uint8Array.fromBase64(text);
    } catch {
      throw this.#error("base64 is expected");
    }
  }

  #hex(value: unknown): Uint8Array {
    try {
      return Uint8Array.fromHex(this.#text(value));
    } catch {
      throw this.#error("hexadecimal digits are expected");
    }
  }

  #refuseFormerName(type: MessageType, name: string): void {
    const names = FORMER_NAMES[type.name];
    if (!names || !Object.hasOwn(names, name)) return;
    throw this.#error(
      `"${name}" is a name of opentelemetry-proto ${names[name]}; ` +
        `the sender must speak ${LAYOUT_SINCE} or newer`,
    );
  }

  #error(what: string): CollectorError {
    const path = this.#path
      .map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`))
      .join("");
    return malformed(path === "" ? JSON_NAME : `${JSON_NAME} at ${path.slice(1)}`, what);
  }
}

/** Digits of any 64-bit integer. Longer text is refused before it becomes a BigInt. */
const INTEGER = /^-?\d{1,20}$/;
