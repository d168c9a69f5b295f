import type { FlameGraphColumns } from "../../src/profiles/flamegraph/columns.ts";

/** A stack on screen: the nodes of its frames, caller first, and the value that ends in it. */
export interface ShownStack {
  readonly nodes: readonly number[];
  readonly value: number;
}

/**
 * The stacks below the zoomed frame, each with the callers that lead to it, without the root.
 * @param isInverted  whether the tree was made from the leaves; stacks are turned back then
 */
export function* shownStacks(
  columns: FlameGraphColumns,
  zoomed: number,
  isInverted: boolean,
): Generator<ShownStack> {
  const { parent, self } = columns;
  const isBelow = new Uint8Array(self.length);
  for (let node = zoomed; node < self.length; node++) {
    if (node === zoomed || isBelow[parent[node] ?? 0] === 1) isBelow[node] = 1;
    const value = self[node] ?? 0;
    if (isBelow[node] !== 1 || value === 0) continue;
    const nodes: number[] = [];
    for (let at = node; at !== 0; at = parent[at] ?? 0) nodes.push(at);
    yield { nodes: isInverted ? nodes : nodes.reverse(), value };
  }
}
