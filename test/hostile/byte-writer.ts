/** Bytes that are written one behind the other, in one byte order. */
export class ByteWriter {
  readonly littleEndian: boolean;
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  constructor(littleEndian = true) {
    this.littleEndian = littleEndian;
  }

  get length(): number {
    return this.#length;
  }

  /** A view, until more is written. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  u8(...values: readonly number[]): this {
    const at = this.#room(values.length);
    for (const [index, value] of values.entries()) this.#bytes[at + index] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#room(2);
    this.#view.setUint16(at, value, this.littleEndian);
    return this;
  }

  u32(value: number): this {
    const at = this.#room(4);
    this.#view.setUint32(at, value, this.littleEndian);
    return this;
  }

  /** Of a negative number its 64 bits. */
  u64(value: number | bigint): this {
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), this.littleEndian);
    return this;
  }

  uleb(value: number | bigint): this {
    let rest = BigInt(value);
    for (; rest >= 0x80n; rest >>= 7n) this.u8(Number(rest & 0x7fn) | 0x80);
    return this.u8(Number(rest));
  }

  /** With its NUL. */
  text(value: string): this {
    return this.put(Buffer.from(`${value}\0`, "latin1"));
  }

  put(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** The same bytes again and again. */
  times(count: number, pattern: ArrayLike<number>): this {
    const at = this.#room(count * pattern.length);
    const target = this.#bytes.subarray(at, this.#length);
    if (target.length === 0) return this;
    target.set(pattern);
    for (let done = pattern.length; done < target.length; done *= 2) {
      target.copyWithin(done, 0, Math.min(done, target.length - done));
    }
    return this;
  }

  /** Overwrites a word that was written. */
  patch32(at: number, value: number): this {
    this.#view.setUint32(at, value, this.littleEndian);
    return this;
  }

  #room(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length));
      bytes.set(this.#bytes);
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    return at;
  }
}
