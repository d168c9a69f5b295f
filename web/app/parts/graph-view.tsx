import { useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { FlameGraph } from "../../flamegraph/flame-graph.ts";
import { afterPaint } from "../../flamegraph/measures.ts";
import { shareText, valueText } from "../../flamegraph/value-text.ts";
import { onGraphKey } from "../keys.ts";
import type { PageModel } from "../model.ts";

/** The graph, and in a sandwich the callers above it. */
export function GraphView({ page }: { page: PageModel }): JSX.Element {
  const isSandwich = page.trees.value?.callers !== undefined;
  return (
    <div class={isSandwich ? "graphs sandwich" : "graphs"}>
      {isSandwich && <CallersGraph page={page} />}
      <MainGraph page={page} />
    </div>
  );
}

function MainGraph({ page }: { page: PageModel }): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  // Not after a painted frame: under load a tree is there before, and finds no graph to show it.
  useLayoutEffect(() => {
    if (host.current === null) return;
    const graph = new FlameGraph(host.current, {
      label: "Flame graph. Arrow keys walk, Enter zooms, slash searches, ? lists all keys.",
      theme: page.theme.value,
      colourBy: page.colourBy.value,
      // What surrounds the graph follows a frame later, and does not hold its first one up.
      zoomed: (node) => afterPaint(() => page.zoomed(node)),
      selected: (node) =>
        afterPaint(() => {
          page.selected.value = node;
        }),
    });
    graph.element.addEventListener("keydown", (event) => onGraphKey(page, graph, event));
    page.attach(graph);
    return () => {
      page.attach(undefined);
      graph.destroy();
    };
  }, [page]);
  useSignalEffect(() => page.graph?.setTheme(page.theme.value));
  useSignalEffect(() => page.graph?.setColourBy(page.colourBy.value));
  return <div class="graph" id="graph" ref={host} />;
}

/** The callers of the function in the middle: its root at the bottom, as they lead to it. */
function CallersGraph({ page }: { page: PageModel }): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const graph = useRef<FlameGraph>(null);
  useEffect(() => {
    if (host.current === null) return;
    const callers = new FlameGraph(host.current, {
      label: "Callers. The function is at the bottom, its callers above.",
      rootAtBottom: true,
    });
    callers.element.addEventListener("keydown", (event) => onGraphKey(page, callers, event));
    graph.current = callers;
    return () => callers.destroy();
  }, [page]);
  useSignalEffect(() => {
    const tree = page.trees.value?.callers;
    if (tree !== undefined) graph.current?.show(tree);
  });
  useSignalEffect(() => graph.current?.setTheme(page.theme.value));
  useSignalEffect(() => graph.current?.setColourBy(page.colourBy.value));
  useSignalEffect(() => {
    const found = page.found.value;
    const isFound = found !== undefined && "result" in found;
    graph.current?.highlight(isFound ? found.result.names : undefined);
  });
  return (
    <>
      <div class="graph callers" ref={host} />
      <Divider page={page} />
    </>
  );
}

function Divider({ page }: { page: PageModel }): JSX.Element | null {
  const tree = page.trees.value?.tree;
  if (tree === undefined) return null;
  const total = tree.columns.total[0] ?? 0;
  return (
    <p class="divider">
      callers above, callees below: {page.state.value.sandwich} · {valueText(total, tree.unit)}
      {tree.whole !== undefined && ` · ${shareText(total, tree.whole)}`}
    </p>
  );
}
