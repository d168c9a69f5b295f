import type { JSX } from "preact";
import type { PageModel } from "./model.ts";
import { Breadcrumbs } from "./parts/breadcrumbs.tsx";
import { Chips } from "./parts/chips.tsx";
import { Details } from "./parts/details.tsx";
import { GraphView } from "./parts/graph-view.tsx";
import { Help } from "./parts/help.tsx";
import { Opener } from "./parts/opener.tsx";
import { Table } from "./parts/table.tsx";
import { Toolbar } from "./parts/toolbar.tsx";

/** The page: a graph and what surrounds it, or the place to drop files on. */
export function App({ page }: { page: PageModel }): JSX.Element {
  const info = page.info.value;
  const { show } = page.state.value;
  return (
    <>
      <header>
        <h1>{info?.title || "Flame graph"}</h1>
        {info !== undefined && <Toolbar page={page} />}
        <Chips page={page} />
        <Breadcrumbs page={page} />
      </header>
      <main class={`show-${show === "both" || show === "table" ? show : "graph"}`}>
        {page.problem.value !== "" && (
          <p class="problem" role="alert">
            {page.problem.value}
          </p>
        )}
        <Opener page={page} />
        <GraphView page={page} />
        {show !== "graph" && <Table page={page} />}
      </main>
      <Details page={page} />
      <p class="notice" role="status" aria-live="polite">
        {noticeOf(page)}
      </p>
      <Help page={page} />
    </>
  );
}

/** What the user should know now: of the tree on screen before of what was just done. */
function noticeOf(page: PageModel): string {
  if (page.isBusy.value) return "Working…";
  const tree = page.trees.value?.tree;
  if (tree !== undefined && (tree.layout?.weight[0] ?? 0) === 0) {
    return "No samples are left: take away a filter above.";
  }
  if (tree?.isCut) {
    return "The tree is too large: the deepest frames are counted with their callers.";
  }
  return page.notice.value;
}
