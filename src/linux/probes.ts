/**
 * What this machine allows, read from /proc, /sys and the library folders. The functions are
 * pure over a `HostFiles`; nothing here loads a program or changes anything.
 */
import { closeSync, existsSync, openSync, readlinkSync, readSync, realpathSync } from "node:fs";
import { basename, join } from "node:path";
import { decodeUtf8 } from "../support/byte-reader.ts";

/** The files of a host; a test puts its own in their place. */
export interface HostFiles {
  /** The first HOST_FILE_BYTES_MAX bytes; undefined when the file is absent or may not be read. */
  readText(path: string): string | undefined;
  exists(path: string): boolean;
  /** The path without symbolic links; undefined when it leads nowhere. */
  realPath(path: string): string | undefined;
  /** What a symbolic link says; undefined when it is none. */
  linkText(path: string): string | undefined;
}

/** The files read here are a few lines; of /proc/kallsyms the first lines are enough. */
export const HOST_FILE_BYTES_MAX: number = 64 * 1024;

export const hostFiles: HostFiles = {
  readText: (path) => orUndefined(() => readFront(path)),
  exists: (path) => existsSync(path),
  realPath: (path) => orUndefined(() => realpathSync(path)),
  linkText: (path) => orUndefined(() => readlinkSync(path)),
};

function readFront(path: string): string {
  const fd = openSync(path, "r");
  try {
    const bytes = new Uint8Array(HOST_FILE_BYTES_MAX);
    return decodeUtf8(bytes.subarray(0, readSync(fd, bytes)));
  } finally {
    closeSync(fd);
  }
}

/** Whatever keeps a file of the host from being read, for a probe it is not there. */
function orUndefined<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Bit n of a capability mask; the order of <linux/capability.h>. */
const capabilityNames = (
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE " +
  "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO " +
  "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME " +
  "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG " +
  "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split(" ");

/** The effective capabilities of this process, as "CAP_BPF"; undefined when /proc hides them. */
export function effectiveCapabilities(files: HostFiles): ReadonlySet<string> | undefined {
  const status = files.readText("/proc/self/status") ?? "";
  const hex = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(status)?.[1];
  if (hex === undefined) return undefined;
  const mask = BigInt(`0x${hex}`);
  const isSet = (bit: number): boolean => ((mask >> BigInt(bit)) & 1n) === 1n;
  return new Set(capabilityNames.filter((_, bit) => isSet(bit)).map((name) => `CAP_${name}`));
}

/** A numeric sysctl by its path below /proc/sys, as "kernel/perf_event_paranoid". */
export function numericSysctl(files: HostFiles, name: string): number | undefined {
  const text = files.readText(`/proc/sys/${name}`)?.trim();
  return text === undefined || !/^-?\d{1,15}$/.test(text) ? undefined : Number(text);
}

export type Lockdown = "none" | "integrity" | "confidentiality";

/** The kernel's lockdown mode: the word in brackets. "none" on a kernel without it. */
export function lockdownMode(files: HostFiles): Lockdown {
  const text = files.readText("/sys/kernel/security/lockdown") ?? "";
  const mode = /\[(integrity|confidentiality)\]/.exec(text)?.[1];
  return (mode as Lockdown | undefined) ?? "none";
}

export interface Cgroups {
  /** "hybrid": the old hierarchies hold the controllers, the unified one the processes too. */
  readonly version: "v2" | "hybrid" | "v1" | "none";
  /** Where the unified hierarchy is mounted, else the first old one; "" when there is none. */
  readonly mount: string;
}

/** The hierarchies in /proc/self/mounts: "device mount-point type options 0 0". */
export function cgroupHierarchies(files: HostFiles): Cgroups {
  const mounts = (files.readText("/proc/self/mounts") ?? "")
    .split("\n")
    .map((line) => line.split(" "));
  const unified = mounts.find(([, , type]) => type === "cgroup2")?.[1];
  const old = mounts.find(([, , type]) => type === "cgroup")?.[1];
  if (unified !== undefined) {
    return { version: old === undefined ? "v2" : "hybrid", mount: unified };
  }
  return { version: old === undefined ? "none" : "v1", mount: old ?? "" };
}

/** Folders that the dynamic linker looks into on the distributions we know. */
const libraryFolders: readonly string[] = [
  "/lib/x86_64-linux-gnu",
  "/usr/lib/x86_64-linux-gnu",
  "/lib/aarch64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/lib64",
  "/usr/lib64",
  "/lib",
  "/usr/lib",
  "/usr/local/lib64",
  "/usr/local/lib",
];

export interface FoundLibrary {
  readonly path: string;
  /** "1.1.2" of libbpf.so.1.1.2; "" when the file's name does not say it. */
  readonly version: string;
}

/**
 * Looks a shared library up by file without opening it.
 *
 * @param name        as "libbpf.so.1"
 * @param searchPath  folders that come first, colon-separated: LD_LIBRARY_PATH
 */
export function findLibrary(
  files: HostFiles,
  name: string,
  searchPath = "",
): FoundLibrary | undefined {
  const folders = [...searchPath.split(":").filter((folder) => folder !== ""), ...libraryFolders];
  for (const folder of folders) {
    const real = files.realPath(join(folder, name));
    if (real === undefined) continue;
    return { path: join(folder, name), version: /\.so\.(.+)$/.exec(basename(real))?.[1] ?? "" };
  }
  return undefined;
}

/** True when the kernel describes its own types, which CO-RE programs are fitted to. */
export function hasKernelTypes(files: HostFiles): boolean {
  return files.exists("/sys/kernel/btf/vmlinux");
}

export type KernelSymbols = "visible" | "hidden" | "absent";

/** Whether this process sees true addresses in /proc/kallsyms; when hidden they are all zero. */
export function kernelSymbols(files: HostFiles): KernelSymbols {
  const text = files.readText("/proc/kallsyms");
  if (text === undefined || text === "") return "absent";
  return /^0*[1-9a-f][0-9a-f]* /m.test(text) ? "visible" : "hidden";
}

/** PROC_PID_INIT_INO of the kernel: the namespace that the machine starts with. */
const INITIAL_PID_NAMESPACE = "pid:[4026531836]";

/** False in a container with process ids of its own, which the kernel's ids do not match. */
export function isInitialPidNamespace(files: HostFiles): boolean {
  return files.linkText("/proc/self/ns/pid") === INITIAL_PID_NAMESPACE;
}
