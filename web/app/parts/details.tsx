import type { JSX } from "preact";
import { copyName, copyStack } from "../copy.ts";
import type { PageModel } from "../model.ts";

/** The frame with the focus: its full name, place and values, and what can be done with it. */
export function Details({ page }: { page: PageModel }): JSX.Element | null {
  const { graph } = page;
  const described = page.trees.value && graph?.describe(page.selected.value);
  if (graph === undefined || described === undefined) return null;
  // Read so that shares of the zoomed frame follow the zoom.
  page.path.value;
  const actions: readonly (readonly [text: string, act: () => unknown])[] = [
    ["Zoom", () => page.zoom(page.selected.value, performance.now())],
    ["Sandwich", () => page.sandwich(graph)],
    ["Focus", () => page.transform("focus", graph)],
    ["Hide", () => page.transform("hide", graph)],
    ["Remove", () => page.transform("remove", graph)],
    ["Copy name", () => copyName(page, graph)],
    ["Copy stack", () => copyStack(page, graph)],
  ];
  return (
    <section class="details" aria-label="Selected frame">
      <h2>{described.name}</h2>
      <p>{[described.place, ...described.values].filter((part) => part !== "").join(" · ")}</p>
      <div class="actions">
        {actions.map(([text, act]) => (
          <button type="button" key={text} onClick={() => void act()}>
            {text}
          </button>
        ))}
      </div>
    </section>
  );
}
