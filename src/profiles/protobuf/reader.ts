import { decodeUtf8 } from "../../support/byte-reader.ts";
import { type CollectorError, malformed } from "../../support/errors.ts";
import type { Float64Column, Int32Column, Uint64Column } from "../columns.ts";

/**
 * A bounded cursor over protobuf wire bytes, for hand-written decoders that read straight into
 * columns.
 *
 *   message  = (tag value)*
 *   tag      = varint of field number << 3 | wire type
 *   value    = varint          wire type 0
 *            | 8 bytes         wire type 1, little endian
 *            | varint n, n bytes   wire type 2: string, bytes, message, packed scalars
 *            | fields, end tag     wire types 3 and 4: groups, only ever skipped
 *            | 4 bytes         wire type 5, little endian
 *
 * Source: protobuf.dev/programming-guides/encoding. A decoder switches on the whole tag
 * (`tagOf(field, wireType)`) and hands every tag that it does not know to `skip`:
 *
 *   while (reader.offset < reader.end) {
 *     const tag = reader.tag();
 *     switch (tag) { case NAME: …; default: reader.skip(tag); }
 *   }
 *
 * Nothing is read past `end`, the end of the message that was entered last. Everything that
 * breaks the format throws INPUT_MALFORMED with the name of the input and the offset.
 */

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_GROUP_START = 3;
export const WIRE_GROUP_END = 4;
export const WIRE_FIXED32 = 5;

/** Groups inside of groups that are skipped; no format that we read has any. */
export const GROUP_NESTING_MAX = 16;

/** A 64-bit varint needs at most this many bytes; more is malformed. */
const VARINT_BYTES_MAX = 10;

const TWO_32 = 2 ** 32;

/** The tag of a field, as `ProtoReader.tag` returns it and `ProtoWriter.tag` takes it. */
export function tagOf(fieldNumber: number, wireType: number): number {
  return ((fieldNumber << 3) | wireType) >>> 0;
}

export class ProtoReader {
  readonly bytes: Uint8Array;
  /** What is read, for error messages: "OTLP profiles". */
  readonly name: string;
  offset = 0;
  /** Where the message that was entered last ends. */
  end: number;
  /** The halves, unsigned, of what `uint64` or `fixed64` read last. */
  low = 0;
  high = 0;

  constructor(bytes: Uint8Array, name: string) {
    this.bytes = bytes;
    this.name = name;
    this.end = bytes.length;
  }

  /** The next field's tag. */
  tag(): number {
    return this.uint32();
  }

  /** A varint's low 32 bits, unsigned: uint32, bool, a tag, a length. Higher bits are cut off. */
  uint32(): number {
    if (this.offset < this.end) {
      const byte = this.bytes[this.offset] as number;
      if (byte < 0x80) {
        this.offset++;
        return byte;
      }
    }
    this.uint64();
    return this.low;
  }

  /** A varint's low 32 bits, signed: int32, enum. Higher bits are cut off, as protobuf says. */
  int32(): number {
    return this.uint32() | 0;
  }

