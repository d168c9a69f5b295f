import type { BpfMap } from "../../../linux/bpf.ts";
import { addressPrefixes } from "./address-prefixes.ts";

/** The maps of bpf/unwind_owner.bpf.h and bpf/unwind_table.bpf.h. */
export interface UnwindMapSet {
  readonly processes: BpfMap;
  readonly children: BpfMap;
  readonly mappings: BpfMap;
  readonly tables: BpfMap;
}

/** The slot of what has no table. */
const NO_SLOT = 0;
export const FIRST_SLOT: number = NO_SLOT + 1;
/** Slots of the map of tables. */
export const TABLE_SLOTS = 16_384;
/** Entries of the map of processes. */
export const KNOWN_PROCESSES_MAX = 8192;

/** By which rules a range is unwound. */
export interface RangeRules {
  readonly slot: number;
  readonly pageCount: number;
  /** Where the table's first page lies in the process; may be below 0. */
  readonly tableStart: bigint;
}

/** Memory without a file: its code keeps frame pointers, as far as anybody knows. */
export const BY_FRAME_POINTERS: RangeRules = { slot: NO_SLOT, pageCount: 0, tableStart: 0n };
/** The file's table is not there, for the moment or for good: frame pointers are a guess. */
export const BY_GUESS: RangeRules = { slot: NO_SLOT, pageCount: 1, tableStart: 0n };

/** How one executable range of a process is unwound. */
export interface UnwindRange extends RangeRules {
  /** Addresses in the process. */
  readonly start: number;
  readonly end: number;
}

/** struct mapping_key and struct mapping. */
const KEY_BYTES = 16;
const VALUE_BYTES = 32;
const OWNER_BITS = 32;

/** The keys of a range in the trie. */
export type RangeKeys = Uint8Array<ArrayBuffer>;

/** Writes what the kernel's program reads. One process at a time, each in few calls. */
export class UnwindMaps {
  readonly #maps: UnwindMapSet;

  constructor(maps: UnwindMapSet) {
    this.#maps = maps;
  }

  /** fd of the map of tables. */
  get tables(): number {
    return this.#maps.tables.fd;
  }

  /**
   * Adds ranges of a program, which overlap neither one another nor those that are there; one that
   * is there gets other rules.
   *
   * @param owner  the program's number, which no other ever has
   * @returns for each its keys
   * @throws CollectorError  the map is full; then none of them is in it
   */
  addRanges(owner: number, ranges: readonly UnwindRange[]): RangeKeys[] {
    const keys = ranges.map((range) => keysOf(owner, range));
    const allKeys = concatenated(keys);
    const count = allKeys.byteLength / KEY_BYTES;
    if (count === 0) return keys;
    const values = concatenated(
      ranges.map((range, index) => valuesOf(range, (keys[index] as RangeKeys).length / KEY_BYTES)),
    );
    try {
      this.#maps.mappings.updateBatch(allKeys, values, count);
    } catch (error) {
      this.removeRanges(keys);
      throw error;
    }
    return keys;
  }

  removeRanges(ranges: readonly RangeKeys[]): void {
    const keys = concatenated(ranges);
    if (keys.byteLength > 0) this.#maps.mappings.deleteBatch(keys, keys.byteLength / KEY_BYTES);
  }

  /**
   * From now on the process is unwound by its tables, and so are the children that it will have,
   * until they run another program. False when there are too many processes.
   */
  know(pid: number, owner: number): boolean {
    try {
      this.#maps.processes.update(word(pid), word(owner));
      return true;
    } catch {
      return false;
    }
  }

  /** From now on the process is unwound by frame pointers alone. */
  forget(pid: number): void {
    this.#maps.processes.delete(word(pid));
    this.#maps.children.delete(word(pid));
  }
}

function word(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function keysOf(owner: number, { start, end }: UnwindRange): RangeKeys {
  const prefixes = addressPrefixes(start, end);
  const keys = new Uint8Array(prefixes.length * KEY_BYTES);
  const view = new DataView(keys.buffer);
  for (const [index, { address, bits }] of prefixes.entries()) {
    const at = index * KEY_BYTES;
    view.setUint32(at, OWNER_BITS + bits, true);
    // The trie compares from the first byte on: the rest is big endian.
    view.setUint32(at + 4, owner, false);
    view.setBigUint64(at + 8, BigInt(address), false);
  }
  return keys;
}

function valuesOf(range: UnwindRange, count: number): Uint8Array<ArrayBuffer> {
  const values = new Uint8Array(count * VALUE_BYTES);
  const view = new DataView(values.buffer);
  for (let at = 0; at < values.byteLength; at += VALUE_BYTES) {
    view.setBigUint64(at, BigInt(range.start), true);
    view.setBigUint64(at + 8, BigInt(range.end), true);
    view.setBigUint64(at + 16, BigInt.asUintN(64, range.tableStart), true);
    view.setUint32(at + 24, range.slot, true);
    view.setUint32(at + 28, range.pageCount, true);
  }
  return values;
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
