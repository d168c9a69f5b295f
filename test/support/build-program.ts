import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { extname, join, parse } from "node:path";
import { packageRoot } from "../../src/support/package-root.ts";

interface Compiler {
  readonly program: string;
  readonly flags: readonly string[];
}

const compilers: Readonly<Record<string, Compiler>> = {
  ".c": { program: "gcc", flags: ["-O2", "-g", "-fno-omit-frame-pointer", "-pthread"] },
  ".cpp": { program: "g++", flags: ["-O2", "-g", "-fno-omit-frame-pointer"] },
  ".rs": {
    program: "rustc",
    flags: ["--edition=2021", "-Copt-level=2", "-Cdebuginfo=1", "-Cforce-frame-pointers=yes"],
  },
};

/**
 * Compiles a program of test/programs and gives its path. Compiled once for each source and set of
 * flags, into build/test-programs.
 *
 * @param name   the source's file name, as "three_paths.cpp"
 * @param flags  added to the language's usual ones: -O2, debug info, frame pointers
 */
export function buildProgram(name: string, flags: readonly string[] = []): string {
  const source = join(packageRoot(), "test/programs", name);
  const compiler = compilers[extname(name)];
  if (compiler === undefined) throw new Error(`no compiler is known for ${name}`);
  const allFlags = [...compiler.flags, ...flags];
  const hash = createHash("sha256").update(readFileSync(source)).update(allFlags.join("\0"));
  const folder = join(packageRoot(), "build/test-programs", hash.digest("hex").slice(0, 16));
  const program = join(folder, parse(name).name);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  // Two test files may compile the same program at once: the rename makes the last one win whole.
  const partial = `${program}.${process.pid}`;
  execFileSync(compiler.program, [...allFlags, "-o", partial, source], { stdio: "pipe" });
  renameSync(partial, program);
  return program;
}
