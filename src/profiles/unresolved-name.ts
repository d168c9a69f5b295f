import type { Dictionary } from "./dictionary.ts";

/**
 * What stands for the name of a function that has none: `libfoo.so+0x1234`, so that a person
 * can still tell where it is and a tool can still resolve it.
 *
 * @param path     the mapping's file; "" when the location has no mapping
 * @param address  the location's address
 */
export function unresolvedName(path: string, address: bigint): string {
  if (path === "") return "[unknown]";
  // Code that a runtime made: its addresses differ in every process and say nothing.
  if (path.startsWith("//anon") || path === "[anon]") return "[anon]";
  return `${path.slice(path.lastIndexOf("/") + 1)}+0x${address.toString(16)}`;
}

/** True when a location has no function, or only the one that stands for a missing name. */
export function isUnresolved(dictionary: Dictionary, location: number): boolean {
  const { locations, functions, mappings, strings } = dictionary;
  const line = locations.lineStart(location);
  if (line === locations.lineEnd(location)) return true;
  const name = strings.at(functions.name.at(locations.lineFunction.at(line)));
  const path = strings.at(mappings.filename.at(locations.mapping.at(location)));
  return name === unresolvedName(path, locations.address.bigint(location));
}
