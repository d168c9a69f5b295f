/** Uses the cache in the folder that is given, beside others that do the same. */
import assert from "node:assert/strict";
import { readElf } from "../../elf/elf-file.ts";
import { bytesAccess } from "../../elf/random-access.ts";
import { cachedUnwindTable, openUnwindTableCache } from "../table-cache.ts";
import { buildUnwindTable } from "../unwind-table.ts";
import { FrameWriter, writeCfiElf } from "./cfi-writer.ts";

const ROUNDS = 100;
const FILES = 5;
const ENTRIES_MAX = 3;

const folder = process.argv[2] as string;
const cache = openUnwindTableCache({ folder, buildMsMin: 0, entriesMax: ENTRIES_MAX });
assert.ok(!("missing" in cache));
for (let round = 0; round < ROUNDS; round++) {
  const writer = new FrameWriter();
  const cie = writer.cie();
  // The second of two rounds claims to be the first.
  for (let fde = 0; fde <= round % FILES; fde++) {
    writer.fde(cie, { instructions: [0x0e, 16 + 8 * (round % 2)] });
  }
  const elf = readElf(bytesAccess(writeCfiElf({ frame: writer.bytes }), "file"));
  assert.deepEqual(cachedUnwindTable(elf, cache).table, buildUnwindTable(elf));
}
assert.equal(cache.counts.failed, 0);
