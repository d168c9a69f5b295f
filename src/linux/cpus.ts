import { readFileSync } from "node:fs";
import { malformed } from "../support/errors.ts";

/** Linux has no larger NR_CPUS; a list that names more is no CPU list. */
const CPUS_MAX = 8192;

const ONLINE_PATH = "/sys/devices/system/cpu/online";

/** The CPUs that run now, ascending. The file is a few bytes made by the kernel; it never blocks. */
export function onlineCpus(path: string = ONLINE_PATH): number[] {
  return parseCpuList(readFileSync(path, "latin1"), path);
}

/**
 * Reads the kernel's list format: "0-3,8,10-11".
 *
 * @throws CollectorError INPUT_MALFORMED  not a list of ascending CPUs
 */
export function parseCpuList(text: string, where: string): number[] {
  const cpus: number[] = [];
  const trimmed = text.trim();
  if (trimmed === "") return cpus;
  for (const range of trimmed.split(",", CPUS_MAX)) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range);
    if (match === null) throw malformed(where, `"${range}" is no range of CPUs`);
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (first > last || last >= CPUS_MAX || first <= (cpus.at(-1) ?? -1)) {
      throw malformed(where, `CPU range "${range}" is out of order or of range`);
    }
    for (let cpu = first; cpu <= last; cpu++) cpus.push(cpu);
  }
  return cpus;
}
