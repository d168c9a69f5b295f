import type { Cgroups, FoundLibrary, KernelSymbols, Lockdown } from "../linux/probes.ts";

/** What `obsforge doctor` found on a machine, before it is judged. */
export interface HostFacts {
  /** uname -r, and why the receiver refuses this kernel; undefined when it takes it. */
  readonly kernel: { readonly release: string; readonly refusal: string | undefined };
  readonly hasKernelTypes: boolean;
  /** Undefined when /proc does not tell. */
  readonly capabilities: ReadonlySet<string> | undefined;
  readonly isInitialPidNamespace: boolean;
  readonly perfEventParanoid: number | undefined;
  readonly perfEventMlockKib: number | undefined;
  readonly kptrRestrict: number | undefined;
  readonly unprivilegedBpfDisabled: number | undefined;
  readonly kernelSymbols: KernelSymbols;
  readonly lockdown: Lockdown;
  readonly cgroups: Cgroups;
  readonly libbpf: FoundLibrary | undefined;
  /** Compiled BPF objects that are not where they belong. */
  readonly missingObjects: readonly string[];
  /** Why the sampler could not be loaded and attached; undefined when it could. */
  readonly samplerRefusal: string | undefined;
  /** Why the processes of the host could not be listed by the kernel; undefined when they could. */
  readonly scannerRefusal: string | undefined;
}

/** One thing that was looked at. */
export interface Check {
  /** Stable, lower_snake_case: what scripts select by. */
  readonly id: string;
  readonly title: string;
  /** What is there, in a few words. */
  readonly found: string;
  readonly ok: boolean;
  /** What to do about it; "" when nothing needs doing. */
  readonly mend: string;
}

/** One thing that a user may want to do here. */
export interface Ability {
  readonly id: string;
  readonly title: string;
  readonly ok: boolean;
  /** Why not; "" when it can run. */
  readonly why: string;
  readonly mend: string;
}

export interface DoctorReport {
  readonly version: string;
  /** The eBPF receiver can run. */
  readonly ok: boolean;
  readonly checks: readonly Check[];
  readonly can_run: readonly Ability[];
}

/** Judges what was found. */
export function doctorReport(facts: HostFacts, version: string): DoctorReport {
  const checks = [
    kernelCheck(facts),
    kernelTypesCheck(facts),
    capabilitiesCheck(facts),
    pidNamespaceCheck(facts),
    lockdownCheck(facts),
    paranoidCheck(facts),
    perfRingCheck(facts),
    unprivilegedBpfCheck(facts),
    kptrRestrictCheck(facts),
    kernelSymbolsCheck(facts),
    cgroupsCheck(facts),
    libbpfCheck(facts),
    objectsCheck(facts),
    samplerCheck(facts),
    scannerCheck(facts),
  ];
  const abilities = abilitiesOf(checks);
  return {
    version,
    ok: abilities.find(({ id }) => id === "ebpf_on_cpu")?.ok ?? false,
    checks,
    can_run: abilities,
  };
}

/**
 * An ability is there when all of `proofs` are: what was truly tried. What explains its absence
 * stands in `reasons`, the most telling first.
 */
interface AbilityNeeds {
  readonly id: string;
  readonly title: string;
  readonly proofs: readonly string[];
  readonly reasons: readonly string[];
}

const samplerReasons = [
  "kernel",
  "kernel_types",
  "pid_namespace",
  "lockdown",
  "libbpf",
  "bpf_objects",
  "capabilities",
];

const abilityNeeds: readonly AbilityNeeds[] = [
  {
    id: "ebpf_on_cpu",
    title: "on-CPU profiles by eBPF (record)",
    proofs: ["bpf_sampler"],
    reasons: samplerReasons,
  },
  {
    id: "whole_host",
    title: "every process of the host, named (record -a)",
    proofs: ["bpf_sampler", "bpf_scanner", "capabilities", "perf_ring"],
    reasons: samplerReasons,
  },
  {
    id: "kernel_symbols",
    title: "names of kernel functions",
    proofs: ["kernel_symbols"],
    reasons: [],
  },
  {
    id: "convert",
    title: "turning profiles into other formats (convert)",
    proofs: [],
    reasons: [],
  },
];

function abilitiesOf(checks: readonly Check[]): Ability[] {
  const firstFailed = (ids: readonly string[]): Check | undefined =>
    ids.map((id) => checks.find((check) => check.id === id)).find((check) => check?.ok === false);
  return abilityNeeds.map(({ id, title, proofs, reasons }) => {
    const failed = firstFailed(proofs);
    if (failed === undefined) return { id, title, ok: true, why: "", mend: "" };
    const reason = firstFailed(reasons) ?? failed;
    return { id, title, ok: false, why: `${reason.title}: ${reason.found}`, mend: reason.mend };
  });
}

function check(id: string, title: string, found: string, ok: boolean, mend: string): Check {
  return { id, title, found, ok, mend: ok ? "" : mend };
}

function kernelCheck({ kernel }: HostFacts): Check {
  const mend = "Update the kernel to a version that the sentence names.";
  const found = kernel.refusal ?? kernel.release;
  return check("kernel", "kernel", found, kernel.refusal === undefined, mend);
}

function kernelTypesCheck({ hasKernelTypes }: HostFacts): Check {
  const found = hasKernelTypes ? "/sys/kernel/btf/vmlinux" : "no /sys/kernel/btf/vmlinux";
  const mend = "Boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as distributions ship it.";
  return check("kernel_types", "kernel types (BTF)", found, hasKernelTypes, mend);
}

/** Each capability that is used, and what for. SYS_ADMIN stands for the first two. */
const neededCapabilities = ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE"] as const;

