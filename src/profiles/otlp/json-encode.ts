import type { ProfileBatch } from "../profile.ts";
import { ProtoReader } from "../protobuf/reader.ts";
import { encodeOtlp } from "./encode.ts";
import {
  type JsonField,
  type MessageType,
  messageType,
  PROFILES_DATA,
  type ScalarKind,
} from "./json-schema.ts";

/** Characters of JSON that are gathered before they become bytes; a string cannot hold all. */
const CHUNK_CHARACTERS = 1 << 20;

/** Writes OTLP/JSON profiles as UTF-8, by translating the protobuf form, which is canonical. */
export function encodeOtlpJson(batch: ProfileBatch): Uint8Array {
  const bytes = encodeOtlp(batch);
  const translation = new Translation(new ProtoReader(bytes, "OTLP profiles"));
  translation.message(PROFILES_DATA);
  return translation.finish();
}

class Translation {
  readonly #reader: ProtoReader;
  readonly #chunks: Uint8Array[] = [];
  #text = "";

  constructor(reader: ProtoReader) {
    this.#reader = reader;
  }

  finish(): Uint8Array {
    this.#flush();
    return concatenated(this.#chunks);
  }

  /** Writes the message up to the reader's end. Items of a list stand together in our encoding. */
  message(type: MessageType): void {
    const reader = this.#reader;
    let list: JsonField | undefined;
    let separator = "";
    this.#write("{");
    while (reader.offset < reader.end) {
      const tag = reader.tag();
      const field = type.byTag.get(tag);
      if (!field) throw new Error(`${type.name} has no field of the tag ${tag}`);
      if (field !== list) {
        if (list) this.#write("]");
        this.#write(`${separator}"${field.name}":`);
        list = field.isRepeated && !field.isPacked ? field : undefined;
        if (list) this.#write("[");
      } else this.#write(",");
      separator = ",";
      this.#value(field);
    }
    this.#write(list ? "]}" : "}");
  }

  #value(field: JsonField): void {
    const reader = this.#reader;
    const type = messageType(field.kind);
    if (!type && !field.isPacked) {
      this.#write(this.#scalar(field.kind as ScalarKind));
      return;
    }
    const outer = reader.enter();
    if (type) this.message(type);
    else this.#packed(field.kind as ScalarKind);
    reader.leave(outer);
  }

  #packed(kind: ScalarKind): void {
    const items: string[] = [];
    while (this.#reader.offset < this.#reader.end) items.push(this.#scalar(kind));
    this.#write(`[${items.join(",")}]`);
  }

  #scalar(kind: ScalarKind): string {
    const reader = this.#reader;
    switch (kind) {
      case "string":
        return JSON.stringify(reader.string());
      case "bytes":
        return `"${reader.lengthDelimited().toBase64()}"`;
      case "id":
        return `"${reader.lengthDelimited().toHex()}"`;
      case "bool":
        return String(reader.bool());
      case "int32":
        return String(reader.int32());
      case "uint32":
        return String(reader.uint32());
      case "int64":
        return `"${reader.int64BigInt()}"`;
      case "uint64":
        return `"${reader.uint64BigInt()}"`;
      case "fixed64":
        return `"${reader.fixed64BigInt()}"`;
      case "double":
        return doubleText(reader.double());
    }
  }

  #write(text: string): void {
    this.#text += text;
    if (this.#text.length > CHUNK_CHARACTERS) this.#flush();
  }

  #flush(): void {
    this.#chunks.push(new TextEncoder().encode(this.#text));
    this.#text = "";
  }
}

function concatenated(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** JSON has no word for what is not finite, and `0` would lose the sign of -0. */
function doubleText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? "-0.0" : String(value);
}
