import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  cgroupHierarchies,
  effectiveCapabilities,
  findLibrary,
  type HostFiles,
  hasKernelTypes,
  hostFiles,
  isInitialPidNamespace,
  kernelSymbols,
  lockdownMode,
  numericSysctl,
} from "./probes.ts";

/** A host that has only these files; a value that starts with "->" is a symbolic link. */
function host(files: Readonly<Record<string, string>>): HostFiles {
  const link = (path: string): string | undefined => /^->(.*)/.exec(files[path] ?? "")?.[1];
  return {
    readText: (path) => files[path],
    exists: (path) => path in files,
    realPath: (path) => (path in files ? (link(path) ?? path) : undefined),
    linkText: link,
  };
}

const status = (mask: string): HostFiles =>
  host({ "/proc/self/status": `Name:\tnode\nCapInh:\t0\nCapEff:\t${mask}\nCapBnd:\t0\n` });

describe("effectiveCapabilities", () => {
  it("names each bit", () => {
    const mask = (1n << 39n) | (1n << 38n) | (1n << 19n) | 1n;
    const found = effectiveCapabilities(status(mask.toString(16).padStart(16, "0")));
    assert.deepEqual([...(found ?? [])], ["CAP_CHOWN", "CAP_SYS_PTRACE", "CAP_PERFMON", "CAP_BPF"]);
  });

  it("knows the last one of <linux/capability.h>", () => {
    const found = effectiveCapabilities(status((1n << 40n).toString(16)));
    assert.deepEqual([...(found ?? [])], ["CAP_CHECKPOINT_RESTORE"]);
  });

  it("is empty for an ordinary user", () => {
    assert.equal(effectiveCapabilities(status("0000000000000000"))?.size, 0);
  });

  it("is undefined without /proc", () => {
    assert.equal(effectiveCapabilities(host({})), undefined);
  });
});

describe("numericSysctl", () => {
  for (const { text, value } of [
    { text: "2\n", value: 2 },
    { text: "-1\n", value: -1 },
    { text: "many\n", value: undefined },
    { text: "", value: undefined },
  ]) {
    it(`reads ${JSON.stringify(text)}`, () => {
      const files = host({ "/proc/sys/kernel/perf_event_paranoid": text });
      assert.equal(numericSysctl(files, "kernel/perf_event_paranoid"), value);
    });
  }

  it("is undefined when there is none", () => {
    assert.equal(numericSysctl(host({}), "kernel/perf_event_paranoid"), undefined);
  });
});

describe("lockdownMode", () => {
  for (const { text, mode } of [
    { text: "[none] integrity confidentiality\n", mode: "none" },
    { text: "none [integrity] confidentiality\n", mode: "integrity" },
    { text: "none integrity [confidentiality]\n", mode: "confidentiality" },
  ]) {
    it(mode, () => {
      assert.equal(lockdownMode(host({ "/sys/kernel/security/lockdown": text })), mode);
    });
  }

  it("is none on a kernel without it", () => {
    assert.equal(lockdownMode(host({})), "none");
  });
});

describe("cgroupHierarchies", () => {
  const v1 = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n";
  const unified = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
  for (const { mounts, version, mount } of [
    { mounts: "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", version: "v2", mount: "/sys/fs/cgroup" },
    { mounts: v1 + unified, version: "hybrid", mount: "/sys/fs/cgroup/unified" },
    { mounts: v1, version: "v1", mount: "/sys/fs/cgroup/cpu" },
    { mounts: "proc /proc proc rw 0 0\n", version: "none", mount: "" },
  ]) {
    it(version, () => {
      const found = cgroupHierarchies(host({ "/proc/self/mounts": mounts }));
      assert.deepEqual(found, { version, mount });
    });
  }
});

describe("findLibrary", () => {
  it("tells the version by the file that the link leads to", () => {
    const files = host({ "/lib/aarch64-linux-gnu/libbpf.so.1": "->/lib/x/libbpf.so.1.1.2" });
    assert.deepEqual(findLibrary(files, "libbpf.so.1"), {
      path: "/lib/aarch64-linux-gnu/libbpf.so.1",
      version: "1.1.2",
    });
  });

  it("looks into the given folders first", () => {
    const files = host({ "/opt/libbpf.so.1": "", "/usr/lib64/libbpf.so.1": "" });
    assert.equal(findLibrary(files, "libbpf.so.1", ":/opt")?.path, "/opt/libbpf.so.1");
  });

  it("is undefined when there is none", () => {
    assert.equal(findLibrary(host({}), "libbpf.so.1"), undefined);
  });
});

describe("kernelSymbols", () => {
  for (const { name, text, found } of [
    { name: "true addresses", text: "ffffffff81000000 T _text\n", found: "visible" },
    { name: "zeros", text: "0000000000000000 T _text\n0000000000000000 T b\n", found: "hidden" },
    {
      name: "per-CPU symbols at 0 first",
      text: "0000000000000000 A a\nffffffff81000000 T b\n",
      found: "visible",
    },
    { name: "an empty file", text: "", found: "absent" },
  ]) {
    it(`${name}: ${found}`, () => {
      assert.equal(kernelSymbols(host({ "/proc/kallsyms": text })), found);
    });
  }
});

describe("isInitialPidNamespace", () => {
  it("knows the namespace that the machine starts with", () => {
    const path = "/proc/self/ns/pid";
    assert.equal(isInitialPidNamespace(host({ [path]: "->pid:[4026531836]" })), true);
    assert.equal(isInitialPidNamespace(host({ [path]: "->pid:[4026532200]" })), false);
  });
});

describe("hostFiles", () => {
  it("reads this machine", () => {
    assert.notEqual(effectiveCapabilities(hostFiles), undefined);
    assert.notEqual(hostFiles.linkText("/proc/self/ns/pid"), undefined);
    assert.equal(hasKernelTypes(host({ "/sys/kernel/btf/vmlinux": "" })), true);
  });

  it("has no file that is not there or may not be read as text", () => {
    assert.equal(hostFiles.readText("/nonexistent"), undefined);
    assert.equal(hostFiles.readText("/proc"), undefined);
    assert.equal(hostFiles.realPath("/nonexistent"), undefined);
    assert.equal(hostFiles.linkText("/proc/self/status"), undefined);
  });
});