function capabilitiesCheck({ capabilities }: HostFacts): Check {
  const title = "capabilities";
  const mend =
    "Run as root (sudo), or give the process CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE; " +
    "CAP_SYSLOG adds the names of kernel functions.";
  if (capabilities === undefined) return check("capabilities", title, "unknown", true, mend);
  const has = (name: string): boolean =>
    capabilities.has(name) || (name !== "CAP_SYS_PTRACE" && capabilities.has("CAP_SYS_ADMIN"));
  const missing = neededCapabilities.filter((name) => !has(name));
  const found =
    missing.length === 0 ? neededCapabilities.join(", ") : `${missing.join(", ")} missing`;
  return check("capabilities", title, found, missing.length === 0, mend);
}

function pidNamespaceCheck({ isInitialPidNamespace }: HostFacts): Check {
  const found = isInitialPidNamespace ? "the host's" : "a namespace of its own";
  const mend = "Run with the host's process ids: docker run --pid=host, hostPID: true.";
  return check("pid_namespace", "process ids", found, isInitialPidNamespace, mend);
}

function lockdownCheck({ lockdown }: HostFacts): Check {
  const mend = "Boot with lockdown=integrity or without it: this mode forbids eBPF to read memory.";
  return check("lockdown", "kernel lockdown", lockdown, lockdown !== "confidentiality", mend);
}

function paranoidCheck({ perfEventParanoid, capabilities }: HostFacts): Check {
  const mayAll = capabilities?.has("CAP_PERFMON") || capabilities?.has("CAP_SYS_ADMIN");
  const ok = mayAll === true || (perfEventParanoid ?? 2) < 0;
  const note = mayAll === true ? ", overruled by CAP_PERFMON" : "";
  const mend = "Run as root or with CAP_PERFMON, or: sysctl kernel.perf_event_paranoid=-1";
  const found = `${perfEventParanoid ?? "unknown"}${note}`;
  return check("perf_event_paranoid", "perf_event_paranoid", found, ok, mend);
}

/** The side-band ring of each CPU is locked memory: 512 KiB beside a page of its own. */
const PERF_RING_KIB = 516;

function perfRingCheck({ perfEventMlockKib, capabilities }: HostFacts): Check {
  const unlimited = capabilities?.has("CAP_IPC_LOCK") === true;
  const limit = perfEventMlockKib ?? 0;
  const found = unlimited ? "no limit (CAP_IPC_LOCK)" : `${limit} KiB a CPU`;
  const mend = `Run as root, or: sysctl kernel.perf_event_mlock_kb=${PERF_RING_KIB}`;
  const ok = unlimited || limit >= PERF_RING_KIB;
  return check("perf_ring", "locked memory for perf rings", found, ok, mend);
}

function unprivilegedBpfCheck({ unprivilegedBpfDisabled }: HostFacts): Check {
  const found = unprivilegedBpfDisabled === 0 ? "allowed" : "not allowed, nor needed";
  return check("unprivileged_bpf", "eBPF without privileges", found, true, "");
}

function kptrRestrictCheck({ kptrRestrict }: HostFacts): Check {
  const mend = "For the names of kernel functions: sysctl kernel.kptr_restrict=1";
  const found = String(kptrRestrict ?? "unknown");
  return check("kptr_restrict", "kptr_restrict", found, (kptrRestrict ?? 0) < 2, mend);
}

function kernelSymbolsCheck({ kernelSymbols }: HostFacts): Check {
  const found = { visible: "visible", hidden: "all addresses are 0", absent: "no /proc/kallsyms" };
  const mend =
    kernelSymbols === "absent"
      ? "Boot a kernel built with CONFIG_KALLSYMS=y."
      : "Run as root or with CAP_SYSLOG, and with sysctl kernel.kptr_restrict=1 or 0.";
  const ok = kernelSymbols === "visible";
  return check("kernel_symbols", "kernel symbols", found[kernelSymbols], ok, mend);
}

function cgroupsCheck({ cgroups }: HostFacts): Check {
  const found = cgroups.mount === "" ? cgroups.version : `${cgroups.version} at ${cgroups.mount}`;
  const mend = "Mount the unified hierarchy: mount -t cgroup2 none /sys/fs/cgroup";
  return check("cgroups", "cgroups", found, cgroups.version !== "none", mend);
}

function libbpfCheck({ libbpf }: HostFacts): Check {
  const mend = "Install it: apt-get install libbpf1 (Debian, Ubuntu), dnf install libbpf (Fedora).";
  const found = libbpf === undefined ? "no libbpf.so.1" : `${libbpf.version} ${libbpf.path}`.trim();
  return check("libbpf", "libbpf", found, libbpf !== undefined, mend);
}

function objectsCheck({ missingObjects }: HostFacts): Check {
  const ok = missingObjects.length === 0;
  const found = ok ? "compiled" : `missing: ${missingObjects.join(", ")}`;
  return check("bpf_objects", "BPF objects", found, ok, "In a checkout: make bpf");
}

function samplerCheck({ samplerRefusal }: HostFacts): Check {
  const found = samplerRefusal ?? "loads and attaches";
  const mend = "The sentence says what the kernel refused; the checks above say what it needs.";
  return check("bpf_sampler", "eBPF sampler", found, samplerRefusal === undefined, mend);
}

function scannerCheck({ scannerRefusal }: HostFacts): Check {
  const found = scannerRefusal ?? "loads and attaches";
  const mend = "The sentence says what the kernel refused; the checks above say what it needs.";
  return check("bpf_scanner", "eBPF task iterator", found, scannerRefusal === undefined, mend);
}
