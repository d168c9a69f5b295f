import { fstatSync, readSync } from "node:fs";
import { limitExceeded } from "../../support/errors.ts";
import type { SymbolFrame } from "../executable-file.ts";
import { jitDumpFrames, perfMapFrames } from "./address-file.ts";
import { JITDUMP_BYTES_MAX, JitDump } from "./jitdump.ts";
import type { JitFileKind } from "./open-jit-file.ts";
import { PERF_MAP_BYTES_MAX, PerfMap } from "./perf-map.ts";

/** Maps that are kept from one question to the next; a busy one has 20 MB. */
const MAPS_MAX = 32;
/** Memory of all; what was used longest ago goes first. */
const BYTES_MAX = 64 * 1024 * 1024;
const PIECE_BYTES = 256 * 1024;
/** Of a perf map, read for one question: the shortest lines take half a second. */
const PART_BYTES = 8 * 1024 * 1024;
/** By so many bytes a map is known again: some forty lines with their addresses. */
const TAIL_BYTES = 4096;

/** A map that is open. The descriptor stays the caller's. */
export interface SentMap {
  /** Equal keys are the same map of the same process. */
  readonly key: string;
  readonly fd: number;
  readonly kind: JitFileKind;
}

/** A long map is read in parts: the question is to be asked again. */
export type NotAllRead = "not all read";
const BYTES_MAX_OF: Readonly<Record<JitFileKind, number>> = {
  perf_map: PERF_MAP_BYTES_MAX,
  jitdump: JITDUMP_BYTES_MAX,
};

/** What runtimes say of their code, each as far as it was written at the last question. */
export class ReadMaps {
  /** The one used last is the last. */
  readonly #maps = new Map<string, ReadMap>();

  /**
   * What the code at addresses of a process is called, by all that its map says now.
   *
   * @throws INPUT_MALFORMED, LIMIT_EXCEEDED  it is no map; it is too long to be read to its end,
   *     where its newest code is
   */
  name(map: SentMap, addresses: BigUint64Array): (readonly SymbolFrame[])[] {
    for (;;) {
      const found = this.nameInParts(map, addresses);
      if (found !== "not all read") return found;
    }
  }

  /** The same, but reads a part of a long map only: for who has a deadline. */
  nameInParts(
    { key, fd, kind }: SentMap,
    addresses: BigUint64Array,
  ): (readonly SymbolFrame[])[] | NotAllRead {
    const { size } = fstatSync(fd);
    if (size > BYTES_MAX_OF[kind]) throw limitExceeded(key, "bytes", size, BYTES_MAX_OF[kind]);
    const known = this.#maps.get(key);
    // One that was written anew begins anew.
    const read = known?.isGrown(fd, size) ? known : newMap(kind, key);
    this.#maps.delete(key);
    const isAll = read.readOn(fd, size);
    this.#maps.set(key, read);
    for (const oldest of this.#maps.keys()) {
      if (oldest === key) break;
      if (this.#maps.size <= MAPS_MAX && this.#bytes <= BYTES_MAX) break;
      this.#maps.delete(oldest);
    }
    if (!isAll) return "not all read";
    return Array.from(addresses, (address) => [...read.framesAt(Number(address))]);
  }

  get #bytes(): number {
    return this.#maps.values().reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

/** A file as far as it was read. */
interface ReadMap {
  /** Memory that it takes. */
  readonly bytes: number;
  /** Whether the file still has what was read of it, as far as can be told. */
  isGrown(fd: number, size: number): boolean;
  /** Reads a part of what is new; whether that was all. */
  readOn(fd: number, size: number): boolean;
  framesAt(address: number): readonly SymbolFrame[];
}

function newMap(kind: JitFileKind, name: string): ReadMap {
  return kind === "jitdump" ? new ReadDump(name) : new ReadPerfMap();
}

class ReadDump implements ReadMap {
  readonly #dump: JitDump;

  constructor(name: string) {
    this.#dump = new JitDump(name);
  }

  get bytes(): number {
    return this.#dump.bytes;
  }

  isGrown(_fd: number, size: number): boolean {
    return this.#dump.isGrown(size);
  }

  readOn(fd: number, size: number): boolean {
    return this.#dump.readOn(fd, size);
  }

  framesAt(address: number): readonly SymbolFrame[] {
    return jitDumpFrames(this.#dump, address);
  }
}

class ReadPerfMap implements ReadMap {
  readonly #map = new PerfMap();
  #offset = 0;
  /** What was read last, before `#offset`. */
  #tail: Uint8Array = new Uint8Array(0);

  get bytes(): number {
    return this.#map.bytes;
  }

  isGrown(fd: number, size: number): boolean {
    const length = this.#tail.length;
    if (size < this.#offset) return false;
    const there = new Uint8Array(length);
    const count = readSync(fd, there, 0, length, this.#offset - length);
    return count === length && Buffer.compare(there, this.#tail) === 0;
  }

  readOn(fd: number, size: number): boolean {
    const end = Math.min(size, this.#offset + PART_BYTES);
    const piece = new Uint8Array(PIECE_BYTES);
    while (this.#offset < end) {
      const count = readSync(fd, piece, 0, Math.min(PIECE_BYTES, end - this.#offset), this.#offset);
      if (count === 0) return true;
      const bytes = piece.subarray(0, count);
      this.#map.append(bytes);
      this.#offset += count;
      this.#tail = Buffer.concat([this.#tail, bytes]).subarray(-TAIL_BYTES);
    }
    return end >= size;
  }

  framesAt(address: number): readonly SymbolFrame[] {
    return perfMapFrames(this.#map, address);
  }
}
