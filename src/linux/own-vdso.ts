import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { parseExecutableMaps } from "./proc.ts";

/** The kernel's is two pages. */
const VDSO_BYTES_MAX = 1024 * 1024;

/**
 * The ELF file that the kernel maps into every process as [vdso], read from this one. All 64-bit
 * processes of a host have the same. Undefined where a kernel maps none.
 */
export function readOwnVdso(): Uint8Array | undefined {
  const mappings = parseExecutableMaps(readFileSync("/proc/self/maps", "utf8"));
  const vdso = mappings.find((mapping) => mapping.path === "[vdso]");
  if (vdso === undefined) return undefined;
  const bytes = new Uint8Array(Math.min(Number(vdso.end - vdso.start), VDSO_BYTES_MAX));
  const memory = openSync("/proc/self/mem", "r");
  try {
    const byteCount = readSync(memory, bytes, 0, bytes.length, vdso.start);
    return bytes.subarray(0, byteCount);
  } finally {
    closeSync(memory);
  }
}
