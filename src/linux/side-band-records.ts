/**
 * The records that a perf event writes beside its samples: who runs and what is mapped.
 *
 *   offset  size  field
 *   0       4     type
 *   4       2     misc
 *   6       2     size            of the whole record, a multiple of 8
 *   8       …     by type, see below
 *   -16     8     time            the sample_id trailer for TIME | CPU
 *   -8      4     cpu
 *   -4      4     reserved
 *
 *   LOST 2      id u64, lost u64
 *   COMM 3      pid u32, tid u32, name until NUL
 *   EXIT 4      pid, ppid, tid, ptid u32, time u64
 *   FORK 7      as EXIT
 *   MMAP2 10    pid u32, tid u32, start u64, length u64, file offset u64,
 *               { major u32, minor u32, inode u64, generation u64 } or, by a misc bit,
 *               { build id size u8, reserved 3, build id 20 }, prot u32, flags u32, name until NUL
 *
 * Source: include/uapi/linux/perf_event.h. The kernel wrote the bytes, but names and paths in
 * them belong to the profiled processes.
 */
import { decodeUtf8 } from "../support/byte-reader.ts";
import { malformed } from "../support/errors.ts";
import { mappingPath, NO_DEVICE, type ProcessMapping } from "./process-mapping.ts";

interface Stamped {
  /** CLOCK_MONOTONIC. */
  readonly timeNs: bigint;
  readonly cpu: number;
}

/** A thread mapped something executable. */
export interface MmapRecord extends Stamped {
  readonly kind: "mmap";
  readonly pid: number;
  readonly mapping: ProcessMapping;
}

/** A thread has a new name: it was renamed, or (`exec`) its process runs another program. */
export interface CommRecord extends Stamped {
  readonly kind: "comm";
  readonly pid: number;
  readonly tid: number;
  readonly name: string;
  readonly exec: boolean;
}

/** A new thread (`pid` equals `parentPid`) or a new process. */
export interface ForkRecord extends Stamped {
  readonly kind: "fork";
  readonly pid: number;
  readonly tid: number;
  readonly parentPid: number;
  readonly parentTid: number;
}

/** A thread ended. */
export interface ExitRecord extends Stamped {
  readonly kind: "exit";
  readonly pid: number;
  readonly tid: number;
}

/** `count` records had no room in the ring. */
export interface LostRecord extends Stamped {
  readonly kind: "lost";
  readonly count: number;
}

export type SideBandRecord = MmapRecord | CommRecord | ForkRecord | ExitRecord | LostRecord;

const PERF_RECORD_LOST = 2;
const PERF_RECORD_COMM = 3;
const PERF_RECORD_EXIT = 4;
const PERF_RECORD_FORK = 7;
const PERF_RECORD_MMAP2 = 10;

const MISC_COMM_EXEC = 1 << 13;
const MISC_MMAP_BUILD_ID = 1 << 14;

const HEADER_BYTES = 8;
const TRAILER_BYTES = 16;
/** The size of its field in the record. */
const BUILD_ID_BYTES_MAX = 20;

/** Bytes of a record before its name, or its whole body, without the trailer. */
const FIXED_BYTES: Readonly<Record<number, number>> = {
  [PERF_RECORD_LOST]: 24,
  [PERF_RECORD_COMM]: 16,
  [PERF_RECORD_EXIT]: 32,
  [PERF_RECORD_FORK]: 32,
  [PERF_RECORD_MMAP2]: 72,
};

/**
 * Reads one whole record, whose bytes are not kept.
 *
 * @returns undefined for a type that is not listed above
 * @throws CollectorError INPUT_MALFORMED  the record is too short for its type
 */
export function readSideBandRecord(bytes: Uint8Array): SideBandRecord | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_BYTES) throw tooShort(bytes);
  const type = view.getUint32(0, true);
  const fixedBytes = FIXED_BYTES[type];
  if (fixedBytes === undefined) return undefined;
  if (bytes.length < fixedBytes + TRAILER_BYTES) throw tooShort(bytes);
  const timeNs = view.getBigUint64(bytes.length - TRAILER_BYTES, true);
  const cpu = view.getUint32(bytes.length - 8, true);
  switch (type) {
    case PERF_RECORD_MMAP2:
      return { kind: "mmap", timeNs, cpu, pid: view.getUint32(8, true), mapping: mapping(view) };
    case PERF_RECORD_COMM: {
      const exec = (view.getUint16(4, true) & MISC_COMM_EXEC) !== 0;
      return { kind: "comm", timeNs, cpu, ...pidAndTid(view), name: nameAt(view, 16), exec };
    }
    case PERF_RECORD_LOST:
      return { kind: "lost", timeNs, cpu, count: Number(view.getBigUint64(16, true)) };
    default:
      return forkOrExit(view, type, { timeNs, cpu });
  }
}

function tooShort(bytes: Uint8Array): Error {
  return malformed("perf record", `${bytes.length} bytes are too few for its type`);
}

function pidAndTid(view: DataView): { pid: number; tid: number } {
  return { pid: view.getUint32(8, true), tid: view.getUint32(12, true) };
}

function forkOrExit(view: DataView, type: number, stamp: Stamped): ForkRecord | ExitRecord {
  const pid = view.getUint32(8, true);
  const tid = view.getUint32(16, true);
  if (type === PERF_RECORD_EXIT) return { kind: "exit", ...stamp, pid, tid };
  const parentPid = view.getUint32(12, true);
  const parentTid = view.getUint32(20, true);
  return { kind: "fork", ...stamp, pid, tid, parentPid, parentTid };
}

function mapping(view: DataView): ProcessMapping {
  const start = view.getBigUint64(16, true);
  const hasBuildId = (view.getUint16(4, true) & MISC_MMAP_BUILD_ID) !== 0;
  return {
    start,
    end: BigInt.asUintN(64, start + view.getBigUint64(24, true)),
    fileOffset: view.getBigUint64(32, true),
    path: mappingPath(nameAt(view, 72)),
    buildId: hasBuildId ? buildId(view) : "",
    device: hasBuildId ? NO_DEVICE : device(view),
    inode: hasBuildId ? 0n : view.getBigUint64(48, true),
  };
}

function buildId(view: DataView): string {
  const byteCount = Math.min(view.getUint8(40), BUILD_ID_BYTES_MAX);
  return new Uint8Array(view.buffer, view.byteOffset + 44, byteCount).toHex();
}

function device(view: DataView): { major: number; minor: number } {
  return { major: view.getUint32(40, true), minor: view.getUint32(44, true) };
}

/** The text from `offset` to its NUL, at most to the trailer. */
function nameAt(view: DataView, offset: number): string {
  const end = view.byteLength - TRAILER_BYTES;
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, end - offset);
  const nul = bytes.indexOf(0);
  return decodeUtf8(nul < 0 ? bytes : bytes.subarray(0, nul));
}
