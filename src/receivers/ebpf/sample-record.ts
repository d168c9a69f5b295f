/**
 * The record of one sample, as bpf/sample.bpf.h lays it out:
 *
 *   offset  size  field
 *   0       8     time_ns         CLOCK_MONOTONIC
 *   8       8     cgroup_id       inode of the cgroup v2 directory
 *   16      8     value           nanoseconds of CPU time
 *   24      4     tgid
 *   28      4     tid
 *   32      4     cpu
 *   36      1     kind
 *   37      1     result
 *   38      2     flags
 *   40      2     user_count
 *   42      2     kernel_count
 *   44      4     unused
 *   48      16    thread_comm     NUL-padded
 *   64      16    process_comm
 *   80      8×n   frames          the user's, then the kernel's; leaf first
 */
import { malformed } from "../../support/errors.ts";

const HEADER_WORDS = 20;
const THREAD_COMM_WORD = 12;
const PROCESS_COMM_WORD = 16;

/** USER_FRAMES_MAX of the BPF program. */
export const USER_FRAMES_MAX = 512;
/** KERNEL_FRAMES_MAX of the BPF program. */
export const KERNEL_FRAMES_MAX = 127;

export const sampleKind = { onCpu: 0 } as const;

/** How the user part of a stack ended: enum sample_result of bpf/sample.bpf.h. */
export const sampleResult = {
  /** At the outermost frame, which has no caller. */
  complete: 0,
  /** A kernel thread has no user part, nor has a worker of io_uring. */
  kernelThread: 1,
  /** USER_FRAMES_MAX was reached. */
  truncated: 2,
  /** A frame's memory could not be read. */
  unreadable: 3,
  /** The frame pointer does not point to a frame, in code that shall have them. */
  notAFrame: 4,
  /** A 32-bit task is not walked. */
  compat: 5,
  /** The task has no user registers. */
  noRegisters: 6,
  /** The process was new: its unwind tables were not loaded, and frame pointers led nowhere. */
  pending: 7,
  /** An address is in no known mapping, and the frame pointer led nowhere. */
  noMapping: 8,
  /** The file's unwind table says nothing of an address, or that it cannot be told. */
  noRule: 9,
  /** A rule needs a register that only the innermost frame has. */
  noRegister: 10,
  /** A caller would lie below its callee on the stack, or outside of user space. */
  badFrame: 11,
} as const;

export type StackResultName = keyof typeof sampleResult;
export type StackResult = (typeof sampleResult)[keyof typeof sampleResult];

/** One more than the largest result. */
const RESULT_COUNT = Object.keys(sampleResult).length;

const RESULT_FRAMES: Readonly<Partial<Record<StackResult, string>>> = {
  [sampleResult.truncated]: "[truncated]",
  [sampleResult.noRegisters]: "[incomplete: no registers]",
  [sampleResult.unreadable]: "[incomplete: unreadable]",
  [sampleResult.notAFrame]: "[incomplete: no frame pointer]",
  [sampleResult.compat]: "[incomplete: 32-bit]",
  [sampleResult.pending]: "[incomplete: tables not loaded]",
  [sampleResult.noMapping]: "[incomplete: no mapping]",
  [sampleResult.noRule]: "[incomplete: no unwind rule]",
  [sampleResult.noRegister]: "[incomplete: register not known]",
  [sampleResult.badFrame]: "[incomplete: bad frame]",
};

/** The outermost frame that marks a stack which is not whole; undefined for one that is. */
export function stackResultFrame(result: StackResult): string | undefined {
  return RESULT_FRAMES[result];
}

/** Bits of `flags`. */
export const sampleFlag = { kernelTruncated: 1, userMode: 2 } as const;

/** One sample. There is one object that each call fills again: valid only inside the callback. */
export interface RawSample {
  /** CLOCK_MONOTONIC, nanoseconds. */
  timeNs: bigint;
  cpu: number;
  /** Process id in the initial namespace. */
  pid: number;
  tid: number;
  /** Inode of the cgroup v2 directory; 1 is the root. */
  cgroupId: bigint;
  /** One of `sampleKind`. */
  kind: number;
  /** Nanoseconds of CPU time that the sample stands for. */
  value: number;
  result: StackResult;
  /** Bits of `sampleFlag`. */
  flags: number;
  threadName: string;
  /** The name of the thread group's leader. */
  processName: string;
  /** Addresses as pairs of words, low then high; leaf first; 2 × `userCount` of them are valid. */
  readonly user: Uint32Array;
  userCount: number;
  readonly kernel: Uint32Array;
  kernelCount: number;
}

