import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/support/package-root.ts";

const PACKAGE = "openjdk-17-dbg";

/**
 * The debug file of a Java virtual machine, as Debian has it, with its sections decompressed: 368
 * MB. Fetched once, 240 MB.
 *
 * @returns why it is not there, when it cannot be fetched
 */
export function libjvmDebugFile(): string | { readonly missing: string } {
  const folder = join(packageRoot(), "build/bench/libjvm");
  const path = join(folder, "libjvm.debug");
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const run = (command: string, ...args: string[]): void => {
    execFileSync(command, args, { cwd: folder, stdio: "pipe" });
  };
  try {
    run("apt-get", "download", PACKAGE);
    run("sh", "-c", `dpkg-deb -x ${PACKAGE}_*.deb package`);
  } catch (error) {
    return { missing: `${PACKAGE} cannot be fetched: ${(error as Error).message.trim()}` };
  }
  const files = globSync(join(folder, "package/usr/lib/debug/.build-id/*/*.debug"));
  const [largest] = files.toSorted((a, b) => statSync(b).size - statSync(a).size);
  if (largest === undefined) return { missing: `${PACKAGE} has no debug files` };
  run("objcopy", "--decompress-debug-sections", largest, "libjvm.part");
  renameSync(join(folder, "libjvm.part"), path);
  run("sh", "-c", `rm -r package ${PACKAGE}_*.deb`);
  return path;
}
