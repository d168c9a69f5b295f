import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { packageRoot } from "../../src/support/package-root.ts";
import { isCollectorBuilt } from "./otelcol.ts";

/** What a test may need from its machine. A name that is a program is looked for on the path. */
export type Requirement =
  | "root"
  | "bpf"
  | "kallsyms"
  | "binutils"
  | "clang"
  | "lld"
  | "llvm"
  | "go"
  | "otelcol"
  | "rust"
  | "musl"
  | "java"
  | "node"
  | "python"
  | "pyenv"
  | "chromium"
  | "perf"
  | "dwz"
  | "debuginfod"
  | "git";

const programs: Partial<Record<Requirement, readonly string[]>> = {
  binutils: ["nm", "readelf"],
  clang: ["clang"],
  lld: ["ld.lld"],
  llvm: ["llvm-symbolizer"],
  go: ["go"],
  rust: ["rustc"],
  musl: ["musl-gcc"],
  java: ["java", "javac", "jcmd"],
  node: ["node"],
  pyenv: ["pyenv"],
  chromium: ["chromium"],
  perf: ["perf"],
  dwz: ["dwz"],
  debuginfod: ["debuginfod"],
  git: ["git"],
};

/**
 * The `skip` option of a test that needs all of `names`: false when they are there, else a reason
 * that names the first that is not.
 *
 *     it("reads a ring", { skip: requirement("root", "bpf") }, () => { … });
 *
 * @throws when CI=true and what is missing is not named in test/optional.json, so that the
 *   absence fails the file instead of passing unseen
 */
export function requirement(...names: Requirement[]): string | false {
  const missing = names.find((name) => !isThere(name));
  if (missing === undefined) return false;
  if (process.env["CI"] === "true" && !optionalRequirements().includes(missing)) {
    throw new Error(`needs ${missing}, and with CI=true only test/optional.json may be absent`);
  }
  return skipReason(missing);
}

/** What a skipped test says; scripts/run-tests.ts tells by it whether the skip is allowed. */
export function skipReason(name: Requirement | string): string {
  return `needs ${name}`;
}

/** The names in test/optional.json: absent on a machine that still tests the whole. */
export function optionalRequirements(): string[] {
  const path = join(packageRoot(), "test/optional.json");
  return Object.keys(JSON.parse(readFileSync(path, "utf8")) as Record<string, string>);
}

function isThere(name: Requirement): boolean {
  if (name === "root") return process.getuid?.() === 0;
  if (name === "bpf") return canLoadBpf();
  if (name === "kallsyms") return showsKernelAddresses();
  if (name === "python") return existsSync("/usr/bin/python3");
  if (name === "otelcol") return isCollectorBuilt();
  return (programs[name] ?? []).every((program) => isOnPath(program));
}

/** The objects are compiled, the kernel tells its types, and this process may load programs. */
function canLoadBpf(): boolean {
  return hasBpfObjects() && existsSync("/sys/kernel/btf/vmlinux") && hasBpfCapabilities();
}

/** Whom the kernel hides its addresses from sees zeros only. */
function showsKernelAddresses(): boolean {
  return /^0*[1-9a-f]/m.test(readFileSync("/proc/kallsyms", "latin1"));
}

function hasBpfObjects(): boolean {
  const folder = join(packageRoot(), "build/bpf");
  if (!existsSync(folder)) return false;
  return readdirSync(folder, { recursive: true }).some((name) => String(name).endsWith(".bpf.o"));
}

const CAP_SYS_ADMIN = 1n << 21n;
const CAP_PERFMON_AND_BPF = (1n << 38n) | (1n << 39n);

function hasBpfCapabilities(): boolean {
  const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const effective = BigInt(`0x${hex ?? "0"}`);
  return (
    (effective & CAP_SYS_ADMIN) !== 0n || (effective & CAP_PERFMON_AND_BPF) === CAP_PERFMON_AND_BPF
  );
}

function isOnPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
