import type { KernelModule } from "./layout.ts";

/** Modules of one kernel; a desktop has two hundred. */
export const MODULES_MAX = 65_536;

const ADDRESS_FIELD = 5;
const ADDRESS = /^0x[0-9a-f]{1,16}$/;

/**
 * Reads /proc/modules: `name size uses users state 0xaddress` a line, and perhaps taint flags.
 * A module whose address is hidden has start 0. Lines that are not so are passed over.
 *
 * Source: kernel/module/procfs.c.
 */
export function parseModules(text: string): KernelModule[] {
  const modules: KernelModule[] = [];
  for (const line of text.split("\n", MODULES_MAX)) {
    const fields = line.split(" ");
    const [name, size] = fields;
    const address = fields[ADDRESS_FIELD] ?? "";
    if (!name || !size || !/^\d{1,15}$/.test(size) || !ADDRESS.test(address)) continue;
    modules.push({ name, start: BigInt(address), size: Number(size) });
  }
  return modules;
}
