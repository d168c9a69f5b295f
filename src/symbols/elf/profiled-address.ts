import type { LoadSegment } from "./elf-file.ts";
import { fileAddress } from "./file-address.ts";

/** What the addresses of a profile count from. Profilers do not agree, and profiles do not say. */
export type AddressSpace =
  /** The file's own virtual addresses, as OpenTelemetry's eBPF profiler and this one write them. */
  | "file"
  /** Those of the process, as pprof's own and Parca's agent do. */
  | "process"
  /** Bytes from the start of the file. */
  | "file_offset";

/** A mapping as a profile tells it. */
export interface ProfiledMapping {
  /** First address and the one after the last; both are 0 when the profiler says none. */
  readonly start: bigint;
  readonly limit: bigint;
  /** Byte of the file that `start` shows. */
  readonly fileOffset: bigint;
}

export interface ProfiledOptions {
  /** Found out when it is not given. */
  readonly space?: AddressSpace | undefined;
  /** The segments are those of a debug file, which may have lost where their bytes were. */
  readonly isDebugFile?: boolean;
}

/** Of the supported machines: segments are mapped by whole pages. */
const PAGE_BYTES = [4096n, 16_384n, 65_536n];

/**
 * The file's own virtual address that an address of a profile means.
 *
 * Without a space it is found out: what lies in an executable segment is the file's own, since a
 * loader puts no file with other addresses so low; what lies in the mapping is the process's.
 *
 * @param segments  those of the file that was run, or of its debug file: see `isDebugFile`
 * @returns undefined when the segments do not tell
 */
export function profiledAddress(
  segments: readonly LoadSegment[],
  mapping: ProfiledMapping,
  address: bigint,
  { space, isDebugFile = false }: ProfiledOptions = {},
): bigint | undefined {
  const place = isDebugFile && !hasOffsets(segments) ? placeInWholeSegment : fileAddress;
  const code = segments.filter(({ executable }) => executable);
  const isOwn = code.some((segment) => lies(address, segment));
  if (space === "file" || (space === undefined && isOwn)) return isOwn ? address : undefined;
  if (space === "file_offset") {
    return place(segments, { ...mapping, start: 0n, limit: 0n, fileOffset: 0n }, address);
  }
  const isMapped = address >= mapping.start && address < mapping.limit;
  return isMapped ? place(segments, mapping, address) : undefined;
}

function lies(address: bigint, { address: start, memorySize }: LoadSegment): boolean {
  return address >= start && address < start + memorySize;
}

/**
 * Whether segments of a debug file tell by themselves where bytes of the program are: objcopy takes
 * the offsets away with the bytes, up to the file's headers if they stand in the code.
 */
export function hasOffsets(segments: readonly LoadSegment[]): boolean {
  const code = segments.filter(({ executable }) => executable);
  return code.length > 0 && code.every(({ fileSize, memorySize }) => fileSize >= memorySize);
}

/**
 * By a debug file: a mapping that has as many pages as the only executable segment shows all of it.
 */
function placeInWholeSegment(
  segments: readonly LoadSegment[],
  { start, limit }: ProfiledMapping,
  address: bigint,
): bigint | undefined {
  const [code, ...others] = segments.filter(({ executable }) => executable);
  if (code === undefined || others.length > 0) return undefined;
  for (const pageBytes of PAGE_BYTES) {
    const first = code.address - (code.address % pageBytes);
    const end = code.address + code.memorySize + pageBytes - 1n;
    const isWhole = end - (end % pageBytes) - first === limit - start;
    if (isWhole) return address - start + first;
  }
  return undefined;
}
