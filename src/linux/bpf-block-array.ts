import { BpfMap, mapBytes } from "./bpf.ts";
import { checked, ENOENT } from "./errno.ts";
import * as libbpf from "./libbpf.ts";
import { close } from "./libc.ts";

/** struct block of bpf/unwind_table.bpf.h: the value of the inner arrays. */
export const BLOCK_BYTES = 64;

const BPF_MAP_TYPE_ARRAY = 2;
/** The number of entries may differ from the template's. Source: <linux/bpf.h>, since 5.10. */
const BPF_F_INNER_MAP = 1 << 12;
/** struct bpf_map_create_opts of libbpf 1.1; later versions accept the shorter one. */
const CREATE_OPTIONS = { bytes: 48, mapFlags: 28 };
/** Written in one call: the kernel takes them one by one, and is not to be held up for long. */
const BLOCKS_PER_CALL = 8192;

/**
 * Puts an array of blocks into an array of maps. The kernel waits for every program that runs:
 * some 10 ms, so this belongs into a worker. The main thread opened libbpf before.
 *
 * @param slots   fd of the array of maps
 * @param blocks  whole blocks, at least one
 * @returns kernel memory in bytes
 * @throws CollectorError  the kernel refuses; the slot is as it was
 */
export function putBlockArray(slots: number, slot: number, blocks: Uint8Array): number {
  const entries = blocks.byteLength / BLOCK_BYTES;
  const shape = {
    type: BPF_MAP_TYPE_ARRAY,
    name: "unwind_table",
    keyBytes: 4,
    valueBytes: BLOCK_BYTES,
    entries,
  };
  const fd = checked(libbpf.mapCreate(shape, createOptions()), "BPF map unwind_table");
  try {
    fill(new BpfMap("unwind_table", fd), blocks, entries);
    const key = new Uint8Array(Uint32Array.of(slot).buffer);
    const value = new Uint8Array(Uint32Array.of(fd).buffer);
    new BpfMap("tables", slots).update(key, value);
    return mapBytes(fd);
  } finally {
    close(fd);
  }
}

/** Empties slots; when this returns, no program reads what was in them. As slow as the other. */
export function dropBlockArrays(slots: number, dropped: readonly number[]): void {
  for (const slot of dropped) {
    const result = libbpf.mapDelete(slots, new Uint8Array(Uint32Array.of(slot).buffer));
    if (result !== -ENOENT) checked(result, "BPF map tables: delete");
  }
}

function fill(map: BpfMap, blocks: Uint8Array, entries: number): void {
  for (let from = 0; from < entries; from += BLOCKS_PER_CALL) {
    const count = Math.min(BLOCKS_PER_CALL, entries - from);
    const keys = Uint32Array.from({ length: count }, (_, index) => from + index);
    const values = blocks.subarray(from * BLOCK_BYTES, (from + count) * BLOCK_BYTES);
    map.updateBatch(new Uint8Array(keys.buffer), values, count);
  }
}

function createOptions(): Uint8Array {
  const options = new Uint8Array(CREATE_OPTIONS.bytes);
  const view = new DataView(options.buffer);
  view.setBigUint64(0, BigInt(CREATE_OPTIONS.bytes), true);
  view.setUint32(CREATE_OPTIONS.mapFlags, BPF_F_INNER_MAP, true);
  return options;
}
