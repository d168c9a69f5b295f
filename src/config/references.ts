/**
 * References inside a text: `${env:NAME}`, `${file:path}`, one inside another, and `$$` for `$`.
 * A lone `$`, and a `${` that nothing closes, are text. Unlike otelcol, which replaces a reference
 * wherever it stands in the text, what `$$` escapes is never expanded ("$${A} ${A}").
 */
import { configInvalid } from "./faults.ts";
import { CONFIG_NESTING_MAX } from "./limits.ts";

export type Part =
  | { readonly kind: "text"; readonly text: string }
  /** `$$`. */
  | { readonly kind: "escape" }
  /** `${…}`, with what stands between the braces. */
  | { readonly kind: "reference"; readonly parts: readonly Part[] };

const TOKEN = /\$\$|\$\{|\}/g;

/**
 * The parts of a text in their order, no two of kind "text" side by side.
 *
 * @throws CONFIG_INVALID at `place` for references nested deeper than CONFIG_NESTING_MAX
 */
export function parseReferences(text: string, place: string): readonly Part[] {
  const frames: Part[][] = [[]];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    pushText(top(frames), text.slice(end, match.index));
    end = match.index + match[0].length;
    takeToken(match[0], frames);
    if (frames.length > CONFIG_NESTING_MAX) {
      throw configInvalid(place, `references are nested deeper than ${CONFIG_NESTING_MAX}`);
    }
  }
  pushText(top(frames), text.slice(end));
  while (frames.length > 1) giveBack(frames);
  return top(frames);
}

function takeToken(token: string, frames: Part[][]): void {
  if (token === "$$") top(frames).push({ kind: "escape" });
  else if (token === "${") frames.push([]);
  else if (frames.length === 1) pushText(top(frames), token);
  else {
    const parts = frames.pop() as Part[];
    top(frames).push({ kind: "reference", parts });
  }
}

/** The innermost open reference has no end: what looked like one is text. */
function giveBack(frames: Part[][]): void {
  const parts = frames.pop() as Part[];
  pushText(top(frames), "${");
  for (const part of parts) {
    if (part.kind === "text") pushText(top(frames), part.text);
    else top(frames).push(part);
  }
}

function pushText(parts: Part[], text: string): void {
  if (text === "") return;
  const last = parts.at(-1);
  if (last?.kind === "text") parts[parts.length - 1] = { kind: "text", text: last.text + text };
  else parts.push({ kind: "text", text });
}

function top(frames: Part[][]): Part[] {
  return frames.at(-1) as Part[];
}
