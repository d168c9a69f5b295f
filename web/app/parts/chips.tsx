import type { JSX } from "preact";
import type { PageModel } from "../model.ts";

const kinds = ["focus", "hide", "remove", "label"] as const;

/** What narrows the graph down, each with a button that takes it away. */
export function Chips({ page }: { page: PageModel }): JSX.Element | null {
  const state = page.state.value;
  const chips = kinds.flatMap((kind) => state[kind].map((value) => ({ kind, value })));
  if (chips.length === 0 && state.sandwich === "") return null;
  return (
    <ul class="chips" aria-label="What narrows the graph down">
      {state.sandwich !== "" && (
        <Chip text={`sandwich: ${state.sandwich}`} remove={() => page.set({ sandwich: "" })} />
      )}
      {chips.map(({ kind, value }) => (
        <Chip
          key={`${kind} ${value}`}
          text={`${kind}: ${readable(value)}`}
          remove={() => page.set({ [kind]: state[kind].filter((other) => other !== value) })}
        />
      ))}
      <li>
        <button type="button" onClick={() => void page.reset()}>
          Reset all
        </button>
      </li>
    </ul>
  );
}

function Chip({ text, remove }: { text: string; remove: () => Promise<void> }): JSX.Element {
  return (
    <li>
      <span>{text}</span>
      <button type="button" aria-label={`Take away ${text}`} onClick={() => void remove()}>
        ×
      </button>
    </li>
  );
}

/** The pattern of exactly one name, as that name. */
function readable(pattern: string): string {
  const name = /^\^(.*)\$$/s.exec(pattern)?.[1];
  if (name === undefined) return pattern;
  return name
    .replaceAll(/\\x([0-9a-f]{2})/g, (_, code: string) => String.fromCharCode(parseInt(code, 16)))
    .replaceAll(/\\(.)/g, "$1");
}