  /** A varint of up to 64 bits into `low` and `high`. */
  uint64(): void {
    const { bytes, end } = this;
    let offset = this.offset;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 7 * VARINT_BYTES_MAX; shift += 7) {
      if (offset >= end) throw this.error("a varint is cut off");
      const byte = bytes[offset++] as number;
      if (shift < 28) low |= (byte & 0x7f) << shift;
      else if (shift === 28) {
        low |= (byte & 0x7f) << 28;
        high |= (byte & 0x7f) >> 4;
      } else high |= (byte & 0x7f) << (shift - 32);
      if (byte < 0x80) {
        this.offset = offset;
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    throw this.error(`a varint has more than ${VARINT_BYTES_MAX} bytes`);
  }

  /** A signed 64-bit varint that a number holds exactly; one beyond ±(2^53-1) is malformed. */
  int64Number(what: string): number {
    if (this.offset < this.end) {
      const byte = this.bytes[this.offset] as number;
      if (byte < 0x80) {
        this.offset++;
        return byte;
      }
    }
    this.uint64();
    return this.#exact((this.high | 0) * TWO_32 + this.low, what);
  }

  /** An unsigned 64-bit varint that a number holds exactly; one above 2^53-1 is malformed. */
  uint64Number(what: string): number {
    this.uint64();
    return this.#exact(this.high * TWO_32 + this.low, what);
  }

  int64BigInt(): bigint {
    this.uint64();
    return BigInt.asIntN(64, this.#pair());
  }

  uint64BigInt(): bigint {
    this.uint64();
    return this.#pair();
  }

  bool(): boolean {
    this.uint64();
    return (this.low | this.high) !== 0;
  }

  /** Eight bytes into `low` and `high`. */
  fixed64(): void {
    const at = this.#take(8);
    this.low = this.#u32(at);
    this.high = this.#u32(at + 4);
  }

  fixed64BigInt(): bigint {
    this.fixed64();
    return this.#pair();
  }

  double(): number {
    const at = this.#take(8);
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + at, 8).getFloat64(0, true);
  }

  /** A length-delimited field's contents as a view, not a copy. */
  lengthDelimited(): Uint8Array {
    const start = this.#take(this.uint32(), true);
    return this.bytes.subarray(start, this.offset);
  }

  /** How long the length-delimited field here is, without reading it; for limits. */
  peekLength(): number {
    const before = this.offset;
    const length = this.uint32();
    this.offset = before;
    return length;
  }

  /**
   * A string; what is not UTF-8 in it becomes U+FFFD. A decoder that may be given more bytes
   * than a string can have (2^29) checks `peekLength` against its own limit first.
   */
  string(): string {
    const length = this.uint32();
    const start = this.#take(length, true);
    return length <= SHORT_STRING_BYTES ? this.#shortString(start) : this.#longString(start);
  }

  /**
   * Enters a nested message: `end` becomes its end.
   *
   * @returns the outer end, to be given to `leave`
   */
  enter(): number {
    const length = this.uint32();
    const outer = this.end;
    if (length > outer - this.offset) throw this.#overrun(length);
    this.end = this.offset + length;
    return outer;
  }

  /** Goes on behind the message that was entered, whether or not it was read to its end. */
  leave(outer: number): void {
    this.offset = this.end;
    this.end = outer;
  }

  /** Packed int32 or enum values, appended to `column`. Returns how many. */
  packedInt32(column: Int32Column): number {
    const outer = this.enter();
    const before = column.length;
    column.reserve(this.end - this.offset);
    const { bytes, end } = this;
    const data = column.data;
    let length = before;
    let offset = this.offset;
    while (offset < end) {
      const first = bytes[offset] as number;
      if (first < 0x80) {
        data[length++] = first;
        offset++;
        continue;
      }
      const second = offset + 1 < end ? (bytes[offset + 1] as number) : 0x80;
      if (second < 0x80) {
        data[length++] = (first & 0x7f) | (second << 7);
        offset += 2;
        continue;
      }
      this.offset = offset;
      data[length++] = this.int32();
      offset = this.offset;
    }
    column.length = length;
    this.leave(outer);
    return length - before;
  }

  /** Packed int64 values, exact or malformed, appended to `column`. Returns how many. */
  packedInt64(column: Float64Column, what: string): number {
    const outer = this.enter();
    const before = column.length;
    column.reserve(this.end - this.offset);
    while (this.offset < this.end) column.push(this.int64Number(what));
    this.leave(outer);
    return column.length - before;
  }

  /** Packed uint64 values, exact or malformed, appended to `column`. Returns how many. */
  packedUint64(column: Float64Column, what: string): number {
    const outer = this.enter();
    const before = column.length;
    column.reserve(this.end - this.offset);
    const { bytes, end } = this;
    const data = column.data;
    let length = before;
    let offset = this.offset;
    while (offset < end) {
      const first = bytes[offset] as number;
      if (first < 0x80) {
        data[length++] = first;
        offset++;
        continue;
      }
      const second = offset + 1 < end ? (bytes[offset + 1] as number) : 0x80;
      if (second < 0x80) {
        data[length++] = (first & 0x7f) | (second << 7);
        offset += 2;
        continue;
      }
      this.offset = offset;
      data[length++] = this.uint64Number(what);
      offset = this.offset;
    }
    column.length = length;
    this.leave(outer);
    return length - before;
  }

  /** Packed fixed64 values, appended to `column`. Returns how many. */
  packedFixed64(column: Uint64Column): number {
    const outer = this.enter();
    const count = (this.end - this.offset) / 8;
    if (!Number.isInteger(count)) throw this.error("packed 64-bit values are not whole");
    column.reserve(count);
    for (let at = this.offset; at < this.end; at += 8) {
      column.push(this.#u32(at), this.#u32(at + 4));
    }
    this.leave(outer);
    return count;
  }

  /** Skips the value of a field that the decoder does not know, whose tag was just read. */
  skip(tag: number): void {
    this.#skip(tag, 0);
  }

  /** An error at the present offset, to be thrown by the caller. */
  error(what: string): CollectorError {
    return malformed(`${this.name} at offset ${this.offset}`, what);
  }

  #skip(tag: number, depth: number): void {
    if (tag >>> 3 === 0) throw this.error("the field number 0 does not exist");
    switch (tag & 7) {
      case WIRE_VARINT:
        this.uint64();
        return;
      case WIRE_FIXED64:
        this.#take(8);
        return;
      case WIRE_BYTES:
        this.#take(this.uint32(), true);
        return;
      case WIRE_FIXED32:
        this.#take(4);
        return;
      case WIRE_GROUP_START:
        this.#skipGroup(tag >>> 3, depth + 1);
        return;
      default:
        throw this.error(`field ${tag >>> 3} has wire type ${tag & 7}, which begins no value`);
    }
  }

  #skipGroup(fieldNumber: number, depth: number): void {
    if (depth > GROUP_NESTING_MAX) throw this.error("groups are nested too deep");
    for (;;) {
      if (this.offset >= this.end) throw this.error(`the group ${fieldNumber} has no end`);
      const tag = this.tag();
      if (tag === tagOf(fieldNumber, WIRE_GROUP_END)) return;
      this.#skip(tag, depth);
    }
  }

