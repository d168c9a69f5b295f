import type { FlameGraphColumns } from "../../src/profiles/flamegraph/columns.ts";

/**
 * Where each node lies. Nodes are level-ordered, so the nodes of a level are neighbours whose
 * left and right edges both ascend: whatever is asked of a level is a binary search.
 */
export interface Layout {
  /** The first node of each level, and after the last level the number of nodes. */
  readonly levelStart: Uint32Array;
  /** Left edge of each node, in the unit of `weight`; the root begins at 0. */
  readonly offset: Float64Array;
  /** Width of each node: its total; in a difference the sum of both sides' shares. */
  readonly weight: Float64Array;
}

/** Lays out a whole tree in one pass over its columns. */
export function layoutOf(columns: FlameGraphColumns, weight: Float64Array): Layout {
  return { levelStart: levelStarts(columns), offset: offsets(columns, weight), weight };
}

/** A level ends where the children of its last node with children end. */
function levelStarts({ childCount }: FlameGraphColumns): Uint32Array {
  const nodes = childCount.length;
  const starts: number[] = [];
  let start = 0;
  let end = Math.min(1, nodes);
  while (start < end) {
    starts.push(start);
    let children = 0;
    for (let node = start; node < end; node++) children += childCount[node] ?? 0;
    start = end;
    end += children;
  }
  starts.push(nodes);
  return Uint32Array.from(starts);
}

function offsets({ firstChild, childCount }: FlameGraphColumns, weight: Float64Array) {
  const nodes = weight.length;
  const offset = new Float64Array(nodes);
  for (let node = 0; node < nodes; node++) {
    let left = offset[node] ?? 0;
    const first = firstChild[node] ?? 0;
    const end = first + (childCount[node] ?? 0);
    for (let child = first; child < end; child++) {
      offset[child] = left;
      left += weight[child] ?? 0;
    }
  }
  return offset;
}

/** How many levels the layout has. */
export function levelCount({ levelStart }: Layout): number {
  return levelStart.length - 1;
}

/** The level that a node is in; the root is in level 0. */
export function levelOf({ levelStart }: Layout, node: number): number {
  let low = 0;
  let high = levelStart.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((levelStart[middle] ?? 0) <= node) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The first node of [from, end) whose right edge lies beyond `place`; `end` when none does. */
export function firstBeyond(layout: Layout, from: number, end: number, place: number): number {
  const { offset, weight } = layout;
  let low = from;
  let high = end;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((offset[middle] ?? 0) + (weight[middle] ?? 0) > place) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** As firstBeyond, for an answer that is likely near `from`. */
export function gallopBeyond(layout: Layout, from: number, end: number, place: number): number {
  const { offset, weight } = layout;
  let step = 1;
  let low = from;
  while (low + step < end) {
    const probe = low + step;
    if ((offset[probe] ?? 0) + (weight[probe] ?? 0) > place) break;
    low = probe;
    step *= 2;
  }
  return firstBeyond(layout, low, Math.min(end, low + step + 1), place);
}

/** The node of a level at a place, -1 where the level has a gap there. */
export function nodeAt(layout: Layout, level: number, place: number): number {
  const start = layout.levelStart[level];
  const end = layout.levelStart[level + 1];
  if (start === undefined || end === undefined) return -1;
  const node = firstBeyond(layout, start, end, place);
  return node < end && (layout.offset[node] ?? 0) <= place ? node : -1;
}

/** Levels down to the deepest frame between two places. */
export function depthBetween(layout: Layout, start: number, end: number): number {
  let depth = 0;
  for (let level = 0; level < levelCount(layout); level++) {
    const first = layout.levelStart[level] ?? 0;
    const next = layout.levelStart[level + 1] ?? 0;
    const node = firstBeyond(layout, first, next, start);
    if (node === next || (layout.offset[node] ?? 0) >= end) break;
    depth++;
  }
  return depth;
}
