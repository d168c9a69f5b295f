/**
 * Boots other kernels in qemu, in software, and runs guest/checks.ts in each.
 *
 *     node test/kernels/run.ts [SUITE/ARCH…]     all of `kernels` when none is named
 *
 * OBSFORGE_ONLY: a pattern of the names of the checks to run, without a space.
 *
 * Ends with 1 when a check fails, a guest dies, or its kernel complains.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/support/package-root.ts";

/** Debian's suites, each with the kernel series that it holds. */
const kernels = ["bookworm/amd64", "trixie/amd64", "trixie/arm64"];

/** A guest takes one to two minutes. */
const GUEST_MS_MAX = 6 * 60_000;
/** A guest that writes more than this has gone wrong. */
const CONSOLE_BYTES_MAX = 16 * 1024 * 1024;
const MEMORY_MIB = 2048;

/** What a kernel says of its own faults. */
const complaint = /\b(WARNING: CPU|BUG:|Oops|general protection fault|rcu: INFO|soft lockup)/;

interface GuestRun {
  readonly kernel: string;
  readonly ok: boolean;
  /** uname -r; "" when the guest did not come up. */
  readonly release: string;
  readonly bootSeconds: number;
  readonly seconds: number;
  readonly faults: readonly string[];
}

const folder = join(packageRoot(), "build/kernels");
const wanted = process.argv.slice(2);

mkdirSync(folder, { recursive: true });
const runs: GuestRun[] = [];
for (const kernel of wanted.length > 0 ? wanted : kernels) {
  const [suite = "", arch = ""] = kernel.split("/");
  script("setup.sh", suite, arch);
  const image = join(folder, `image-${arch}.cpio`);
  script("image.sh", arch, image);
  runs.push(await runGuest(kernel, image));
  rmSync(image);
}
for (const run of runs) process.stdout.write(summaryLine(run));
if (!runs.every(({ ok }) => ok)) process.exitCode = 1;

function script(name: string, ...args: string[]): void {
  execFileSync(join(import.meta.dirname, name), args, { stdio: ["ignore", "inherit", "inherit"] });
}

async function runGuest(kernel: string, image: string): Promise<GuestRun> {
  process.stdout.write(`\n=== ${kernel}\n`);
  const startMs = performance.now();
  const text = await bootedConsole(kernel, image);
  writeFileSync(join(folder, kernel.replace("/", "-"), "console.log"), text);
  const [, boot = "", release = ""] = /^kernels: up (\S+) (\S+)/m.exec(text) ?? [];
  const exit = /^kernels: exit (\d+)/m.exec(text)?.[1];
  const faults = text.split("\n").filter((line) => complaint.test(line));
  if (exit === undefined) faults.push("the guest did not come to its end");
  else if (exit !== "0") faults.push("a check failed");
  const seconds = (performance.now() - startMs) / 1000;
  const ok = faults.length === 0;
  return { kernel, ok, release, bootSeconds: Number(boot), seconds, faults };
}

/** What the guest wrote on its console, which is shown while it runs. */
async function bootedConsole(kernel: string, image: string): Promise<string> {
  const [program, args] = qemu(kernel, image);
  const guest = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const timer = setTimeout(() => guest.kill("SIGKILL"), GUEST_MS_MAX);
  let text = "";
  guest.stdout.setEncoding("utf8");
  for await (const part of guest.stdout as AsyncIterable<string>) {
    process.stdout.write(part);
    text += part.replaceAll("\r", "");
    if (text.length > CONSOLE_BYTES_MAX) guest.kill("SIGKILL");
  }
  clearTimeout(timer);
  return text;
}

function qemu(kernel: string, image: string): [program: string, args: string[]] {
  const isArm = kernel.endsWith("/arm64");
  // An old x86-64 has little that an emulator can do wrong: with "max" one start of Node in eight
  // crashes on Linux 6.12. On arm64 signed return addresses are wanted, made in a quick way.
  const machine = isArm
    ? ["-machine", "virt,gic-version=3", "-cpu", "max,pauth-impdef=on"]
    : ["-machine", "pc,vmport=off", "-cpu", "Nehalem"];
  const console = isArm ? "ttyAMA0" : "ttyS0";
  const only = `obsforge.only=${process.env["OBSFORGE_ONLY"] ?? ""}`;
  return [
    isArm ? "qemu-system-aarch64" : "qemu-system-x86_64",
    [
      ...machine,
      ...["-accel", "tcg,thread=multi,tb-size=512", "-smp", "2", "-m", String(MEMORY_MIB)],
      ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
      ...["-device", "virtio-rng-pci", "-serial", "stdio"],
      ...["-kernel", join(folder, kernel.replace("/", "-"), "vmlinuz"), "-initrd", image],
      // A kernel that panics ends its guest; one that is only astonished says so.
      ...[
        "-append",
        `console=${console} panic=-1 oops=panic loglevel=4 nokaslr random.trust_cpu=on ${only}`,
      ],
    ],
  ];
}

function summaryLine({ kernel, ok, release, bootSeconds, seconds, faults }: GuestRun): string {
  const times = `boot ${bootSeconds.toFixed(1)} s, all ${seconds.toFixed(0)} s`;
  const line = `${ok ? "ok" : "FAILED"}  ${kernel}  ${release}  ${times}\n`;
  return line + faults.map((fault) => `        ${fault}\n`).join("");
}
