import type { ProcessCounters } from "./process-table.ts";
import { type StackResultName, sampleResult } from "./sample-record.ts";
import { NOTHING_UNWOUND, type UnwinderCounters } from "./unwinding/unwinder-counters.ts";

/**
 * What the receiver has done since its last start. Taken = delivered + lost, exactly, once it has
 * stopped.
 */
export interface EbpfCounters {
  readonly taken: number;
  readonly delivered: number;
  readonly lost: number;
  /** Of those delivered: what the next component refused for good. */
  readonly dropped: number;
  /** Processes that were sampled; one that runs another program is still one. */
  readonly processes: number;
  /** What the receiver knows, and could not know, of the host's processes. */
  readonly processTable: ProcessCounters;
  /** Of those taken: how the user part of their stacks ended. */
  readonly results: Readonly<Record<StackResultName, number>>;
  /** What stacks are walked by. */
  readonly unwinding: UnwinderCounters;
  /** Samples a second on each CPU now; 0 when the receiver does not run, as those below. */
  readonly frequencyHz: number;
  /** Kernel memory of all BPF maps, the ring of samples and the unwind tables included. */
  readonly bpfMapBytes: number;
  /** Of them: the ring of samples. */
  readonly ringBytes: number;
  /** Kernel memory of the rings that tell of processes; no BPF maps. */
  readonly sideBandBytes: number;
}

/** What the memory counters are while the receiver does not run. */
export const NO_MEMORY = { frequencyHz: 0, bpfMapBytes: 0, ringBytes: 0, sideBandBytes: 0 };

/** The counters before the first start. */
export const NOTHING_DONE: EbpfCounters = {
  ...NO_MEMORY,
  results: namedResults([]),
  unwinding: NOTHING_UNWOUND,
  taken: 0,
  delivered: 0,
  lost: 0,
  dropped: 0,
  processes: 0,
  processTable: {
    lostRecords: 0,
    rescans: 0,
    failedScans: 0,
    images: 0,
    endedImages: 0,
    evictedImages: 0,
    refusedGenerations: 0,
    refusedMappings: 0,
    procReads: 0,
    unknownLookups: 0,
  },
};

/** Counts by the name of the result, from counts by its number. */
export function namedResults(counts: readonly number[]): Record<StackResultName, number> {
  const names = Object.entries(sampleResult) as [StackResultName, number][];
  return Object.fromEntries(names.map(([name, code]) => [name, counts[code] ?? 0])) as Record<
    StackResultName,
    number
  >;
}
