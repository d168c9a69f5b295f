import type { FlameGraph } from "../flamegraph/flame-graph.ts";
import { copyName, copyStack } from "./copy.ts";
import type { PageModel } from "./model.ts";

/** A key of the graph, and what it does. */
export interface KeyBinding {
  readonly keys: readonly string[];
  readonly does: string;
  readonly run: (page: PageModel, graph: FlameGraph, event: KeyboardEvent) => unknown;
}

/** Every key, in the order of the help. */
export const keyBindings: readonly KeyBinding[] = [
  { keys: ["ArrowUp"], does: "go to the caller", run: (_, graph) => graph.step("up") },
  { keys: ["ArrowDown"], does: "go to the widest callee", run: (_, graph) => graph.step("down") },
  {
    keys: ["ArrowLeft"],
    does: "go to the frame left of it",
    run: (_, graph) => graph.step("left"),
  },
  {
    keys: ["ArrowRight"],
    does: "go to the frame right of it",
    run: (_, graph) => graph.step("right"),
  },
  {
    keys: ["Enter", " "],
    does: "zoom the frame",
    run: (_, graph, event) => graph.zoom(graph.selected, event.timeStamp),
  },
  {
    keys: ["Escape", "Backspace"],
    does: "zoom back; then end the search, then the sandwich",
    run: (page, graph, event) => leadBack(page, graph, event),
  },
  {
    keys: ["Home", "0"],
    does: "zoom out to the root",
    run: (_, graph, event) => {
      graph.zoom(0, event.timeStamp);
      graph.select(0);
    },
  },
  { keys: ["/"], does: "search", run: () => document.getElementById("search")?.focus() },
  { keys: ["n"], does: "go to the next match", run: (_, graph) => graph.stepToMatch(1) },
  { keys: ["N"], does: "go to the match before", run: (_, graph) => graph.stepToMatch(-1) },
  {
    keys: ["i"],
    does: "invert: leaves become roots",
    run: (page) => page.set({ invert: !page.state.value.invert }),
  },
  {
    keys: ["s"],
    does: "sandwich: callers and callees of the frame",
    run: (page, graph) => page.sandwich(graph),
  },
  {
    keys: ["r"],
    does: "collapse recursion, or show it",
    run: (page) => page.set({ collapse: !page.state.value.collapse }),
  },
  {
    keys: ["f"],
    does: "focus: only stacks with this function",
    run: (page, graph) => page.transform("focus", graph),
  },
  {
    keys: ["h"],
    does: "hide this function; its callees move up",
    run: (page, graph) => page.transform("hide", graph),
  },
  {
    keys: ["x"],
    does: "remove the stacks with this function",
    run: (page, graph) => page.transform("remove", graph),
  },
  { keys: ["c"], does: "copy the name", run: (page, graph) => copyName(page, graph) },
  { keys: ["C"], does: "copy the stack", run: (page, graph) => copyStack(page, graph) },
  {
    keys: ["t"],
    does: "show the table, both, or the graph",
    run: (page) => page.set({ show: nextShow(page.state.value.show) }),
  },
  { keys: ["d"], does: "dark or light", run: (page) => toggleTheme(page) },
  {
    keys: ["?"],
    does: "list the keys",
    run: (page) => {
      page.isHelpOpen.value = true;
    },
  },
];

/** Runs what a key of the graph does. Keys with Control, Alt or Meta are the browser's. */
export function onGraphKey(page: PageModel, graph: FlameGraph, event: KeyboardEvent): void {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const binding = keyBindings.find(({ keys }) => keys.includes(event.key));
  if (binding === undefined) return;
  event.preventDefault();
  binding.run(page, graph, event);
}

/** Light becomes dark and dark light, whatever the system prefers. */
export function toggleTheme(page: PageModel): Promise<void> {
  return page.set({ theme: page.theme.value === "dark" ? "light" : "dark" });
}

function nextShow(show: string): string {
  if (show === "graph") return "both";
  return show === "both" ? "table" : "graph";
}

function leadBack(page: PageModel, graph: FlameGraph, event: KeyboardEvent): unknown {
  if (graph.zoomBack(event.timeStamp)) return graph.select(graph.zoomed);
  if (page.state.value.q !== "") return page.set({ q: "" }, event.timeStamp);
  if (page.state.value.sandwich !== "") return page.set({ sandwich: "" });
  return undefined;
}
