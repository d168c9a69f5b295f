/**
 * Writes protobuf wire bytes (see reader.ts for the layout) into one buffer that grows.
 *
 * The `…Field` methods write nothing for the zero value, as proto3 does; the others write the
 * bare value behind a `tag`. A nested message stands between `begin` and `end`: its length is
 * put in afterwards, and its bytes are moved when the length needs more than one byte.
 */

const FIRST_CAPACITY = 1024;
const TWO_32 = 2 ** 32;

const utf8 = new TextEncoder();

export class ProtoWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #offset = 0;

  /** @param capacity  bytes expected, when the caller has a notion */
  constructor(capacity: number = FIRST_CAPACITY) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written. */
  get length(): number {
    return this.#offset;
  }

  /** What was written, as a view of the buffer: write nothing more after this. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#offset);
  }

  /** A tag of `tagOf`. */
  tag(tag: number): void {
    this.uint32(tag);
  }

  /** A varint of an unsigned 32-bit number. */
  uint32(value: number): void {
    if (this.#bytes.length - this.#offset < 5) this.#grow(5);
    const bytes = this.#bytes;
    let offset = this.#offset;
    let rest = value;
    while (rest > 0x7f) {
      bytes[offset++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[offset++] = rest;
    this.#offset = offset;
  }

  /** A varint of a signed 32-bit number: ten bytes when it is negative. */
  int32(value: number): void {
    if (value >= 0) this.uint32(value);
    else this.uint64(value >>> 0, 0xffffffff);
  }

  /** A varint of a signed integer that a number holds exactly. */
  int64(value: number): void {
    if (value >= 0 && value < TWO_32) this.uint32(value);
    else this.uint64(value >>> 0, Math.floor(value / TWO_32) >>> 0);
  }

  /** A varint of any 64-bit integer, signed or not. */
  int64BigInt(value: bigint): void {
    this.uint64(Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn));
  }

  /** A varint of two 32-bit halves. */
  uint64(low: number, high: number): void {
    if (this.#bytes.length - this.#offset < 10) this.#grow(10);
    const bytes = this.#bytes;
    let lowRest = low >>> 0;
    let highRest = high >>> 0;
    while (highRest !== 0) {
      bytes[this.#offset++] = (lowRest & 0x7f) | 0x80;
      lowRest = ((lowRest >>> 7) | (highRest << 25)) >>> 0;
      highRest >>>= 7;
    }
    this.uint32(lowRest);
  }

  /** Eight bytes of two 32-bit halves. */
  fixed64(low: number, high: number): void {
    if (this.#bytes.length - this.#offset < 8) this.#grow(8);
    this.#u32(low);
    this.#u32(high);
  }

  double(value: number): void {
    if (this.#bytes.length - this.#offset < 8) this.#grow(8);
    this.#view.setFloat64(this.#offset, value, true);
    this.#offset += 8;
  }

  /** A string with its length before it. */
  string(text: string): void {
    // A UTF-16 unit is at most three bytes of UTF-8; the length is at most five.
    const most = text.length * 3;
    if (this.#bytes.length - this.#offset < most + 5) this.#grow(most + 5);
    if (text.length <= SHORT_TEXT && this.#shortAscii(text)) return;
    const start = this.begin();
    this.#offset += utf8.encodeInto(text, this.#bytes.subarray(this.#offset)).written;
    this.end(start);
  }

  /** Bytes with their length before them. */
  lengthDelimited(contents: Uint8Array): void {
    this.uint32(contents.length);
    if (this.#bytes.length - this.#offset < contents.length) this.#grow(contents.length);
    this.#bytes.set(contents, this.#offset);
    this.#offset += contents.length;
  }

  /** Begins a nested message or packed list behind its tag; give the result to `end`. */
  begin(): number {
    if (this.#bytes.length === this.#offset) this.#grow(1);
    return ++this.#offset;
  }

  /** Ends what `begin` began. */
  end(start: number): void {
    const length = this.#offset - start;
    if (length < 0x80) {
      this.#bytes[start - 1] = length;
      return;
    }
    const more = varintSize(length) - 1;
    if (this.#bytes.length - this.#offset < more) this.#grow(more);
    this.#bytes.copyWithin(start + more, start, this.#offset);
    this.#offset = start - 1;
    this.uint32(length);
    this.#offset += length;
  }

  /** Packed int32 values, from `start` to before `end` of an array. Nothing when empty. */
  packedInt32Field(tag: number, data: Int32Array, start: number, end: number): void {
    if (start >= end) return;
    this.uint32(tag);
    const count = end - start;
    if (this.#bytes.length - this.#offset < count * 10 + 5) this.#grow(count * 10 + 5);
    const from = this.begin();
    const bytes = this.#bytes;
    let offset = this.#offset;
    for (let at = start; at < end; at++) {
      const value = data[at] as number;
      if (value >>> 0 < 0x80) bytes[offset++] = value;
      else if (value >>> 0 < 0x4000) {
        bytes[offset++] = (value & 0x7f) | 0x80;
        bytes[offset++] = value >>> 7;
      } else {
        this.#offset = offset;
        this.int32(value);
        offset = this.#offset;
      }
    }
    this.#offset = offset;
    this.end(from);
  }

  uint32Field(tag: number, value: number): void {
    if (value === 0) return;
    this.uint32(tag);
    this.uint32(value);
  }

  int32Field(tag: number, value: number): void {
    if (value === 0) return;
    this.uint32(tag);
    this.int32(value);
  }

  int64Field(tag: number, value: number): void {
    if (value === 0) return;
    this.uint32(tag);
    this.int64(value);
  }

  int64BigIntField(tag: number, value: bigint): void {
    if (value === 0n) return;
    this.uint32(tag);
    this.int64BigInt(value);
  }

  uint64Field(tag: number, low: number, high: number): void {
    if (low === 0 && high === 0) return;
    this.uint32(tag);
    this.uint64(low, high);
  }

  fixed64BigIntField(tag: number, value: bigint): void {
    if (value === 0n) return;
    this.uint32(tag);
    this.fixed64(Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn));
  }

  boolField(tag: number, value: boolean): void {
    this.uint32Field(tag, value ? 1 : 0);
  }

  stringField(tag: number, text: string): void {
    if (text === "") return;
    this.uint32(tag);
    this.string(text);
  }

  bytesField(tag: number, contents: Uint8Array): void {
    if (contents.length === 0) return;
    this.uint32(tag);
    this.lengthDelimited(contents);
  }

  /** Writes a short text of ASCII only; leaves nothing behind when it is not. */
  #shortAscii(text: string): boolean {
    const bytes = this.#bytes;
    let offset = this.#offset;
    bytes[offset++] = text.length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) return false;
      bytes[offset++] = code;
    }
    this.#offset = offset;
    return true;
  }

  #u32(value: number): void {
    const bytes = this.#bytes;
    bytes[this.#offset++] = value;
    bytes[this.#offset++] = value >>> 8;
    bytes[this.#offset++] = value >>> 16;
    bytes[this.#offset++] = value >>> 24;
  }

  #grow(more: number): void {
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#offset + more));
    larger.set(this.#bytes.subarray(0, this.#offset));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** Below this a loop over characters beats the call into the encoder. */
const SHORT_TEXT = 24;

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 0x7f; rest >>>= 7) size++;
  return size;
}
