import { CollectorError } from "../support/errors.ts";

/**
 * The ring that a perf event writes its records to: one page that says how far the kernel wrote
 * and how far we read, then the data, whose size is a power of two.
 *
 *   offset  size  field of the first page
 *   1024    8     data_head       bytes written since the start, by the kernel
 *   1032    8     data_tail       bytes read since the start, by us
 *
 * Source: struct perf_event_mmap_page in include/uapi/linux/perf_event.h.
 */
const DATA_HEAD = 1024 / 8;
const DATA_TAIL = 1032 / 8;
const HEADER_BYTES = 8;

export class PerfRing {
  readonly #positions: BigUint64Array;
  readonly #data: Uint8Array;
  readonly #view: DataView;

  /** @param memory  the mapping, which has to outlive the ring: the first page, then the data */
  constructor(memory: Uint8Array, pageBytes: number) {
    const dataBytes = memory.length - pageBytes;
    if (dataBytes < pageBytes || (dataBytes & (dataBytes - 1)) !== 0) {
      throw new CollectorError("INTERNAL", `a perf ring cannot have ${dataBytes} bytes`);
    }
    this.#positions = new BigUint64Array(memory.buffer, memory.byteOffset, pageBytes / 8);
    this.#data = memory.subarray(pageBytes);
    this.#view = new DataView(this.#data.buffer, this.#data.byteOffset, dataBytes);
  }

  /** Bytes that wait to be read. */
  get pendingBytes(): number {
    const written = Atomics.load(this.#positions, DATA_HEAD);
    return Number(written - Atomics.load(this.#positions, DATA_TAIL));
  }

  /**
   * Hands every record that is there now to `visit`, then gives the room back. The bytes are the
   * ring's own: `visit` copies what it keeps.
   *
   * @returns false when the rest was unreadable and skipped, so records are missing
   */
  drain(visit: (record: Uint8Array) => void): boolean {
    const head = Atomics.load(this.#positions, DATA_HEAD);
    const tail = Atomics.load(this.#positions, DATA_TAIL);
    let remaining = Number(head - tail);
    let at = Number(tail % BigInt(this.#data.length));
    while (remaining >= HEADER_BYTES) {
      const recordBytes = this.#view.getUint16(at + 6, true);
      if (recordBytes < HEADER_BYTES || recordBytes > remaining) break;
      visit(this.#record(at, recordBytes));
      at = (at + recordBytes) % this.#data.length;
      remaining -= recordBytes;
    }
    Atomics.store(this.#positions, DATA_TAIL, head);
    return remaining === 0;
  }

  /** Records are multiples of 8 bytes, so a header is never split, but a body may be. */
  #record(at: number, recordBytes: number): Uint8Array {
    const end = at + recordBytes;
    if (end <= this.#data.length) return this.#data.subarray(at, end);
    const whole = new Uint8Array(recordBytes);
    whole.set(this.#data.subarray(at));
    whole.set(this.#data.subarray(0, end - this.#data.length), this.#data.length - at);
    return whole;
  }
}
