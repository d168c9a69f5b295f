import type { ElfFile } from "../elf/elf-file.ts";

/**
 * Where a loader puts the bytes of a file, and back. Addresses are the file's own. Of segments
 * that overlap the first in the file holds.
 */
export class FileSegments {
  readonly #count: number;
  readonly #addresses: Float64Array;
  readonly #offsets: Float64Array;
  readonly #sizes: Float64Array;

  constructor({ segments }: ElfFile) {
    this.#count = segments.length;
    this.#addresses = Float64Array.from(segments, ({ address }) => Number(address));
    this.#offsets = Float64Array.from(segments, ({ fileOffset }) => Number(fileOffset));
    this.#sizes = Float64Array.from(segments, ({ fileSize }) => Number(fileSize));
  }

  /** NaN where nothing of the file is mapped. */
  addressOf(offset: number): number {
    const segment = this.#find(this.#offsets, offset);
    if (segment < 0) return Number.NaN;
    return offset - (this.#offsets[segment] as number) + (this.#addresses[segment] as number);
  }

  /** NaN when the file does not hold the address. */
  offsetOf(address: number): number {
    const segment = this.#find(this.#addresses, address);
    if (segment < 0) return Number.NaN;
    return address - (this.#addresses[segment] as number) + (this.#offsets[segment] as number);
  }

  #find(starts: Float64Array, place: number): number {
    for (let segment = 0; segment < this.#count; segment++) {
      const distance = place - (starts[segment] as number);
      if (distance >= 0 && distance < (this.#sizes[segment] as number)) return segment;
    }
    return -1;
  }
}
