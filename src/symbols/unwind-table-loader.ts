import { dropBlockArrays, putBlockArray } from "../linux/bpf-block-array.ts";
import { tableBlocks } from "./cfi/table-blocks.ts";
import {
  cachedUnwindTable,
  openUnwindTableCache,
  type UnwindTableCache,
} from "./cfi/table-cache.ts";
import type { ElfFile } from "./elf/elf-file.ts";
import type { Missing } from "./executable-file.ts";
import type { LoadedTable, TableTarget, TooLarge } from "./worker-protocol.ts";

/** Compiles a file's unwind table and puts it into the kernel. In the worker only: it waits. */
export function loadTable(
  elf: ElfFile,
  { slots, slot, bytesMax, cacheFolder }: TableTarget,
): LoadedTable | TooLarge | Missing {
  const { table } = cachedUnwindTable(elf, cacheIn(cacheFolder));
  if ("missing" in table) return table;
  const { blocks, base, pageCount } = tableBlocks(table);
  if (blocks.byteLength > bytesMax) return { tooLarge: blocks.byteLength };
  return { base, pageCount, bytes: putBlockArray(slots, slot, blocks) };
}

/** Takes tables out of the kernel; waits until no program reads them. */
export function dropTables(slots: number, dropped: readonly number[]): { dropped: number } {
  dropBlockArrays(slots, dropped);
  return { dropped: dropped.length };
}

let opened: { readonly folder: string; readonly cache: UnwindTableCache | undefined } | undefined;

/** A folder that cannot be used costs time, not tables. */
function cacheIn(folder: string | undefined): UnwindTableCache | undefined {
  if (folder === undefined) return undefined;
  if (opened?.folder === folder) return opened.cache;
  const cache = openUnwindTableCache({ folder });
  opened = { folder, cache: "missing" in cache ? undefined : cache };
  return opened.cache;
}
