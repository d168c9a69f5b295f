import { countBefore } from "../support/sorted-search.ts";
import type { SymbolFrame } from "./executable-file.ts";
import type { FoundFrames } from "./worker-protocol.ts";

/** Ranges of all files that are kept; a host in its steady state uses some thousands. */
const RANGES_MAX = 32_768;
/** Characters of their names, which may be of 16 KiB each. */
const CHARACTERS_MAX = 8 * 1024 * 1024;

/**
 * Frames that were found before, by ranges of addresses of their files, so that a host in its
 * steady state asks nothing twice. When it is full, files that were not asked about for longest
 * are forgotten.
 */
export class FrameCache {
  /** The file used last is the last one. */
  readonly #files = new Map<string, FileFrames>();
  #ranges = 0;
  #characters = 0;

  /** For each address of a file its frames; undefined when they are not known. */
  find(file: string, addresses: BigUint64Array): (readonly SymbolFrame[] | undefined)[] {
    const known = this.#files.get(file);
    if (known === undefined) return new Array(addresses.length).fill(undefined);
    this.#files.delete(file);
    this.#files.set(file, known);
    const found: (readonly SymbolFrame[] | undefined)[] = [];
    for (let index = 0; index < addresses.length; index++) {
      found.push(known.find(Number(addresses[index])));
    }
    return found;
  }

  /** Keeps what was found for addresses of a file. */
  keep(file: string, { frames, ranges }: FoundFrames): void {
    const known = this.#files.get(file) ?? new FileFrames();
    this.#files.delete(file);
    this.#files.set(file, known);
    for (const [index, each] of frames.entries()) {
      const [low = 0, high = 0] = ranges.subarray(2 * index, 2 * index + 2);
      if (low >= high || !known.insert({ low, high, frames: each })) continue;
      this.#ranges++;
      this.#characters += charactersOf(each);
    }
    this.#enforceLimits();
  }

  /** Lets go of what is known of a file. */
  forget(file: string): void {
    const known = this.#files.get(file);
    if (known === undefined) return;
    this.#files.delete(file);
    this.#ranges -= known.ranges.length;
    for (const { frames } of known.ranges) this.#characters -= charactersOf(frames);
  }

  #enforceLimits(): void {
    for (const file of this.#files.keys()) {
      if (this.#ranges <= RANGES_MAX && this.#characters <= CHARACTERS_MAX) return;
      this.forget(file);
    }
  }
}

interface FrameRange {
  readonly low: number;
  readonly high: number;
  readonly frames: readonly SymbolFrame[];
}

/** The ranges of one file, in order and without overlaps. */
class FileFrames {
  readonly ranges: FrameRange[] = [];

  find(address: number): readonly SymbolFrame[] | undefined {
    const range = this.ranges[this.#firstAfter(address) - 1];
    return range !== undefined && address < range.high ? range.frames : undefined;
  }

  /** False when it is there already. */
  insert(range: FrameRange): boolean {
    const index = this.#firstAfter(range.low);
    if (this.ranges[index - 1]?.low === range.low) return false;
    this.ranges.splice(index, 0, range);
    return true;
  }

  #firstAfter(address: number): number {
    const { ranges } = this;
    return countBefore(ranges.length, (row) => (ranges[row] as FrameRange).low <= address);
  }
}

function charactersOf(frames: readonly SymbolFrame[]): number {
  return frames.reduce((sum, { name, systemName }) => sum + name.length + systemName.length, 0);
}
