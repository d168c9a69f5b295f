import type { FlameGraphColumns } from "../../src/profiles/flamegraph/columns.ts";

/**
 * How wide each node is: its total; in a difference the sum of both sides, so that what is new
 * and what vanished both have room.
 * @param beforeScale  what values before are multiplied by to be compared with those after
 */
export function weightsOf(columns: FlameGraphColumns, beforeScale = 1): Float64Array {
  const { total, before } = columns;
  // A profile that is itself a difference has negative values, and nothing is that wide.
  if (before === undefined) {
    return total.some((value) => value < 0) ? total.map((value) => Math.max(0, value)) : total;
  }
  return total.map((after, node) => Math.max(0, after + (before.total[node] ?? 0) * beforeScale));
}
