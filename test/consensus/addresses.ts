import { closeSync, openSync } from "node:fs";
import { type ElfFile, readElf } from "../../src/symbols/elf/elf-file.ts";
import { fileAccess } from "../../src/symbols/elf/random-access.ts";

/** Where a section's bytes are in memory. */
export interface CodeRange {
  readonly start: number;
  readonly size: number;
}

/** Virtual addresses of a file's .text, read with its own section headers. */
export function textOf(path: string): CodeRange {
  return withElf(path, ({ sections }) => {
    const text = sections.find(({ name }) => name === ".text");
    if (text === undefined) throw new Error(`${path} has no .text`);
    return { start: Number(text.address), size: text.size };
  });
}

/** A file's GNU build id. */
export function buildIdOf(path: string): string {
  return withElf(path, ({ buildId }) => buildId);
}

function withElf<Result>(path: string, read: (elf: ElfFile) => Result): Result {
  const fd = openSync(path, "r");
  try {
    return read(readElf(fileAccess(fd, path)));
  } finally {
    closeSync(fd);
  }
}

/**
 * Any bytes of the code, each once, in the order that they were drawn: the same for a seed. As
 * many as there are bytes when there are fewer.
 */
export function randomAddresses({ start, size }: CodeRange, count: number, seed: number): number[] {
  const addresses = new Set<number>();
  const random = generator(seed);
  const wanted = Math.min(count, size);
  while (addresses.size < wanted) addresses.add(start + Math.floor(random() * size));
  return [...addresses];
}

/** Numbers from 0 to 1 by the mulberry32 generator. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
