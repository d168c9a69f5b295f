import { isFileBacked, type ProcessMapping } from "../../linux/process-mapping.ts";
import { lastAtOrBefore } from "../../support/sorted-search.ts";

/** Executable mappings of one process. A JIT with guard pages has some hundreds. */
export const MAPPINGS_MAX = 65_536;

/**
 * The executable mappings of a process: sorted, without overlaps, a newer one replacing what it
 * covers, as in the kernel. Nothing tells of an unmapping, so what was unmapped stays until its
 * place is used again or a scan replaces the whole set.
 *
 * A fork is O(1): both share the arrays until one of them changes.
 */
export class MappingSet {
  #starts: number[] = [];
  #mappings: ProcessMapping[] = [];
  #isShared = false;
  #version = 0;

  /** Another number after each change. */
  get version(): number {
    return this.#version;
  }

  get size(): number {
    return this.#mappings.length;
  }

  /** The mappings in the order of their addresses. */
  all(): readonly ProcessMapping[] {
    return this.#mappings;
  }

  /** A set with the same mappings and version that changes on its own. */
  fork(): MappingSet {
    const child = new MappingSet();
    child.#version = this.#version;
    child.#starts = this.#starts;
    child.#mappings = this.#mappings;
    child.#isShared = this.#isShared = true;
    return child;
  }

  find(address: number): ProcessMapping | undefined {
    const mapping = this.#mappings[this.#firstStartAfter(address) - 1];
    return mapping !== undefined && address < Number(mapping.end) ? mapping : undefined;
  }

  /**
   * True when the mapping would take the place of another file, or a file and anonymous memory
   * that of one another. Anonymous memory in the place of other such memory is what compilers at
   * run time make all the time, and names nothing.
   */
  displacesFile(mapping: ProcessMapping): boolean {
    const start = Number(mapping.start);
    const to = this.#firstStartAfter(Number(mapping.end) - 1);
    for (let at = Math.max(0, this.#firstStartAfter(start) - 1); at < to; at++) {
      const known = this.#mappings[at] as ProcessMapping;
      if (Number(known.end) > start && isOtherFile(known, mapping)) return true;
    }
    return false;
  }

  /** Adds a mapping. False when there are MAPPINGS_MAX already. */
  insert(mapping: ProcessMapping): boolean {
    const start = Number(mapping.start);
    const end = Number(mapping.end);
    if (!(start < end)) return true;
    let from = this.#firstStartAfter(start) - 1;
    const before = this.#mappings[from];
    if (before === undefined || Number(before.end) <= start) from++;
    else if (covers(before, mapping)) return true;
    const to = this.#firstStartAfter(end - 1);
    const parts = this.#replacement(mapping, this.#mappings[from], this.#mappings[to - 1]);
    if (this.size - (to - from) + parts.length > MAPPINGS_MAX) return false;
    this.#unshare();
    this.#version++;
    this.#mappings.splice(from, to - from, ...parts);
    this.#starts.splice(from, to - from, ...parts.map((part) => Number(part.start)));
    return true;
  }

  /**
   * Replaces the set by what a scan found, which is sorted. A mapping that was known before
   * stays the object that it was, with what is known of it. False when some had no room.
   */
  replaceBy(scanned: readonly ProcessMapping[]): boolean {
    const mappings = scanned.slice(0, MAPPINGS_MAX).map((mapping) => {
      const known = this.#mappings[this.#firstStartAfter(Number(mapping.start)) - 1];
      return known !== undefined && isSame(known, mapping) ? known : mapping;
    });
    this.#version++;
    this.#mappings = mappings;
    this.#starts = mappings.map((mapping) => Number(mapping.start));
    this.#isShared = false;
    return scanned.length <= MAPPINGS_MAX;
  }

  /** The mapping, between what is left of the first and the last that it overlaps. */
  #replacement(
    mapping: ProcessMapping,
    first: ProcessMapping | undefined,
    last: ProcessMapping | undefined,
  ): ProcessMapping[] {
    const parts = [mapping];
    if (first !== undefined && first.start < mapping.start) {
      parts.unshift({ ...first, end: mapping.start });
    }
    if (last !== undefined && last.start < mapping.end && last.end > mapping.end) {
      const fileOffset = last.fileOffset + (mapping.end - last.start);
      parts.push({ ...last, start: mapping.end, fileOffset });
    }
    return parts;
  }

  /** Index of the first mapping that starts above `address`. */
  #firstStartAfter(address: number): number {
    return lastAtOrBefore(this.#starts, address) + 1;
  }

  #unshare(): void {
    if (!this.#isShared) return;
    this.#starts = this.#starts.slice();
    this.#mappings = this.#mappings.slice();
    this.#isShared = false;
  }
}

/**
 * True when the new mapping says nothing new. Compilers at run time change the protection of
 * parts of their memory over and over, which the kernel tells each time.
 */
function covers(known: ProcessMapping, mapping: ProcessMapping): boolean {
  if (known.path === "" && mapping.path === "") {
    return known.start <= mapping.start && known.end >= mapping.end;
  }
  return (
    isSame(known, mapping) && known.buildId === mapping.buildId && known.inode === mapping.inode
  );
}

/** The same range of the same file, as far as both know it. */
function isSame(a: ProcessMapping, b: ProcessMapping): boolean {
  return (
    a.start === b.start &&
    a.end === b.end &&
    a.fileOffset === b.fileOffset &&
    a.path === b.path &&
    (a.inode === 0n || b.inode === 0n || a.inode === b.inode)
  );
}

/** True when one is a file and the other is not, or another one as far as both know it. */
function isOtherFile(a: ProcessMapping, b: ProcessMapping): boolean {
  if (!isFileBacked(a) || !isFileBacked(b)) return isFileBacked(a) !== isFileBacked(b);
  if (a.buildId !== "" && b.buildId !== "" && a.buildId !== b.buildId) return true;
  if (a.inode === 0n || b.inode === 0n) return a.path !== b.path;
  // A file that was renamed has another path and is the same.
  return (
    a.inode !== b.inode || a.device.major !== b.device.major || a.device.minor !== b.device.minor
  );
}
