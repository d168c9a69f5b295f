/** Memory of WebAssembly is counted in pages of 64 KiB. */
const MEMORY_SECTION = 5;
const HEADER_BYTES = 8;
const LEB_BYTES_MAX = 5;

/**
 * A copy of a WebAssembly module whose one memory may not grow above `pagesMax`. A module
 * that needs more then traps, where it would else take memory up to 4 GiB.
 *
 * Source: WebAssembly core specification, 5.5 "Modules", the memory section.
 */
export function withMemoryLimit(module: Uint8Array, pagesMax: number): Uint8Array<ArrayBuffer> {
  let offset = HEADER_BYTES;
  while (offset < module.length) {
    const id = module[offset];
    const size = readLeb(module, offset + 1);
    const end = size.end + size.value;
    if (id === MEMORY_SECTION) {
      const [count, , minimumAt] = [module[size.end], module[size.end + 1], size.end + 2];
      const { value: pagesMin } = readLeb(module, minimumAt);
      if (count !== 1 || pagesMin > pagesMax) throw new Error("the module has other memory");
      const limits = [1, 1, ...writeLeb(pagesMin), ...writeLeb(pagesMax)];
      const section = [MEMORY_SECTION, ...writeLeb(limits.length), ...limits];
      const parts = [module.subarray(0, offset), Uint8Array.from(section), module.subarray(end)];
      return new Uint8Array(Buffer.concat(parts));
    }
    offset = end;
  }
  throw new Error("the module has no memory of its own");
}

/** An unsigned LEB128 of at most 32 bits. */
function readLeb(bytes: Uint8Array, start: number): { value: number; end: number } {
  let value = 0;
  for (let i = 0; i < LEB_BYTES_MAX; i++) {
    const byte = bytes[start + i] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: start + i + 1 };
  }
  throw new Error("the module is broken");
}

function writeLeb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...writeLeb(Math.floor(value / 0x80))];
}
