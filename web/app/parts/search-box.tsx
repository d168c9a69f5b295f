import type { JSX, TargetedKeyboardEvent } from "preact";
import { shareText, valueText } from "../../flamegraph/value-text.ts";
import { type Found, type PageModel, selectedTree } from "../model.ts";

/** The search: a regular expression, and what it found. */
export function SearchBox({ page }: { page: PageModel }): JSX.Element {
  const found = page.found.value;
  const isWrong = found !== undefined && "wrong" in found;
  return (
    <search class="search">
      <label for="search" class="unseen">
        Search by regular expression
      </label>
      <input
        id="search"
        type="search"
        placeholder="Search (regular expression)"
        spellcheck={false}
        autocomplete="off"
        value={page.state.value.q}
        aria-invalid={isWrong}
        aria-describedby="found"
        onInput={(event) => void page.set({ q: event.currentTarget.value }, event.timeStamp)}
        onKeyDown={(event) => leave(page, event)}
      />
      <output id="found" class={isWrong ? "found wrong" : "found"} aria-live="polite">
        {foundText(page, found)}
      </output>
    </search>
  );
}

/** Enter and Escape lead back to the graph, Enter to the first match. */
function leave(page: PageModel, event: TargetedKeyboardEvent<HTMLInputElement>): void {
  if (event.key !== "Enter" && event.key !== "Escape") return;
  event.preventDefault();
  if (event.key === "Escape") void page.set({ q: "" }, event.timeStamp);
  page.graph?.element.focus({ preventScroll: true });
  if (event.key === "Enter") page.graph?.stepToMatch(1);
}

function foundText(page: PageModel, found: Found): string {
  const tree = selectedTree(page);
  if (found === undefined || tree === undefined) return "";
  if ("wrong" in found) return found.wrong;
  const { frames, nameCount, total } = found.result;
  if (frames === 0) return "Nothing found";
  const whole = tree.columns.total[0] ?? 0;
  const value = `${valueText(total, tree.unit)}, ${shareText(total, whole)}`;
  return `${value} in ${frames} frames of ${nameCount} functions`;
}