  #shortString(start: number): string {
    let text = "";
    for (let at = start; at < this.offset; at++) {
      const byte = this.bytes[at] as number;
      if (byte >= 0x80) return this.#longString(start);
      text += ASCII[byte];
    }
    return text;
  }

  #longString(start: number): string {
    return decodeUtf8(this.bytes.subarray(start, this.offset));
  }

  #pair(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low);
  }

  #u32(at: number): number {
    const bytes = this.bytes;
    return (
      ((bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24)) >>>
      0
    );
  }

  #exact(value: number, what: string): number {
    if (value > Number.MAX_SAFE_INTEGER || value < -Number.MAX_SAFE_INTEGER) {
      const exact = value < 0 ? BigInt.asIntN(64, this.#pair()) : this.#pair();
      throw this.error(`${what} ${exact} is beyond 2^53 and would lose digits`);
    }
    return value;
  }

  #take(byteCount: number, isLength = false): number {
    if (byteCount > this.end - this.offset) {
      throw isLength ? this.#overrun(byteCount) : this.error("a fixed-width value is cut off");
    }
    const start = this.offset;
    this.offset += byteCount;
    return start;
  }

  #overrun(length: number): CollectorError {
    return this.error(`a length of ${length} bytes where ${this.end - this.offset} are left`);
  }
}

/** Below this a loop over characters beats the call into the decoder. */
const SHORT_STRING_BYTES = 24;
const ASCII: readonly string[] = Array.from({ length: 128 }, (_, code) =>
  String.fromCharCode(code),
);
