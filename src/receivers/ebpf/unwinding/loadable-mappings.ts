import { isFileBacked, type ProcessMapping } from "../../../linux/process-mapping.ts";
import { VDSO_PATH } from "../../../symbols/executables.ts";
import { addressPrefixes } from "./address-prefixes.ts";

/** Ranges of one process, and keys: what has more shall not fill the map for all others. */
const RANGES_MAX = 4096;
const KEYS_MAX = 8192;
/** Keys of one range: two for each bit of a page's number. */
const RANGE_KEYS_MAX = 72;
/** Above this an address is not exact as a number, and no user space has it. */
const ADDRESS_MAX = 2 ** 52;

export interface LoadableMappings {
  readonly kept: readonly ProcessMapping[];
  readonly refused: number;
}

/** Of a process's mappings those that have room in its share of the trie; files come first. */
export function loadableMappings(all: readonly ProcessMapping[]): LoadableMappings {
  const mappings = all.filter(({ end }) => end < ADDRESS_MAX);
  if (mappings.length <= KEYS_MAX / RANGE_KEYS_MAX) return { kept: mappings, refused: 0 };
  // A compiler at run time makes thousands of others, which keep frame pointers.
  const others = mappings.filter((mapping) => !hasFile(mapping));
  const kept = withinKeys([...mappings.filter(hasFile), ...others].slice(0, RANGES_MAX));
  return { kept, refused: mappings.length - kept.length };
}

/** The vdso counts as one. */
export function hasFile(mapping: ProcessMapping): boolean {
  return isFileBacked(mapping) || mapping.path === VDSO_PATH;
}

function withinKeys(mappings: readonly ProcessMapping[]): ProcessMapping[] {
  let keys = 0;
  return mappings.filter(({ start, end }) => {
    const needed = addressPrefixes(Number(start), Number(end)).length;
    if (keys + needed > KEYS_MAX) return false;
    keys += needed;
    return true;
  });
}
