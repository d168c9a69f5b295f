import type { UnwindRows } from "./unwind-rows.ts";

/** Words of 32 bits: a block has eight of 64. */
const WORDS_PER_BLOCK = 16;
const PAGES_PER_BLOCK = 8;

/** A table as the kernel's program reads it (bpf/unwind_table.bpf.h). */
export interface TableBlocks {
  /** Whole blocks: first those of the pages, then those of the rows. */
  readonly blocks: Uint8Array<ArrayBuffer>;
  /** The file's address of the first page's first byte. */
  readonly base: number;
  readonly pageCount: number;
}

/**
 * Lays a table out in blocks of 64 bytes, which are the steps of the kernel's search: for each page
 * the number of its first row and of the one after its last, then the rows.
 */
export function tableBlocks({ base, rows, pageFirst }: UnwindRows): TableBlocks {
  const pageCount = pageFirst.length - 1;
  const pageWords = Math.ceil(pageCount / PAGES_PER_BLOCK) * WORDS_PER_BLOCK;
  const rowBlocks = Math.ceil(rows.length / WORDS_PER_BLOCK);
  const words = new Uint32Array(pageWords + rowBlocks * WORDS_PER_BLOCK);
  for (let page = 0; page < pageCount; page++) {
    words[2 * page] = pageFirst[page] as number;
    words[2 * page + 1] = pageFirst[page + 1] as number;
  }
  words.set(rows, pageWords);
  return { blocks: new Uint8Array(words.buffer), base, pageCount };
}
