import type { LoadSegment } from "./elf-file.ts";

/** Where a part of a file lies in a process. */
export interface MappedRange {
  /** First address. */
  readonly start: bigint;
  /** Byte of the file that `start` shows. */
  readonly fileOffset: bigint;
}

/** Segments are mapped by whole pages; 64 KiB is the largest of a supported machine. */
const PAGE_BYTES_MAX = 65_536n;

/**
 * The file's own virtual address for an address of a process: the same in every process,
 * wherever its loader put the file. Holds for PIE and for fixed addresses, and where the
 * address of a segment is not its offset, as lld lays files out.
 *
 * Several segments may show the same page of the file. An executable one wins, because only
 * code is looked up; of two such the one whose own bytes hold the place.
 *
 * @returns undefined when no segment shows the place
 */
export function fileAddress(
  segments: readonly LoadSegment[],
  mapping: MappedRange,
  address: bigint,
): bigint | undefined {
  const offset = address - mapping.start + mapping.fileOffset;
  let best: LoadSegment | undefined;
  let bestRank = 0;
  for (const segment of segments) {
    const rank = coverRank(segment, offset);
    if (rank <= bestRank) continue;
    best = segment;
    bestRank = rank;
  }
  if (best === undefined) return undefined;
  const found = offset - best.fileOffset + best.address;
  return found < 0n ? undefined : found;
}

/** 0 for a segment that does not show the byte, more the better it fits. */
function coverRank(
  { fileOffset: start, fileSize, executable }: LoadSegment,
  offset: bigint,
): number {
  if (fileSize === 0n) return 0;
  const rank = executable ? 2 : 0;
  const end = start + fileSize;
  if (offset >= start && offset < end) return 2 + rank;
  const pageStart = start - (start % PAGE_BYTES_MAX);
  const pageEnd = end + PAGE_BYTES_MAX - 1n - ((end + PAGE_BYTES_MAX - 1n) % PAGE_BYTES_MAX);
  return offset >= pageStart && offset < pageEnd ? 1 + rank : 0;
}
