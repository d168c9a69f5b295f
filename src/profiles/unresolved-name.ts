import type { Dictionary } from "./dictionary.ts";
import type { ProfileBatch } from "./profile.ts";

/** The name by which profiles know code that a runtime made, which no file holds. */
export const ANONYMOUS_MAPPING = "[anon]";

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
  if (path.startsWith("//anon") || path === ANONYMOUS_MAPPING) return ANONYMOUS_MAPPING;
  return `${path.slice(path.lastIndexOf("/") + 1)}+0x${address.toString(16)}`;
}

/** Below this a mapping is placed by its file's own addresses, not by a process's. */
const FILE_ADDRESSES_END = 2n ** 32n;

/**
 * What stands for the name of a location: `unresolvedName` of its mapping's file. An address in
 * a process is told by its place in the file, which is the same in every process.
 */
export function unresolvedNameOf(dictionary: Dictionary, location: number): string {
  const { locations, mappings, strings } = dictionary;
  const mapping = locations.mapping.at(location);
  const path = strings.at(mappings.filename.at(mapping));
  let address = locations.address.bigint(location);
  const start = mappings.memoryStart.bigint(mapping);
  if (start >= FILE_ADDRESSES_END && address >= start) {
    address += mappings.fileOffset.bigint(mapping) - start;
  }
  return unresolvedName(path, address);
}

/** True when a location has no function, or only the one that stands for a missing name. */
export function isUnresolved(dictionary: Dictionary, location: number): boolean {
  const { locations, functions, strings } = dictionary;
  const line = locations.lineStart(location);
  if (line === locations.lineEnd(location)) return true;
  const name = strings.at(functions.name.at(locations.lineFunction.at(line)));
  if (name === "") return true;
  // Nearly every name can be told from one that was made here without making it.
  if (!name.includes("+0x") && !name.startsWith("[")) return false;
  return name === unresolvedNameOf(dictionary, location);
}

/** The share of the samples' frames that have no name, 0 to 1: a frame counts once a sample. */
export function unnamedShareOf(batch: ProfileBatch): number {
  const { locations, stacks } = batch.dictionary;
  const isUnnamed = Uint8Array.from({ length: locations.length }, (_, location) =>
    isUnresolved(batch.dictionary, location) ? 1 : 0,
  );
  let [frames, unnamed] = [0, 0];
  for (const { profile } of batch.profiles()) {
    const { samples } = profile;
    for (let sample = 0; sample < samples.length; sample++) {
      const value = samples.value.at(sample);
      const end = stacks.end(samples.stack.at(sample));
      for (let place = stacks.start(samples.stack.at(sample)); place < end; place++) {
        frames += value;
        unnamed += value * (isUnnamed[stacks.item(place)] ?? 0);
      }
    }
  }
  return frames === 0 ? 0 : unnamed / frames;
}
