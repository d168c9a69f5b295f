import { release, version } from "node:os";
import { CollectorError } from "../support/errors.ts";
import type { HostFiles } from "./probes.ts";

/** Below it bpf_task_pt_regs, and with it the user stack of a task in the kernel, is missing. */
const OLDEST = [5, 15, 0] as const;

/**
 * On these, reading user memory from an interrupt can lock a CPU up for good (x86-64). From the
 * first version on, up to but without the second, which has the repair.
 */
const HANGING = [
  { from: [5, 19, 0], to: [6, 1, 36] },
  { from: [6, 2, 0], to: [6, 3, 10] },
] as const;

type Version = readonly [major: number, minor: number, patch: number];

/** Who runs this; taken from node:os except in tests. */
export interface KernelIdentity {
  /** uname -r */
  readonly release: string;
  /** uname -v; Debian's has the true patch level, its release only has ".0". */
  readonly version: string;
  /** /proc/version_signature: Ubuntu's, whose third word is the true version; "" elsewhere. */
  readonly signature: string;
  /** process.arch */
  readonly arch: string;
}

/** The kernel that this program runs on. */
export function thisKernel(files: HostFiles): KernelIdentity {
  return {
    release: release(),
    version: version(),
    signature: files.readText("/proc/version_signature") ?? "",
    arch: process.arch,
  };
}

/**
 * Refuses kernels that are too old, and those that a profiler can hang.
 *
 * @throws CollectorError UNSUPPORTED  with the reason and the mend
 */
export function assertSafeKernel(kernel: KernelIdentity): void {
  const version = kernelVersion(kernel);
  if (version === undefined) return;
  const text = version.join(".");
  if (isBefore(version, OLDEST)) {
    throw new CollectorError(
      "UNSUPPORTED",
      `Linux ${text} is too old: eBPF profiling needs 5.15 or newer. Update the kernel.`,
    );
  }
  const hanging = HANGING.find(({ from, to }) => !isBefore(version, from) && isBefore(version, to));
  if (hanging === undefined || kernel.arch !== "x64") return;
  throw new CollectorError(
    "UNSUPPORTED",
    `Linux ${text} can hang when a profiler reads user memory in an interrupt. ` +
      `Update it to ${hanging.to.join(".")} or newer, or allow it if its vendor has the repair.`,
  );
}

/** Undefined when the strings do not look like Linux's. */
function kernelVersion(kernel: KernelIdentity): Version | undefined {
  const debian = /\bDebian (\d+)\.(\d+)\.(\d+)/.exec(kernel.version);
  const ubuntu = /^\S+ \S+ (\d+)\.(\d+)\.(\d+)/.exec(kernel.signature);
  const match = debian ?? ubuntu ?? /^(\d+)\.(\d+)(?:\.(\d+))?/.exec(kernel.release);
  if (match === null) return undefined;
  return [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
}

function isBefore(a: Version, b: Version): boolean {
  for (const [part, value] of a.entries()) {
    if (value !== b[part]) return value < (b[part] as number);
  }
  return false;
}