/** Decodes records into one reused sample. */
export class SampleDecoder {
  readonly #names = new NameCache();
  readonly #sample: RawSample = {
    timeNs: 0n,
    cpu: 0,
    pid: 0,
    tid: 0,
    cgroupId: 0n,
    kind: 0,
    value: 0,
    result: 0,
    flags: 0,
    threadName: "",
    processName: "",
    user: new Uint32Array(2 * USER_FRAMES_MAX),
    userCount: 0,
    kernel: new Uint32Array(2 * KERNEL_FRAMES_MAX),
    kernelCount: 0,
  };

  /**
   * @param words  little-endian words; the record starts at `at` and has `byteLength` bytes
   * @returns the reused sample
   * @throws CollectorError INPUT_MALFORMED  the counts do not add up to the length
   */
  decode(words: Uint32Array, at: number, byteLength: number): RawSample {
    const sample = this.#sample;
    const codes = words[at + 9] as number;
    const counts = words[at + 10] as number;
    sample.userCount = counts & 0xffff;
    sample.kernelCount = counts >>> 16;
    const frameBytes = 8 * (sample.userCount + sample.kernelCount);
    if (
      sample.userCount > USER_FRAMES_MAX ||
      sample.kernelCount > KERNEL_FRAMES_MAX ||
      byteLength !== 4 * HEADER_WORDS + frameBytes ||
      at + byteLength / 4 > words.length ||
      ((codes >>> 8) & 0xff) >= RESULT_COUNT
    ) {
      throw malformed(
        "sample record",
        `${byteLength} bytes, codes 0x${codes.toString(16)}, counts 0x${counts.toString(16)}`,
      );
    }
    this.#decodeHeader(words, at);
    const userAt = at + HEADER_WORDS;
    copyWords(words, userAt, sample.user, 2 * sample.userCount);
    copyWords(words, userAt + 2 * sample.userCount, sample.kernel, 2 * sample.kernelCount);
    return sample;
  }

  #decodeHeader(words: Uint32Array, at: number): void {
    const sample = this.#sample;
    const codes = words[at + 9] as number;
    sample.timeNs = bigintAt(words, at);
    sample.cgroupId = bigintAt(words, at + 2);
    sample.value = (words[at + 4] as number) + (words[at + 5] as number) * 2 ** 32;
    sample.pid = words[at + 6] as number;
    sample.tid = words[at + 7] as number;
    sample.cpu = words[at + 8] as number;
    sample.kind = codes & 0xff;
    sample.result = ((codes >>> 8) & 0xff) as StackResult;
    sample.flags = codes >>> 16;
    sample.threadName = this.#names.at(words, at + THREAD_COMM_WORD);
    sample.processName = this.#names.at(words, at + PROCESS_COMM_WORD);
  }
}

function bigintAt(words: Uint32Array, at: number): bigint {
  return BigInt(words[at] as number) | (BigInt(words[at + 1] as number) << 32n);
}

function copyWords(from: Uint32Array, at: number, to: Uint32Array, count: number): void {
  for (let word = 0; word < count; word++) to[word] = from[at + word] as number;
}

/** Names in the cache. A host has some hundred; a collision costs one more decoding. */
const NAME_SLOTS = 1024;
const NAME_WORDS = 4;

/** The strings of the 16-byte names that the kernel gives, each decoded once in a while. */
class NameCache {
  readonly #keys = new Uint32Array(NAME_SLOTS * NAME_WORDS);
  readonly #names: string[] = new Array(NAME_SLOTS).fill("");
  readonly #decoder = new TextDecoder();

  at(words: Uint32Array, at: number): string {
    const w0 = words[at] as number;
    const w1 = words[at + 1] as number;
    const w2 = words[at + 2] as number;
    const w3 = words[at + 3] as number;
    const keys = this.#keys;
    const slot = slotOf(w0, w1, w2, w3);
    const key = slot * NAME_WORDS;
    const isKnown =
      keys[key] === w0 && keys[key + 1] === w1 && keys[key + 2] === w2 && keys[key + 3] === w3;
    if (!isKnown) {
      keys.set([w0, w1, w2, w3], key);
      this.#names[slot] = this.#decode(keys.subarray(key, key + NAME_WORDS));
    }
    return this.#names[slot] as string;
  }

  #decode(words: Uint32Array): string {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    const end = bytes.indexOf(0);
    return this.#decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
  }
}

/** FNV-1a over words, folded, since names differ in their low bytes first. */
function slotOf(w0: number, w1: number, w2: number, w3: number): number {
  const PRIME = 0x01000193;
  let hash = Math.imul(0x811c9dc5 ^ w0, PRIME);
  hash = Math.imul(hash ^ w1, PRIME);
  hash = Math.imul(hash ^ w2, PRIME);
  hash = Math.imul(hash ^ w3, PRIME);
  return ((hash >>> 20) ^ (hash >>> 10) ^ hash) & (NAME_SLOTS - 1);
}
