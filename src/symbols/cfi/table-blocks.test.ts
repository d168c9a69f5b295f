import assert from "node:assert/strict";
import { closeSync, globSync, openSync, realpathSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { readElf } from "../elf/elf-file.ts";
import { fileAccess } from "../elf/random-access.ts";
import { type TableBlocks, tableBlocks } from "./table-blocks.ts";
import { PAGE_BYTES, RowBuilder, type UnwindRows, WORDS_PER_ROW } from "./unwind-rows.ts";
import { findRow } from "./unwind-step.ts";
import { buildUnwindTable } from "./unwind-table.ts";

/** As in bpf/unwind_table.bpf.h. */
const BLOCK_WORDS = 8;
const BLOCK_SEARCH_STEPS_MAX = 14;

interface Row {
  readonly first: number;
  readonly second: number;
}

/** What the kernel's program goes on with where there is no row: nothing can be told. */
const NO_ROW: Row = { first: 0, second: 0 };

/** find_row of bpf/unwind_table.bpf.h, step by step, for a table at its file's own addresses. */
class KernelSearch {
  /** Blocks that were read for the last address. */
  blocksRead = 0;
  readonly #words: Uint32Array;
  readonly #base: number;
  readonly #pageCount: number;

  constructor({ blocks, base, pageCount }: TableBlocks) {
    this.#words = new Uint32Array(blocks.buffer);
    this.#base = base;
    this.#pageCount = pageCount;
  }

  find(address: number): Row {
    this.blocksRead = 0;
    const distance = address - this.#base;
    const page = Math.floor(distance / PAGE_BYTES);
    if (page < 0 || page >= this.#pageCount) return NO_ROW;
    const low = distance % PAGE_BYTES;
    const { first, second: end } = this.#word(page >>> 3, page % BLOCK_WORDS);
    if (end === 0) return NO_ROW;
    const rowsAt = (this.#pageCount + BLOCK_WORDS - 1) >>> 3;
    let from = rowsAt + ((first ? first - 1 : 0) >>> 3);
    let to = rowsAt + ((end - 1) >>> 3);
    for (let step = 0; step < BLOCK_SEARCH_STEPS_MAX && from < to; step++) {
      const middle = (from + to + 1) >>> 1;
      if ((this.#word(middle, 0).first & 0xffff) <= low) from = middle;
      else to = middle - 1;
    }
    let row = NO_ROW;
    let index = (from - rowsAt) * BLOCK_WORDS;
    for (let slot = 0; slot < BLOCK_WORDS; slot++, index++) {
      const word = this.#word(from, slot);
      if (index >= end || (index >= first && (word.first & 0xffff) > low)) break;
      row = word;
    }
    return row;
  }

  #word(block: number, slot: number): Row {
    if (slot === 0) this.blocksRead++;
    const at = 2 * (block * BLOCK_WORDS + slot);
    assert.ok(at + 1 < this.#words.length, `block ${block} is not there`);
    return { first: this.#words[at] as number, second: this.#words[at + 1] as number };
  }
}

/** Every address at which another row or page may begin, and those beside it. */
function* boundaries({ base, rows, pageFirst }: UnwindRows): Generator<number> {
  for (let page = 0; page < pageFirst.length; page++) {
    const start = base + page * PAGE_BYTES;
    yield* [start - 1, start, start + 1];
    const end = pageFirst[page + 1] ?? 0;
    for (let row = pageFirst[page] as number; row < end; row++) {
      const at = start + ((rows[row * WORDS_PER_ROW] as number) & 0xffff);
      yield* [at - 1, at, at + 1];
    }
  }
}

function assertFoundAlike(table: UnwindRows): void {
  const search = new KernelSearch(tableBlocks(table));
  for (const address of boundaries(table)) {
    const expected = findRow(table, address);
    const { first, second } = search.find(address);
    const isSame =
      expected < 0
        ? first === 0 && second === 0
        : first === table.rows[expected * WORDS_PER_ROW] &&
          second === table.rows[expected * WORDS_PER_ROW + 1];
    if (!isSame)
      assert.fail(`0x${address.toString(16)}: row ${expected}, found ${first}:${second}`);
  }
}

/** Rules that differ from their neighbours, so that no two rows become one. */
function tableOf(addresses: readonly number[], end: number): UnwindRows {
  const rows = new RowBuilder("test", { start: addresses[0] ?? 0, end }, addresses.length);
  for (const [index, address] of addresses.entries()) rows.add(address, 1, index + 1);
  return rows.finish();
}

/** `count` rows from `start` on, `step` bytes apart. */
function regular(start: number, count: number, step: number): number[] {
  return Array.from({ length: count }, (_, index) => start + index * step);
}

const installed = [
  process.execPath,
  ...globSync("/lib/{x86_64,aarch64}-linux-gnu/libc.so.6"),
  ...globSync("/usr/lib/{x86_64,aarch64}-linux-gnu/libcrypto.so.3"),
].map((path) => realpathSync(path));

describe("tableBlocks", () => {
  for (const path of installed) {
    it(`gives the kernel the same rows of ${path}`, () => {
      const fd = openSync(path, "r");
      const table = buildUnwindTable(readElf(fileAccess(fd, path)));
      closeSync(fd);
      assert.ok(!("missing" in table));
      assert.ok(table.rows.length > 1000 * WORDS_PER_ROW);
      assertFoundAlike(table);
    });
  }

  const BASE = 0x40_0000;
  for (const { name, addresses, end } of [
    { name: "one row at the start", addresses: [BASE], end: BASE + 1 },
    { name: "one row at the end of a page", addresses: [BASE + 0xffff], end: BASE + PAGE_BYTES },
    {
      name: "one row, and pages without any behind it",
      addresses: [BASE + 5],
      end: BASE + 20 * PAGE_BYTES,
    },
    {
      name: "empty pages between two rows",
      addresses: [BASE + 5, BASE + 9 * PAGE_BYTES + 7],
      end: BASE + 10 * PAGE_BYTES,
    },
    {
      name: "a page whose first rows fill the block of the page before",
      addresses: [...regular(BASE, 4, 8), ...regular(BASE + PAGE_BYTES + 3, 4, 8)],
      end: BASE + 2 * PAGE_BYTES,
    },
    {
      name: "a page that begins with a block",
      addresses: [...regular(BASE, 8, 8), ...regular(BASE + PAGE_BYTES + 3, 8, 8)],
      end: BASE + 2 * PAGE_BYTES,
    },
    {
      name: "a row for every byte of pages that do not begin with a block",
      addresses: [BASE + 0xfffd, ...regular(BASE + PAGE_BYTES, 2 * PAGE_BYTES, 1)],
      end: BASE + 4 * PAGE_BYTES,
    },
    {
      name: "more than 65,535 rows",
      addresses: regular(BASE, 70_000, 13),
      end: BASE + 70_000 * 13,
    },
  ]) {
    it(`gives the kernel the same rows of a table with ${name}`, () => {
      const table = tableOf(addresses, end);
      assert.equal(table.rows.length, addresses.length * WORDS_PER_ROW);
      assertFoundAlike(table);
    });
  }

  it("gives the kernel the same rows of any table", () => {
    const distances = fc.oneof(
      { weight: 5, arbitrary: fc.integer({ min: 1, max: 20 }) },
      { weight: 2, arbitrary: fc.integer({ min: 20, max: PAGE_BYTES }) },
      { weight: 1, arbitrary: fc.integer({ min: PAGE_BYTES, max: 12 * PAGE_BYTES }) },
    );
    fc.assert(
      fc.property(fc.array(distances, { minLength: 1, maxLength: 200 }), (given) => {
        let at = BASE;
        const addresses = given.map((distance) => {
          at += distance;
          return at;
        });
        assertFoundAlike(tableOf(addresses, at + 1));
      }),
    );
  });

  it("has every row within 16 blocks of its search", () => {
    const addresses = [BASE, ...regular(BASE + PAGE_BYTES, PAGE_BYTES, 1)];
    const table = tableOf(addresses, BASE + 2 * PAGE_BYTES);
    const search = new KernelSearch(tableBlocks(table));
    let most = 0;
    for (const address of boundaries(table)) {
      search.find(address);
      most = Math.max(most, search.blocksRead);
    }
    assert.ok(most <= 1 + BLOCK_SEARCH_STEPS_MAX + 1, `${most} blocks`);
  });

  it("has one block for 8 pages and one for 8 rows", () => {
    const table = tableOf(regular(BASE, 17, 8), BASE + 9 * PAGE_BYTES);
    const { blocks, base, pageCount } = tableBlocks(table);
    assert.deepEqual({ base, pageCount }, { base: BASE, pageCount: 9 });
    assert.equal(blocks.byteLength, (2 + 3) * 64);
  });
});
