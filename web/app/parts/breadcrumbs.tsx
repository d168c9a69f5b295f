import type { JSX } from "preact";
import { type PageModel, selectedTree } from "../model.ts";

/** Frames of a path that are shown; of a longer one the middle is left out. */
const CRUMBS_MAX = 12;

/** The way from the root to the zoomed frame; each step leads back. */
export function Breadcrumbs({ page }: { page: PageModel }): JSX.Element | null {
  const tree = selectedTree(page);
  const path = page.path.value;
  if (tree === undefined || path.length < 2) return null;
  const { columns } = tree;
  const left = path.length - CRUMBS_MAX;
  const shown = left <= 0 ? path : [...path.slice(0, 3), -1, ...path.slice(3 + left)];
  return (
    <nav class="breadcrumbs" aria-label="Zoomed frame">
      <ol>
        {shown.map((node) =>
          node < 0 ? (
            <li key="gap">… {left} frames …</li>
          ) : (
            <li key={node}>
              <button
                type="button"
                aria-current={node === path.at(-1) ? "location" : undefined}
                onClick={(event) => page.zoom(node, event.timeStamp)}
              >
                {columns.names[columns.name[node] ?? 0] || "(no name)"}
              </button>
            </li>
          ),
        )}
      </ol>
    </nav>
  );
}
