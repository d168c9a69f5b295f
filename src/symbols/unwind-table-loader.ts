import { dropBlockArrays, putBlockArray } from "../linux/bpf-block-array.ts";
import { tableBlocks } from "./cfi/table-blocks.ts";
import { buildUnwindTable } from "./cfi/unwind-table.ts";
import type { ElfFile } from "./elf/elf-file.ts";
import type { Missing } from "./executable-file.ts";
import type { LoadedTable, TableTarget, TooLarge } from "./worker-protocol.ts";

/** Compiles a file's unwind table and puts it into the kernel. In the worker only: it waits. */
export function loadTable(
  elf: ElfFile,
  { slots, slot, bytesMax }: TableTarget,
): LoadedTable | TooLarge | Missing {
  const table = buildUnwindTable(elf);
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
