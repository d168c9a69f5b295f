import type { ConfigNode, MapNode } from "../node.ts";

/** Plain data as nodes, all with one place. */
export function nodeOf(value: unknown, place = "test"): ConfigNode {
  if (Array.isArray(value)) {
    return { kind: "list", place, items: value.map((item) => nodeOf(item, place)) };
  }
  if (typeof value === "object" && value !== null) return mapOf(value, place);
  return { kind: "scalar", place, value: value as string | number | boolean | null };
}

/** As `nodeOf`, of an object. */
export function mapOf(value: unknown, place = "test"): MapNode {
  const entries = Object.entries(value as object);
  return {
    kind: "map",
    place,
    entries: new Map(entries.map(([key, child]) => [key, nodeOf(child, place)])),
  };
}
