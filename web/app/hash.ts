import type { ViewState } from "./view-state.ts";
import { startState } from "./view-state.ts";

/**
 * The whole state in the URL's hash, as `#type=cpu&q=malloc&zoom=12`. What has its usual value is
 * left out; what cannot be read has its usual value, since anyone may have written the link.
 */
export function hashOf(state: ViewState): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) {
    const usual = startState[key as keyof ViewState];
    if (Array.isArray(value)) {
      for (const entry of value) parameters.append(key, String(entry));
    } else if (value !== usual) parameters.set(key, String(value));
  }
  return parameters.toString();
}

/** Values of one key that are read; more is no link that this page has made. */
const VALUES_MAX = 100;

/** The state that a hash holds, with or without its "#". */
export function stateOf(hash: string): ViewState {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  const entries = Object.entries(startState).map(([key, usual]) => {
    if (Array.isArray(usual)) return [key, parameters.getAll(key).slice(0, VALUES_MAX)];
    return [key, read(parameters.get(key), usual)];
  });
  return Object.fromEntries(entries) as ViewState;
}

function read(text: string | null, usual: unknown): unknown {
  if (text === null) return usual;
  switch (typeof usual) {
    case "boolean":
      return text === "true";
    case "number": {
      const value = Number(text);
      return Number.isSafeInteger(value) && value >= 0 ? value : usual;
    }
    default:
      return text;
  }
}
