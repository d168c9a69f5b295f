import type { FlameGraph } from "../flamegraph/flame-graph.ts";
import type { PageModel } from "./model.ts";

/**
 * What the page tells on its root element once the first frame is painted, so that anyone can
 * wait for it and read it from outside.
 */
export function reportReady(page: PageModel, graph: FlameGraph): void {
  const { tree } = graph;
  if (tree === undefined) return;
  const { dataset } = document.documentElement;
  dataset["total"] = String(tree.columns.total[0] ?? 0);
  dataset["sampleType"] = tree.sampleType;
  dataset["nodes"] = String(tree.columns.name.length);
  if (dataset["state"] !== "ready" && document.activeElement === document.body) {
    graph.element.focus({ preventScroll: true });
  }
  dataset["state"] = "ready";
  page.isBusy.value = false;
}
