import type { TableCounters } from "./table-store.ts";

export interface UnwinderCounters extends TableCounters {
  /** Processes that are walked by tables. */
  readonly processes: number;
  /** Of their mappings: how many, and how many of them by frame pointers for want of a table. */
  readonly mappings: number;
  readonly framePointerMappings: number;
  /** Processes and mappings that had no room in a map; they are walked by frame pointers. */
  readonly refusedProcesses: number;
  readonly refusedMappings: number;
}

/** The counters before anything was sampled. */
export const NOTHING_UNWOUND: UnwinderCounters = {
  tables: 0,
  bytes: 0,
  withoutTable: 0,
  noRoom: 0,
  evicted: 0,
  processes: 0,
  mappings: 0,
  framePointerMappings: 0,
  refusedProcesses: 0,
  refusedMappings: 0,
};
