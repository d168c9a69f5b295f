import { readFileSync } from "node:fs";
import type { FoundDebugFile, MissingDebugFile } from "../debug-file.ts";

/** "SOURCE PATH" of what was found, else "missing"; nothing stays open. */
export function placeFound(result: FoundDebugFile | MissingDebugFile): string {
  if ("missing" in result) return "missing";
  using found = result;
  return `${found.source} ${found.path}`;
}

/** All bytes of what was found, by its descriptor. */
export function bytesFound(result: FoundDebugFile | MissingDebugFile): Uint8Array {
  if ("missing" in result) throw new Error(result.missing);
  using found = result;
  return readFileSync(`/proc/self/fd/${found.fd}`);
}

/** Why nothing was found: place by place. */
export function reasonsOf(result: FoundDebugFile | MissingDebugFile): string[] {
  if (!("missing" in result)) {
    result[Symbol.dispose]();
    throw new Error(`found ${result.path}`);
  }
  return result.lookedAt.map(({ place, why }) => `${place}: ${why}`);
}
