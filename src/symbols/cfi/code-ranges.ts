import { limitExceeded } from "../../support/errors.ts";
import type { ElfFile } from "../elf/elf-file.ts";
import { SPAN_BYTES_MAX } from "./unwind-rows.ts";

/** Addresses from `start` to before `end`. */
export interface AddressRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Executable segments, ascending; what overlaps the one before is cut.
 *
 * @throws LIMIT_EXCEEDED  code that spans more than SPAN_BYTES_MAX
 */
export function codeRanges(elf: ElfFile): readonly AddressRange[] {
  const sorted = elf.segments
    .filter(({ executable, fileSize }) => executable && fileSize > 0n)
    .map(({ address, fileSize }) => ({
      start: Number(address),
      end: Number(address) + Number(fileSize),
    }))
    .filter(({ end }) => Number.isSafeInteger(end))
    .sort((a, b) => a.start - b.start);
  const ranges: AddressRange[] = [];
  for (const { start, end } of sorted) {
    const from = Math.max(start, ranges.at(-1)?.end ?? 0);
    if (from < end) ranges.push({ start: from, end });
  }
  const span = (ranges.at(-1)?.end ?? 0) - (ranges[0]?.start ?? 0);
  if (span > SPAN_BYTES_MAX - 1) {
    throw limitExceeded(elf.access.name, "bytes of code addresses", span, SPAN_BYTES_MAX - 1);
  }
  return ranges;
}
