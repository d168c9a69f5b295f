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
import { JsonReader } from "./json-reader.ts";
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
  const reader = new JsonReader(bytes, JSON_NAME, depthMax);
  const translation = new Translation(reader);
  translation.message(PROFILES_DATA);
  reader.end();
  try {
    return decodePresentLayout(translation.writer.finish(), limits);
  } catch (error) {
    if (!isCollectorError(error)) throw error;
    // The offset is one of the translation and would mislead.
    const message = error.message.replace(new RegExp(`^${INPUT_NAME} at offset \\d+`), JSON_NAME);
    throw new CollectorError(error.code, message, { cause: error });
  }
}

class Translation {
  readonly writer: ProtoWriter = new ProtoWriter();
  /** Where in the input the translation is, for errors. */
  readonly #path: (string | number)[] = [];
  readonly #reader: JsonReader;

  constructor(reader: JsonReader) {
    this.#reader = reader;
  }

  message(type: MessageType): void {
    const reader = this.#reader;
    if (reader.kind() !== "object") throw this.#error("an object is expected");
    let oneOf = "";
    for (let name = reader.firstKey(); name !== undefined; name = reader.nextKey()) {
      const field = type.byName.get(name);
      if (!field) this.#refuseFormerName(type, name);
      if (!field || reader.kind() === "null") {
        reader.skip();
        continue;
      }
      this.#path.push(name);
      if (field.isOneOf && oneOf !== "") throw this.#error(`${oneOf} is given already`);
      if (field.isOneOf) oneOf = name;
      if (field.isRepeated) this.#list(field);
      else this.#tagged(field);
      this.#path.pop();
    }
  }

  #list(field: JsonField): void {
    const reader = this.#reader;
    if (reader.kind() !== "list") throw this.#error("a list is expected");
    if (field.isPacked) this.writer.tag(field.tag);
    const start = field.isPacked ? this.writer.begin() : 0;
    const place = this.#path.push(0) - 1;
    let count = 0;
    for (let is = reader.firstItem(); is; is = reader.nextItem()) {
      this.#path[place] = count++;
      if (field.isPacked) this.#scalar(field.kind as ScalarKind);
      else this.#tagged(field);
    }
    this.#path.pop();
    if (field.isPacked) this.writer.end(start);
  }

  #tagged(field: JsonField): void {
    this.writer.tag(field.tag);
    const type = messageType(field.kind);
    if (!type) {
      this.#scalar(field.kind as ScalarKind);
      return;
    }
    const start = this.writer.begin();
    this.message(type);
    this.writer.end(start);
  }

  #scalar(kind: ScalarKind): void {
    const { writer } = this;
    switch (kind) {
      case "string":
        writer.string(this.#text());
        return;
      case "bytes":
        writer.lengthDelimited(this.#base64());
        return;
      case "id":
        writer.lengthDelimited(this.#hex());
        return;
      case "bool":
        writer.uint32(this.#bool() ? 1 : 0);
        return;
      case "int32":
        writer.int32(Number(this.#integer(-(2n ** 31n), 2n ** 31n - 1n)));
        return;
      case "uint32":
        writer.uint32(Number(this.#integer(0n, 2n ** 32n - 1n)));
        return;
      case "int64":
        writer.int64BigInt(this.#integer(-(2n ** 63n), 2n ** 63n - 1n));
        return;
      case "uint64":
        writer.int64BigInt(this.#integer(0n, 2n ** 64n - 1n));
        return;
      case "fixed64": {
        const integer = this.#integer(0n, 2n ** 64n - 1n);
        writer.fixed64(Number(integer & 0xffffffffn), Number(integer >> 32n));
        return;
      }
      case "double":
        writer.double(this.#double());
    }
  }

  #text(): string {
    if (this.#reader.kind() !== "string") throw this.#error("a string is expected");
    return this.#reader.string();
  }

  #bool(): boolean {
    const kind = this.#reader.kind();
    if (kind !== "true" && kind !== "false") throw this.#error("true or false is expected");
    this.#reader.skip();
    return kind === "true";
  }

  /** A number's or a string's text: 64-bit integers may be either. */
  #digits(): string {
    return this.#reader.kind() === "number" ? this.#reader.number() : this.#text();
  }

  #integer(min: bigint, max: bigint): bigint {
    const text = this.#digits();
    // With a fraction or an exponent it is a number, which above 2^53 would be rounded.
    const isExact =
      INTEGER.test(text) || (DECIMAL.test(text) && Number.isSafeInteger(Number(text)));
    if (!isExact) throw this.#error("an integer is expected");
    const integer = BigInt(INTEGER.test(text) ? text : Number(text));
    if (integer < min || integer > max) throw this.#error(`${integer} is out of range`);
    return integer;
  }

  #double(): number {
    const text = this.#digits();
    if (!DECIMAL.test(text) && !NOT_FINITE.includes(text)) {
      throw this.#error("a number is expected");
    }
    return Number(text);
  }

  #base64(): Uint8Array {
    const text = this.#text().replaceAll("-", "+").replaceAll("_", "/");
    try {
      return Uint8Array.fromBase64(text);
    } catch {
      throw this.#error("base64 is expected");
    }
  }

  #hex(): Uint8Array {
    try {
      return Uint8Array.fromHex(this.#text());
    } catch (error) {
      if (isCollectorError(error)) throw error;
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

const DECIMAL = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const NOT_FINITE: readonly string[] = ["NaN", "Infinity", "-Infinity"];

/** Digits of any 64-bit integer. Longer text is refused before it becomes a BigInt. */
const INTEGER = /^-?\d{1,20}$/;
