/** Numbers and texts behind one another, as a program of some width and byte order has them. */
export class WordWriter {
  readonly #is64: boolean;
  readonly #littleEndian: boolean;
  bytes: Buffer = Buffer.alloc(0);

  constructor(is64: boolean, littleEndian: boolean) {
    this.#is64 = is64;
    this.#littleEndian = littleEndian;
  }

  get length(): number {
    return this.bytes.length;
  }

  add(bytes: Uint8Array): number {
    const at = this.bytes.length;
    this.bytes = Buffer.concat([this.bytes, bytes]);
    return at;
  }

  align(byteCount: number): void {
    this.add(Buffer.alloc((byteCount - (this.length % byteCount)) % byteCount));
  }

  text(text: string): number {
    return this.add(Buffer.from(`${text}\0`));
  }

  u8(...values: readonly number[]): void {
    this.add(Buffer.from(values));
  }

  i16(value: number): void {
    const bytes = Buffer.alloc(2);
    if (this.#littleEndian) bytes.writeInt16LE(value);
    else bytes.writeInt16BE(value);
    this.add(bytes);
  }

  u32(...values: readonly number[]): void {
    for (const value of values) {
      const bytes = Buffer.alloc(4);
      if (this.#littleEndian) bytes.writeUInt32LE(value >>> 0);
      else bytes.writeUInt32BE(value >>> 0);
      this.add(bytes);
    }
  }

  word(...values: readonly number[]): void {
    for (const value of values) {
      if (!this.#is64) this.u32(value);
      else if (this.#littleEndian) this.u32(value, value / 2 ** 32);
      else this.u32(value / 2 ** 32, value);
    }
  }
}

export interface Strings {
  readonly bytes: Buffer;
  readonly places: ReadonlyMap<string, number>;
}

/** Texts, each once, behind an empty one. */
export function stringsOf(texts: Iterable<string>): Strings {
  const writer = new WordWriter(true, true);
  // The first place means none.
  writer.u8(0);
  const places = new Map<string, number>();
  for (const text of texts) if (!places.has(text)) places.set(text, writer.text(text));
  return { bytes: writer.bytes, places };
}
