import type { JSX } from "preact";
import { FRAME_KINDS } from "../../../src/profiles/flamegraph/columns.ts";
import { kindName } from "../../flamegraph/frame-kinds.ts";
import {
  CHANGE_STEPS,
  paletteOf,
  RAMP,
  RAMP_STEPS,
  TYPES,
  UNCHANGED,
} from "../../flamegraph/palette.ts";
import type { PageModel } from "../model.ts";

/** What the colours mean, where they have a meaning: packages and files have just different ones. */
export function Legend({ page }: { page: PageModel }): JSX.Element | null {
  const { frames } = paletteOf(page.theme.value);
  const meanings = meaningsOf(page);
  if (meanings.length === 0) return null;
  return (
    <ul class="legend" aria-label="Colours">
      {meanings.map(([place, text]) => (
        <li key={text}>
          <svg width="12" height="12" aria-hidden="true">
            <rect width="12" height="12" fill={frames[place]} />
          </svg>
          {text}
        </li>
      ))}
    </ul>
  );
}

/** Places in the palette with what they say. */
function meaningsOf(page: PageModel): (readonly [place: number, text: string])[] {
  switch (page.colourBy.value) {
    case "difference":
      return [
        [UNCHANGED - CHANGE_STEPS, "less, − vanished"],
        [UNCHANGED, "unchanged"],
        [UNCHANGED + CHANGE_STEPS, "more, + new"],
      ];
    case "type":
      return FRAME_KINDS.map((_, kind) => [TYPES + kind, kindName(kind) || "not known"] as const);
    case "value":
      return [
        [RAMP, "no value of its own"],
        [RAMP + RAMP_STEPS - 1, "a fifth of all, or more"],
      ];
    default:
      return [];
  }
}
