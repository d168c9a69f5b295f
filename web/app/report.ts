import type { FlameGraph } from "../flamegraph/flame-graph.ts";

/**
 * What the page tells on its root element once the first frame is painted and what surrounds the
 * graph is there, so that anyone can wait for it and read it from outside.
 */
export function reportReady(graph: FlameGraph): void {
  const { tree } = graph;
  if (tree === undefined) return;
  const { dataset } = document.documentElement;
  dataset["total"] = String(tree.columns.total[0] ?? 0);
  dataset["sampleType"] = tree.sampleType;
  dataset["nodes"] = String(tree.columns.name.length);
  if (document.activeElement === document.body) {
    graph.element.focus({ preventScroll: true });
  }
  dataset["state"] = "ready";
}
