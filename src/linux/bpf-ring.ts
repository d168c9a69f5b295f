/**
 * A BPF ring buffer (BPF_MAP_TYPE_RINGBUF) read in place.
 *
 *   page 0       consumer position u64     ours to write
 *   page 1       producer position u64     read only
 *   page 2…      the data                  read only, mapped twice in a row, so that a record
 *                                          that wraps around is contiguous all the same
 *
 * A record: u32 length with the bits busy (31) and discard (30), u32 unused, the bytes, padding
 * to 8. Positions only grow; an offset is the position modulo the size. The kernel counts the
 * double mapping twice in this process's RSS: a ring of n bytes shows as up to 2n.
 *
 * Source: kernel/bpf/ringbuf.c, include/uapi/linux/bpf.h.
 */
import { checked } from "./errno.ts";
import { forgetMemory, memoryAt } from "./ffi.ts";
import * as libc from "./libc.ts";

const RECORD_HEADER_BYTES = 8;
const BUSY_BIT = 0x8000_0000;
const DISCARD_BIT = 0x4000_0000;
const LENGTH_MASK = 0x3fff_ffff;

/** After so many bytes the kernel is told what is free again, so that a long drain loses nothing. */
const RELEASE_BYTES = 64 * 1024;

/** The memory of a ring: the kernel's, or a test's. */
export interface RingMemory {
  readonly byteLength: number;
  /** One element: the position up to which we have read. */
  readonly consumer: BigUint64Array<ArrayBuffer>;
  /** One element: the position up to which the kernel has reserved. */
  readonly producer: BigUint64Array<ArrayBuffer>;
  /** The data twice: 2 × byteLength bytes. */
  readonly data: Uint32Array<ArrayBuffer>;
}

/** Sees a record's bytes at `data[wordOffset]`; they are gone when it returns. */
export type RecordVisitor = (data: Uint32Array, wordOffset: number, byteLength: number) => void;

/**
 * Visits the records that were ready at the call, oldest first, and frees them: never more than
 * the ring holds. Stops at a record that the kernel is still writing. When `visit` throws, its
 * record is used up.
 *
 * @returns the number of records visited
 */
export function drainRing(ring: RingMemory, visit: RecordVisitor): number {
  const mask = ring.byteLength - 1;
  const lengths = new Int32Array(ring.data.buffer, ring.data.byteOffset, ring.data.length);
  const end = Number(Atomics.load(ring.producer, 0));
  let position = Number(Atomics.load(ring.consumer, 0));
  let released = position;
  let visited = 0;
  try {
    while (position < end) {
      const wordOffset = (position & mask) >>> 2;
      const header = Atomics.load(lengths, wordOffset) >>> 0;
      if (header >= BUSY_BIT) break;
      const byteLength = header & LENGTH_MASK;
      position += RECORD_HEADER_BYTES + ((byteLength + 7) & ~7);
      if ((header & DISCARD_BIT) === 0) {
        visited++;
        visit(ring.data, wordOffset + RECORD_HEADER_BYTES / 4, byteLength);
      }
      if (position - released >= RELEASE_BYTES) {
        Atomics.store(ring.consumer, 0, BigInt(position));
        released = position;
      }
    }
  } finally {
    Atomics.store(ring.consumer, 0, BigInt(position));
  }
  return visited;
}

/** The mapping of a ring buffer's map. */
export class BpfRing implements Disposable {
  readonly #pageBytes = libc.pageSize();
  readonly #byteLength: number;
  readonly #consumerAddress: number;
  readonly #producerAddress: number;
  #memory: RingMemory | undefined;

  /** @param byteLength  the map's max_entries */
  constructor(mapFd: number, byteLength: number) {
    this.#byteLength = byteLength;
    this.#consumerAddress = checked(
      libc.mmapShared(mapFd, this.#pageBytes, libc.PROT_READ | libc.PROT_WRITE),
      "mmap of the BPF ring's consumer page",
    );
    const readOnly = libc.mmapShared(mapFd, this.#readOnlyBytes, libc.PROT_READ, this.#pageBytes);
    if (readOnly < 0) libc.munmap(this.#consumerAddress, this.#pageBytes);
    this.#producerAddress = checked(readOnly, `mmap of a BPF ring of ${byteLength} bytes`);
    this.#memory = this.#map();
  }

  get #readOnlyBytes(): number {
    return this.#pageBytes + 2 * this.#byteLength;
  }

  #map(): RingMemory {
    const consumer = memoryAt(this.#consumerAddress, this.#pageBytes).buffer;
    const readOnly = memoryAt(this.#producerAddress, this.#readOnlyBytes).buffer;
    return {
      byteLength: this.#byteLength,
      consumer: new BigUint64Array(consumer, 0, 1),
      producer: new BigUint64Array(readOnly, 0, 1),
      data: new Uint32Array(readOnly, this.#pageBytes, this.#byteLength / 2),
    };
  }

  /** Bytes that wait to be read. */
  get pendingBytes(): number {
    if (this.#memory === undefined) return 0;
    const { producer, consumer } = this.#memory;
    return Number(Atomics.load(producer, 0) - Atomics.load(consumer, 0));
  }

  /** See `drainRing`. Never blocks. */
  drain(visit: RecordVisitor): number {
    if (this.#memory === undefined) return 0;
    return drainRing(this.#memory, visit);
  }

  /** Not from inside a visitor. */
  [Symbol.dispose](): void {
    if (this.#memory === undefined) return;
    forgetMemory(this.#memory.consumer.buffer);
    forgetMemory(this.#memory.data.buffer);
    this.#memory = undefined;
    libc.munmap(this.#consumerAddress, this.#pageBytes);
    libc.munmap(this.#producerAddress, this.#readOnlyBytes);
  }
}

/** The smallest ring that holds `bytes`: a power of two of whole pages, as the kernel wants. */
export function ringBytesFor(bytes: number): number {
  const pageBytes = libc.pageSize();
  let size = pageBytes;
  while (size < bytes && size < RING_BYTES_MAX) size *= 2;
  return size;
}

/** The kernel's record header has room for 30 bits of length; half of it leaves no doubt. */
export const RING_BYTES_MAX: number = 512 * 1024 * 1024;
