/**
 * A bounded little-endian cursor for the millions of small reads of call frame information.
 * A read beyond the end gives 0, moves to the end and sets `overrun`, which the caller checks
 * once a record: an error for each broken record of a hostile file would cost more than the file.
 */
export class CfiCursor {
  readonly bytes: Uint8Array;
  /** Where the next read begins, from the start of `bytes`. */
  position = 0;
  /** No read goes past it; never above the length of `bytes`. */
  end: number;
  overrun = false;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.end = bytes.length;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves to the range and forgets an earlier overrun. Ends beyond the bytes are cut. */
  window(position: number, end: number): void {
    this.end = Math.min(end, this.bytes.length);
    this.position = Math.min(position, this.end);
    this.overrun = position > this.end;
  }

  u8(): number {
    if (this.position >= this.end) return this.#past();
    return this.bytes[this.position++] as number;
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#view.getUint16(at, true);
  }

  u32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getUint32(at, true);
  }

  i16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#view.getInt16(at, true);
  }

  i32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getInt32(at, true);
  }

  /** 64 bits, two's complement. Beyond 2^53 it is rounded, so compare with limits before use. */
  i64(): number {
    const at = this.#take(8);
    if (at < 0) return 0;
    return this.#view.getInt32(at + 4, true) * 2 ** 32 + this.#view.getUint32(at, true);
  }

  /** Beyond 2^53 it is rounded, so compare with limits before use. */
  uleb128(): number {
    const first = this.u8();
    return first < 0x80 ? first : this.#lebRest(first, false);
  }

  /** Beyond 2^53 it is rounded, so compare with limits before use. */
  sleb128(): number {
    const first = this.u8();
    if (first < 0x80) return first < 0x40 ? first : first - 0x80;
    return this.#lebRest(first, true);
  }

  skip(byteCount: number): void {
    if (byteCount <= this.end - this.position) this.position += byteCount;
    else this.#past();
  }

  #lebRest(first: number, isSigned: boolean): number {
    let value = first & 0x7f;
    let scale = 0x80;
    for (let count = 1; count < LEB128_BYTES_MAX; count++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte < 0x80) return isSigned && byte >= 0x40 ? value - scale : value;
    }
    return this.#past();
  }

  #take(byteCount: number): number {
    const at = this.position;
    if (byteCount > this.end - at) {
      this.#past();
      return -1;
    }
    this.position = at + byteCount;
    return at;
  }

  #past(): number {
    this.overrun = true;
    this.position = this.end;
    return 0;
  }
}

/** 64 bits in groups of seven; assemblers pad no further. */
const LEB128_BYTES_MAX = 10;
