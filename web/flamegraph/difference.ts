import type { FlameGraphColumns } from "../../src/profiles/flamegraph/columns.ts";
import { CHANGE_STEPS, UNCHANGED } from "./palette.ts";

/** A change of less than this part of the whole is no change: it is not coloured. */
const UNCHANGED_SHARE = 0.0005;

/** A frame that changed by this part of itself has the strongest colour. */
const STRONGEST = 1;

/** Which side of a difference a frame is on. */
export type Presence = "both" | "new" | "vanished";

export function presenceOf({ total, before }: FlameGraphColumns, node: number): Presence {
  if (before === undefined) return "both";
  if ((before.total[node] ?? 0) === 0) return "new";
  return (total[node] ?? 0) === 0 ? "vanished" : "both";
}

/** What a frame's total grew by after the values before were scaled. */
export function changeOf(columns: FlameGraphColumns, node: number, beforeScale: number): number {
  const before = (columns.before?.total[node] ?? 0) * beforeScale;
  return (columns.total[node] ?? 0) - before;
}

/**
 * The colour of a frame's change: neutral when it is too small a part of the whole to matter,
 * else by how much of the frame itself it is.
 */
export function changeColour(
  columns: FlameGraphColumns,
  node: number,
  beforeScale: number,
): number {
  const before = (columns.before?.total[node] ?? 0) * beforeScale;
  const after = columns.total[node] ?? 0;
  const whole = Math.max(columns.total[0] ?? 0, (columns.before?.total[0] ?? 0) * beforeScale);
  const change = after - before;
  if (whole === 0 || Math.abs(change) < whole * UNCHANGED_SHARE) return UNCHANGED;
  const part = Math.min(1, Math.abs(change) / Math.max(before, after) / STRONGEST);
  const step = Math.max(1, Math.ceil(part * CHANGE_STEPS));
  return UNCHANGED + (change > 0 ? step : -step);
}
