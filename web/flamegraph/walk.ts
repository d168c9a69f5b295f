import type { FlameGraphColumns } from "../../src/profiles/flamegraph/columns.ts";
import { type Layout, levelOf } from "./layout.ts";

/** Where a step of the keyboard leads. */
export type Step = "up" | "down" | "left" | "right";

/**
 * The frame that a step leads to: up to the caller, down to the widest callee, left and right to
 * the neighbours on the same level. The frame itself where there is none.
 */
export function stepFrom(
  columns: FlameGraphColumns,
  layout: Layout,
  node: number,
  step: Step,
): number {
  switch (step) {
    case "up":
      return node === 0 ? 0 : (columns.parent[node] ?? 0);
    case "down":
      return widestChild(columns, layout, node);
    case "left":
      return levelOf(layout, Math.max(0, node - 1)) === levelOf(layout, node)
        ? Math.max(0, node - 1)
        : node;
    case "right":
      return node + 1 < layout.weight.length && levelOf(layout, node + 1) === levelOf(layout, node)
        ? node + 1
        : node;
  }
}

function widestChild(columns: FlameGraphColumns, { weight }: Layout, node: number): number {
  const first = columns.firstChild[node] ?? 0;
  const end = first + (columns.childCount[node] ?? 0);
  let widest = node;
  let width = -1;
  for (let child = first; child < end; child++) {
    if ((weight[child] ?? 0) <= width) continue;
    widest = child;
    width = weight[child] ?? 0;
  }
  return widest;
}

/** The frame and its callers, root first. */
export function pathTo({ parent }: FlameGraphColumns, node: number): number[] {
  const path = [node];
  for (let at = node; at > 0; ) {
    at = parent[at] ?? 0;
    path.push(at);
  }
  return path.reverse();
}

/** The nearest frame to `from` on the way through the levels that matches; -1 when none does. */
export function nextMatch(
  { name }: FlameGraphColumns,
  names: Uint8Array,
  from: number,
  direction: 1 | -1,
): number {
  const count = name.length;
  for (let step = 1; step <= count; step++) {
    const node = (from + direction * step + count * 2) % count;
    if (names[name[node] ?? 0] === 1) return node;
  }
  return -1;
}
