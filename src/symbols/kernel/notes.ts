import { endianness } from "node:os";
import { readBuildIds } from "../elf/notes.ts";

/**
 * GNU build id of the running kernel, lower-case hex, from /sys/kernel/notes; "" when it has none.
 *
 * @throws LIMIT_EXCEEDED  for an id that is too long to be one
 */
export function kernelBuildId(notes: Uint8Array): string {
  const layout = { littleEndian: endianness() === "LE", alignment: 4 };
  return readBuildIds(notes, layout, "/sys/kernel/notes").gnu;
}
