import { fstatSync, readSync } from "node:fs";
import type { SymbolFrame } from "../executable-file.ts";
import { perfMapFrames } from "./address-file.ts";
import { PerfMap } from "./perf-map.ts";
import { PERF_MAP_BYTES_MAX } from "./perf-map-file.ts";

/** Maps that are kept from one question to the next; a busy one has 20 MB. */
const MAPS_MAX = 32;
/** Memory of all; what was used longest ago goes first. */
const BYTES_MAX = 128 * 1024 * 1024;
const PIECE_BYTES = 256 * 1024;
/** By so many bytes a map is known again: some forty lines with their addresses. */
const TAIL_BYTES = 4096;

/** The perf maps that the worker has read, each as far as it was written at the last question. */
export class WorkerMaps {
  /** The one used last is the last. */
  readonly #maps = new Map<string, ReadMap>();

  /** What the code at addresses of a process is called, by all that its map says now. */
  name(key: string, fd: number, addresses: BigUint64Array): (readonly SymbolFrame[])[] {
    const size = Math.min(fstatSync(fd).size, PERF_MAP_BYTES_MAX);
    const known = this.#maps.get(key);
    // One that was written anew begins anew.
    const read = known?.isGrown(fd, size) ? known : new ReadMap();
    read.readOn(fd, size);
    this.#maps.delete(key);
    this.#maps.set(key, read);
    for (const oldest of this.#maps.keys()) {
      if (this.#maps.size <= MAPS_MAX && this.#bytes <= BYTES_MAX) break;
      this.#maps.delete(oldest);
    }
    return Array.from(addresses, (address) => [...perfMapFrames(read.map, Number(address))]);
  }

  get #bytes(): number {
    return this.#maps.values().reduce((sum, { map }) => sum + map.bytes, 0);
  }
}

class ReadMap {
  readonly map = new PerfMap();
  #offset = 0;
  /** What was read last, before `#offset`. */
  #tail: Uint8Array = new Uint8Array(0);

  /** Whether the file still has what was read of it, as far as its last bytes tell. */
  isGrown(fd: number, size: number): boolean {
    const length = this.#tail.length;
    if (size < this.#offset) return false;
    const there = new Uint8Array(length);
    const count = readSync(fd, there, 0, length, this.#offset - length);
    return count === length && Buffer.compare(there, this.#tail) === 0;
  }

  readOn(fd: number, end: number): void {
    const piece = new Uint8Array(PIECE_BYTES);
    while (this.#offset < end) {
      const count = readSync(fd, piece, 0, Math.min(PIECE_BYTES, end - this.#offset), this.#offset);
      if (count === 0) return;
      const bytes = piece.subarray(0, count);
      this.map.append(bytes);
      this.#offset += count;
      this.#tail = Buffer.concat([this.#tail, bytes]).subarray(-TAIL_BYTES);
    }
  }
}
