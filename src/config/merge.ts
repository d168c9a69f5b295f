import { configInvalid } from "./faults.ts";
import { CONFIG_NESTING_MAX } from "./limits.ts";
import type { ConfigNode, MapNode } from "./node.ts";

/** What separates the steps of a path that is written as one key. */
export const PATH_SEPARATOR = "::";

/** Paths as keys of one source: each costs a copy of the maps on its way. */
const PATH_KEYS_MAX = 1000;

/**
 * `over` laid onto `base`: maps are joined, key by key; anything else, lists and null among
 * them, replaces what was there. A joined map keeps the place of `base`, because that is where
 * a reader finds the section. Neither argument is changed.
 */
export function mergeMaps(base: MapNode, over: MapNode): MapNode {
  const entries = new Map(base.entries);
  for (const [key, value] of over.entries) {
    const present = entries.get(key);
    const areMaps = present?.kind === "map" && value.kind === "map";
    entries.set(key, areMaps ? mergeMaps(present, value) : value);
  }
  return { kind: "map", place: base.place, entries };
}

/** The map that has `value` alone, at the end of `path`; every step has the place of `value`. */
export function nestedMap(path: readonly string[], value: ConfigNode): MapNode {
  const nested = path.reduceRight<ConfigNode>(
    (inner, key) => ({ kind: "map", place: value.place, entries: new Map([[key, inner]]) }),
    value,
  );
  return nested as MapNode;
}

/**
 * A map whose top keys may be paths ("processors::batch::timeout"), with these as nested maps.
 * otelcol reads deeper keys so as well; here they stay, since a header or label may be named so.
 */
export function unflattened(map: MapNode): MapNode {
  const paths = [...map.entries.keys()].filter((key) => key.includes(PATH_SEPARATOR));
  if (paths.length === 0) return map;
  if (paths.length > PATH_KEYS_MAX) {
    throw configInvalid(map.place, `${paths.length} keys are paths; at most ${PATH_KEYS_MAX}`);
  }
  let result: MapNode = { ...map, entries: withoutKeys(map.entries, paths) };
  for (const key of paths) {
    const value = map.entries.get(key) as ConfigNode;
    result = mergeMaps(result, nestedMap(pathSteps(key, PATH_SEPARATOR, value.place), value));
  }
  return result;
}

function withoutKeys(
  entries: ReadonlyMap<string, ConfigNode>,
  keys: readonly string[],
): ReadonlyMap<string, ConfigNode> {
  const rest = new Map(entries);
  for (const key of keys) rest.delete(key);
  return rest;
}

/** The steps of a path as it was written, each checked to have text. */
export function pathSteps(
  path: string,
  separator: string | RegExp,
  place: string,
): readonly string[] {
  const steps = path.split(separator);
  if (steps.length > CONFIG_NESTING_MAX) {
    throw configInvalid(place, `a path of ${steps.length} keys; at most ${CONFIG_NESTING_MAX}`);
  }
  if (steps.includes("")) throw configInvalid(place, `the path "${path}" has an empty key`);
  return steps;
}
