import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { requirement } from "../../test/support/requirements.ts";
import { runCommand, runObsforge } from "../../test/support/run-command.ts";
import { packageRoot } from "../support/package-root.ts";
import { reportText } from "./doctor.ts";
import { type DoctorReport, doctorReport, type HostFacts } from "./doctor-report.ts";

const healthy: HostFacts = {
  kernel: { release: "6.12.0", refusal: undefined },
  hasKernelTypes: true,
  capabilities: new Set(["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_IPC_LOCK", "CAP_SYSLOG"]),
  isInitialPidNamespace: true,
  perfEventParanoid: 3,
  perfEventMlockKib: 516,
  kptrRestrict: 0,
  unprivilegedBpfDisabled: 2,
  kernelSymbols: "visible",
  lockdown: "none",
  cgroups: { version: "v2", mount: "/sys/fs/cgroup" },
  libbpf: { path: "/usr/lib64/libbpf.so.1", version: "1.4.0" },
  missingObjects: [],
  samplerRefusal: undefined,
  scannerRefusal: undefined,
};

function reportOf(changes: Partial<HostFacts>): DoctorReport {
  return doctorReport({ ...healthy, ...changes }, "1.2.3");
}

function ability(report: DoctorReport, id: string): { ok: boolean; why: string; mend: string } {
  const found = report.can_run.find((candidate) => candidate.id === id);
  assert.ok(found, id);
  return found;
}

const refused = { samplerRefusal: "the kernel refuses it", scannerRefusal: "so too" };

/** A fault of the host, and what the report must say about on-CPU profiles. */
const faults: readonly { name: string; given: Partial<HostFacts>; why: RegExp; mend: RegExp }[] = [
  {
    name: "a kernel that hangs",
    given: { kernel: { release: "6.2.0", refusal: "Linux 6.2.0 can hang" } },
    why: /can hang/,
    mend: /Update the kernel/,
  },
  { name: "no BTF", given: { hasKernelTypes: false }, why: /btf\/vmlinux/, mend: /DEBUG_INFO_BTF/ },
  {
    name: "no capabilities",
    given: { capabilities: new Set() },
    why: /CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE missing/,
    mend: /Run as root/,
  },
  {
    name: "a container's process ids",
    given: { isInitialPidNamespace: false },
    why: /namespace of its own/,
    mend: /--pid=host/,
  },
  {
    name: "lockdown",
    given: { lockdown: "confidentiality" },
    why: /confidentiality/,
    mend: /lockdown=integrity/,
  },
  { name: "no libbpf", given: { libbpf: undefined }, why: /no libbpf/, mend: /install libbpf1/ },
  {
    name: "no objects",
    given: { missingObjects: ["/x/on_cpu.bpf.o"] },
    why: /on_cpu/,
    mend: /make bpf/,
  },
  { name: "a refusal without a known reason", given: {}, why: /the kernel refuses it/, mend: /./ },
];

describe("doctorReport", () => {
  it("says that a healthy host runs everything", () => {
    const report = reportOf({});
    assert.equal(report.ok, true);
    assert.deepEqual(
      report.can_run.filter(({ ok }) => !ok),
      [],
    );
    assert.ok(report.checks.every(({ ok, mend }) => ok && mend === ""));
  });

  for (const { name, given, why, mend } of faults) {
    it(`gives the reason and the mend for ${name}`, () => {
      const report = reportOf({ ...refused, ...given });
      const onCpu = ability(report, "ebpf_on_cpu");
      assert.equal(report.ok, false);
      assert.match(onCpu.why, why);
      assert.match(onCpu.mend, mend);
      assert.equal(ability(report, "convert").ok, true);
    });
  }

  it("believes the sampler that attached, whatever the checks say", () => {
    const report = reportOf({ capabilities: new Set(["CAP_BPF", "CAP_PERFMON"]) });
    assert.equal(report.ok, true);
    assert.equal(ability(report, "whole_host").ok, false);
  });

  it("tells hidden kernel symbols from absent ones", () => {
    const hidden = ability(reportOf({ kernelSymbols: "hidden" }), "kernel_symbols");
    assert.match(hidden.mend, /CAP_SYSLOG/);
    const absent = ability(reportOf({ kernelSymbols: "absent" }), "kernel_symbols");
    assert.match(absent.mend, /CONFIG_KALLSYMS/);
  });

  it("is written one check a line, without control characters of foreign text [S18]", () => {
    const text = reportText(reportOf({ ...refused, samplerRefusal: "a\n\u001b[31mb" }));
    assert.match(text, /^ {2}no {2}eBPF sampler +a\\x0a\\x1b\[31mb$/m);
  });
});

describe("obsforge doctor", () => {
  it("prints one JSON object", async () => {
    const result = await runObsforge(["doctor", "--json"]);
    const report = JSON.parse(result.stdout) as DoctorReport;
    assert.equal(result.code, report.ok ? 0 : 1);
    assert.ok(report.checks.length > 0);
  });

  it("exits with 0 where the receiver runs", { skip: requirement("root", "bpf") }, async () => {
    const result = await runObsforge(["doctor"]);
    assert.equal(result.code, 0, result.stdout);
  });

  it("exits with 1 and names root without capabilities", {
    skip: requirement("root"),
  }, async () => {
    // Not another user: he may not be allowed into the folder of this checkout.
    const program = join(packageRoot(), "bin/obsforge");
    const args = ["--bounding-set", "-all", "--inh-caps", "-all", program, "doctor"];
    const result = await runCommand("setpriv", args);
    assert.equal(result.code, 1, result.stdout);
    assert.match(result.stdout, /Run as root/);
  });
});
