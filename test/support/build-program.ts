import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
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
  ".go": { program: "go", flags: ["build"] },
};

/**
 * Compiles a program of test/programs and gives its path. Compiled once for each source and set of
 * flags, into build/test-programs.
 *
 * @param name   the source's file name, as "three_paths.cpp"
 * @param flags  added to the language's usual ones: -O2, debug info, frame pointers
 * @param using  the compiler to run in place of the language's usual one, as "musl-gcc"
 */
export function buildProgram(name: string, flags: readonly string[] = [], using?: string): string {
  const source = join(packageRoot(), "test/programs", name);
  const compiler = compilers[extname(name)];
  if (compiler === undefined) throw new Error(`no compiler is known for ${name}`);
  const allFlags = [...compiler.flags, ...flags];
  const folder = outputFolder(source, [...(using === undefined ? [] : [using]), ...allFlags]);
  const program = join(folder, parse(name).name);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  // Two test files may compile the same program at once: the rename makes the last one win whole.
  const partial = `${program}.${process.pid}`;
  execFileSync(using ?? compiler.program, [...allFlags, "-o", partial, source], { stdio: "pipe" });
  renameSync(partial, program);
  return program;
}

/** Compiles a class of test/programs, as "BusyJava", and gives the folder of its class files. */
export function buildJavaClass(name: string): string {
  const source = join(packageRoot(), "test/programs", `${name}.java`);
  const folder = outputFolder(source, []);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.${process.pid}`;
  execFileSync("javac", ["-d", partial, source], { stdio: "pipe" });
  try {
    renameSync(partial, folder);
  } catch (error) {
    // Another test file was first.
    if (!existsSync(folder)) throw error;
    rmSync(partial, { recursive: true });
  }
  return folder;
}

/** One folder for each source and set of flags. */
function outputFolder(source: string, flags: readonly string[]): string {
  const hash = createHash("sha256").update(readFileSync(source)).update(flags.join("\0"));
  return join(packageRoot(), "build/test-programs", hash.digest("hex").slice(0, 16));
}
