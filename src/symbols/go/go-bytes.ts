import { decodeUtf8 } from "../../support/byte-reader.ts";
import { malformed } from "../../support/errors.ts";

/** Of a name, or a path; generic types make long ones. */
const TEXT_BYTES_MAX = 4096;

export interface WordOrder {
  readonly littleEndian: boolean;
  /** 4 or 8. */
  readonly pointerBytes: number;
}

/** Numbers and texts of a Go program's data, by their place; what reads outside of it throws. */
export class GoBytes {
  readonly bytes: Uint8Array;
  readonly order: WordOrder;
  readonly #view: DataView;
  readonly #name: string;

  constructor(bytes: Uint8Array, order: WordOrder, name: string) {
    this.bytes = bytes;
    this.order = order;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#name = name;
  }

  u8(at: number): number {
    return this.#view.getUint8(this.#checked(at, 1));
  }

  u32(at: number): number {
    return this.#view.getUint32(this.#checked(at, 4), this.order.littleEndian);
  }

  i32(at: number): number {
    return this.#view.getInt32(this.#checked(at, 4), this.order.littleEndian);
  }

  /** As long as a pointer. Beyond 2^53 it is rounded, so compare with limits before use. */
  word(at: number): number {
    const { littleEndian, pointerBytes } = this.order;
    if (pointerBytes === 4) return this.u32(at);
    return Number(this.#view.getBigUint64(this.#checked(at, 8), littleEndian));
  }

  /** Up to the next zero, of TEXT_BYTES_MAX at most. */
  text(at: number): string {
    const start = this.#checked(at, 1);
    const bytes = this.bytes.subarray(start, start + TEXT_BYTES_MAX);
    const end = bytes.indexOf(0);
    return decodeUtf8(end < 0 ? bytes : bytes.subarray(0, end));
  }

  #checked(at: number, byteCount: number): number {
    if (at >= 0 && at + byteCount <= this.bytes.length) return at;
    throw malformed(this.#name, `place ${at} is outside of ${this.bytes.length} bytes`);
  }
}
