/** `obsforge doctor`: what this machine lets the profiler do, and the mend for what it does not. */
import { existsSync } from "node:fs";
import { bpfObjectPath } from "../linux/bpf.ts";
import { assertSafeKernel, thisKernel } from "../linux/kernel-version.ts";
import * as probes from "../linux/probes.ts";
import { TaskScanner } from "../linux/task-vma.ts";
import { OnCpuSampler } from "../receivers/ebpf/on-cpu-sampler.ts";
import { messageOf } from "../support/errors.ts";
import { escapeControl } from "../support/logger.ts";
import { programVersion } from "../support/program.ts";
import { type Check, type DoctorReport, doctorReport, type HostFacts } from "./doctor-report.ts";
import { EXIT_FAILURE } from "./exit-codes.ts";

/** What is written to; process.stdout is one. */
export interface TextOutput {
  write(text: string): unknown;
}

/**
 * Examines this machine and prints the report, as a table or as one JSON object (DoctorReport).
 * To see whether the kernel takes the programs, it loads and attaches them for a moment.
 *
 * @returns the exit code: 0 when the eBPF receiver can run
 */
export async function runDoctor(options: { json: boolean }, out: TextOutput): Promise<number> {
  const report = doctorReport(hostFacts(probes.hostFiles), programVersion());
  out.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : reportText(report));
  return report.ok ? 0 : EXIT_FAILURE;
}

function hostFacts(files: probes.HostFiles): HostFacts {
  const kernel = thisKernel(files);
  const kernelRefusal = refusalOf(() => assertSafeKernel(kernel));
  // A kernel that may hang is not tried.
  const tried = (start: () => Disposable): string | undefined =>
    kernelRefusal === undefined ? refusalOf(() => start()[Symbol.dispose]()) : "not tried";
  return {
    kernel: { release: kernel.release, refusal: kernelRefusal },
    hasKernelTypes: probes.hasKernelTypes(files),
    capabilities: probes.effectiveCapabilities(files),
    isInitialPidNamespace: probes.isInitialPidNamespace(files),
    perfEventParanoid: probes.numericSysctl(files, "kernel/perf_event_paranoid"),
    perfEventMlockKib: probes.numericSysctl(files, "kernel/perf_event_mlock_kb"),
    kptrRestrict: probes.numericSysctl(files, "kernel/kptr_restrict"),
    unprivilegedBpfDisabled: probes.numericSysctl(files, "kernel/unprivileged_bpf_disabled"),
    kernelSymbols: probes.kernelSymbols(files),
    lockdown: probes.lockdownMode(files),
    cgroups: probes.cgroupHierarchies(files),
    libbpf: probes.findLibrary(files, "libbpf.so.1", process.env["LD_LIBRARY_PATH"]),
    missingObjects: objectNames.map(bpfObjectPath).filter((path) => !existsSync(path)),
    samplerRefusal: tried(() =>
      OnCpuSampler.start({ frequencyHz: 1, ringBytes: PROBE_RING_BYTES }),
    ),
    scannerRefusal: tried(() => TaskScanner.open()),
  };
}

const objectNames = ["on_cpu", "task_vma"];

/** Room for nothing but the start: the probe takes no samples. */
const PROBE_RING_BYTES = 4096;

/** What an attempt fails with; undefined when it does not. */
function refusalOf(attempt: () => void): string | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** The report as a person reads it: a table of checks, then what can run or why not. */
export function reportText(report: DoctorReport): string {
  const width = Math.max(...report.checks.map(({ title }) => title.length));
  const row = ({ title, ok, found }: Check): string =>
    `  ${ok ? "ok" : "no"}  ${title.padEnd(width)}  ${escapeControl(found)}\n`;
  const abilities = report.can_run.map(({ title, ok, why, mend }) =>
    ok ? `  yes  ${title}\n` : `  no   ${title}\n       ${escapeControl(why)}\n       ${mend}\n`,
  );
  return [
    `obsforge ${report.version}\n\nChecks\n`,
    ...report.checks.map(row),
    "\nCan run here\n",
    ...abilities,
  ].join("");
}
