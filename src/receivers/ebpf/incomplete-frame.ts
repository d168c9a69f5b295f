import { sampleResult } from "./sample-record.ts";

/** By result: what stands as the outermost frame of a stack that is not whole. */
const frames: ReadonlyMap<number, string> = new Map([
  [sampleResult.truncated, "[truncated]"],
  [sampleResult.unreadable, "[incomplete: unreadable]"],
  [sampleResult.notAFrame, "[incomplete: no frame pointer]"],
  [sampleResult.compat, "[incomplete: 32-bit]"],
]);

/**
 * The frame that marks a stack which does not reach its thread's start, so that a graph shows
 * how much of it is missing; undefined for a whole stack.
 */
export function incompleteFrame(result: number): string | undefined {
  return frames.get(result);
}
