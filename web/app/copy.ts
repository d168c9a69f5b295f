import type { FlameGraph } from "../flamegraph/flame-graph.ts";
import type { PageModel } from "./model.ts";

/** Copies the name of the frame with the focus. */
export async function copyName(page: PageModel, graph: FlameGraph): Promise<void> {
  await copy(page, graph.selectedName, "the name is copied");
}

/** Copies the stack of the frame with the focus, root first, a frame a line. */
export async function copyStack(page: PageModel, graph: FlameGraph): Promise<void> {
  const columns = graph.tree?.columns;
  if (columns === undefined) return;
  // The root stands for all samples and is no function; that of a sandwich is.
  const path = graph.path(graph.selected);
  const isFunction = page.state.value.sandwich !== "";
  const names = (isFunction || path.length === 1 ? path : path.slice(1)).map(
    (node) => columns.names[columns.name[node] ?? 0] || "(no name)",
  );
  await copy(page, names.join("\n"), `a stack of ${names.length} frames is copied`);
}

async function copy(page: PageModel, text: string, said: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    page.notice.value = said;
  } catch {
    page.notice.value = copyBySelection(text) ? said : "the browser did not allow to copy";
  }
}

/** The way that is left in a file that was opened from disk, where there is no clipboard. */
function copyBySelection(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("aria-label", "text to copy");
  area.className = "unseen";
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  return isCopied;
}
