import type { LoadSegment } from "./elf/elf-file.ts";
import type { AddressSpace, ProfiledMapping } from "./elf/profiled-address.ts";
import { hasOffsets, profiledAddress } from "./elf/profiled-address.ts";
import {
  type ExecutableFile,
  type FileDescriptor,
  isMissing,
  type Missing,
} from "./executable-file.ts";
import type { DebugFileFinder } from "./native/opened-symbols.ts";
import type { DebugFileKind, FoundDebugFile } from "./sources/debug-file.ts";
import type { Symbolizer } from "./symbolizer.ts";

/** Files that stay open from one batch to the next; a fleet runs some hundreds. */
const HELD_MAX = 256;
/** A build id has 20 bytes; a longer one is none. */
const BUILD_ID_DIGITS_MAX = 128;

/**
 * The files that profiles of other hosts speak of, by their build ids: from the places that keep
 * debug files. Nothing is opened by a path that a profile says.
 */
export class StoredExecutables implements Disposable {
  readonly #symbolizer: Symbolizer;
  readonly #finder: () => Promise<DebugFileFinder>;
  /** By kind and build id. The one used last is the last. */
  readonly #held = new Map<string, StoredFile>();
  /** Those that are being looked for. */
  readonly #wanted = new Map<string, Promise<StoredFile | Missing>>();

  constructor(symbolizer: Symbolizer, finder: () => Promise<DebugFileFinder>) {
    this.#symbolizer = symbolizer;
    this.#finder = finder;
  }

  /**
   * The file by which addresses of a mapping are named, and where they are in it: its debug file,
   * else the program itself. The program is asked for what its debug file cannot tell. Whoever gets
   * it disposes of it: the file stays open until then.
   */
  async place(asked: AskedMapping): Promise<PlacedAddresses | Missing> {
    const { buildId } = asked;
    if (!/^(?:[0-9a-f]{2})+$/.test(buildId) || buildId.length > BUILD_ID_DIGITS_MAX) {
      return { missing: "no process that has it mapped was seen, and it has no build id" };
    }
    const debug = await this.#find("debuginfo", buildId);
    const named = isMissing(debug) ? await this.#find("executable", buildId) : debug;
    if (isMissing(named)) return debug as Missing;
    const lease = named.open();
    if (isMissing(lease)) return lease;
    const isDebugFile = named === debug;
    const addresses = placedBy(named.segments, asked, isDebugFile);
    if (isDebugFile && !hasOffsets(named.segments) && addresses.includes(undefined)) {
      const program = await this.#find("executable", buildId);
      const byProgram = isMissing(program) ? [] : placedBy(program.segments, asked, false);
      for (const [index, address] of byProgram.entries()) addresses[index] ??= address;
    }
    if (addresses.some((address) => address !== undefined)) {
      return { file: named, addresses, [Symbol.dispose]: () => lease[Symbol.dispose]() };
    }
    lease[Symbol.dispose]();
    return { missing: "its segments do not tell what the profile's addresses are" };
  }

  /** Who asks for a file that is being looked for waits for it. */
  async #find(kind: DebugFileKind, buildId: string): Promise<StoredFile | Missing> {
    const key = `${kind} of build id ${buildId}`;
    const known = this.#held.get(key);
    if (known === undefined) {
      return this.#wanted.getOrInsertComputed(key, () =>
        this.#look(key, kind, buildId).finally(() => this.#wanted.delete(key)),
      );
    }
    this.#held.delete(key);
    this.#held.set(key, known);
    return known;
  }

  async #look(key: string, kind: DebugFileKind, buildId: string): Promise<StoredFile | Missing> {
    const found = await (await this.#finder()).find({ kind, buildId });
    if (isMissing(found)) return found;
    const file = new StoredFile(key, buildId, found);
    const info = await this.#symbolizer.identify(file);
    if (isMissing(info)) {
      file.close();
      return info;
    }
    file.segments = info.segments;
    this.#held.set(key, file);
    for (const [oldest, old] of this.#held) {
      if (this.#held.size <= HELD_MAX) break;
      this.#held.delete(oldest);
      old.close();
    }
    return file;
  }

  [Symbol.dispose](): void {
    for (const file of this.#held.values()) file.close();
    this.#held.clear();
  }
}

/** Addresses of one mapping, as a profile tells them. */
export interface AskedMapping {
  /** Lower-case hex. */
  readonly buildId: string;
  readonly mapping: ProfiledMapping;
  readonly addresses: BigUint64Array;
  /** Found out when it is not given. */
  readonly space: AddressSpace | undefined;
}

export interface PlacedAddresses extends Disposable {
  readonly file: ExecutableFile;
  /** The file's own, in the order of those that were asked for; undefined for what has no place. */
  readonly addresses: readonly (bigint | undefined)[];
}

function placedBy(
  segments: readonly LoadSegment[],
  { mapping, addresses, space }: AskedMapping,
  isDebugFile: boolean,
): (bigint | undefined)[] {
  const options = { space, isDebugFile };
  return Array.from(addresses, (address) => profiledAddress(segments, mapping, address, options));
}

/** Open until it is closed and everybody whom it was lent to is done with it. */
class StoredFile implements ExecutableFile {
  readonly key: string;
  readonly buildId: string;
  readonly path: string;
  segments: readonly LoadSegment[] = [];
  readonly #file: FoundDebugFile;
  #users = 1;

  constructor(key: string, buildId: string, file: FoundDebugFile) {
    this.key = `${key} (${file.identity})`;
    this.buildId = buildId;
    this.path = file.path;
    this.#file = file;
  }

  open(): FileDescriptor | Missing {
    if (this.#users === 0) return { missing: "it was closed for others" };
    this.#users++;
    let isOpen = true;
    return {
      fd: this.#file.fd,
      [Symbol.dispose]: () => {
        if (isOpen) this.close();
        isOpen = false;
      },
    };
  }

  close(): void {
    if (--this.#users === 0) this.#file[Symbol.dispose]();
  }
}
