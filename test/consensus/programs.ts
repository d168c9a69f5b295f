import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, parse } from "node:path";
import { packageRoot } from "../../src/support/package-root.ts";
import type { Requirement } from "../support/requirements.ts";

/** How one program of test/programs/consensus is built. */
export interface ConsensusProgram {
  readonly name: string;
  readonly needs: readonly Requirement[];
  readonly sources: readonly string[];
  readonly compiler: "gcc" | "clang" | "rustc";
  /** Of each compilation; -O2 and -g are there already. */
  readonly flags: readonly string[];
  readonly linkFlags?: readonly string[];
  /** Compiled where the sources are, so that the debug information has relative names. */
  readonly isRelative?: boolean;
  /** llvm-symbolizer takes a mark that the compiler left at a function's start for its name. */
  readonly hasMarks?: boolean;
  /** Puts the .dwo files into one package beside the program; they are removed. */
  readonly packager?: "dwp" | "llvm-dwp";
}

/** A packager of an older LLVM does not end on what a newer compiler splits. */
const BUILD_TIMEOUT_MS = 60_000;

const CPLUSPLUS: readonly string[] = ["main.cpp", "handlers.cpp", "words.cpp", "plain.c"];
const PLAIN_C: readonly string[] = ["words.c", "plain.c"];
/** Functions that nothing calls lose their place, but not their debug information. */
const SECTIONS: readonly string[] = ["-ffunction-sections", "-fdata-sections"];
const COLLECTED: readonly string[] = ["-Wl,--gc-sections"];

const gcc = { compiler: "gcc", needs: ["binutils"] } as const;
const clang = { compiler: "clang", needs: ["binutils", "clang"] } as const;
const rust = { compiler: "rustc", needs: ["rust"], sources: ["orders.rs"] } as const;

/** The C++ program of one compiler each, of which the variants are made. */
export const gccProgram: ConsensusProgram = {
  ...gcc,
  name: "C++, gcc, DWARF 5",
  sources: CPLUSPLUS,
  flags: ["-gdwarf-5"],
};
export const clangProgram: ConsensusProgram = {
  ...clang,
  name: "C++, clang, DWARF 5",
  sources: CPLUSPLUS,
  flags: ["-gdwarf-5"],
  isRelative: true,
};
/** The same in C, which is quick to compile. */
export const plainProgram: ConsensusProgram = {
  ...gcc,
  name: "C, gcc, DWARF 4",
  sources: PLAIN_C,
  flags: ["-gdwarf-4"],
};
export const rustProgram: ConsensusProgram = {
  ...rust,
  name: "Rust, DWARF 5",
  flags: ["-Cdwarf-version=5"],
};

/** Those that are compared with other symbolizers. */
export const programs: readonly ConsensusProgram[] = [
  gccProgram,
  clangProgram,
  {
    ...gcc,
    name: "C++, gcc, DWARF 4, type units",
    sources: CPLUSPLUS,
    flags: ["-gdwarf-4", "-fdebug-types-section"],
    isRelative: true,
  },
  { ...clang, name: "C++, clang, DWARF 4", sources: CPLUSPLUS, flags: ["-gdwarf-4"] },
  { ...gccProgram, name: "C++, gcc, DWARF 5, static", linkFlags: ["-static"] },
  plainProgram,
  {
    ...gcc,
    name: "C, gcc -O3, DWARF 5, unused sections left away",
    sources: PLAIN_C,
    flags: ["-gdwarf-5", "-O3", ...SECTIONS],
    linkFlags: COLLECTED,
  },
  {
    ...clang,
    name: "C, clang, DWARF 4, unused sections left away",
    sources: PLAIN_C,
    flags: ["-gdwarf-4", ...SECTIONS],
    linkFlags: COLLECTED,
  },
  {
    ...clang,
    name: "C, clang, DWARF 5, type units, lld, unused sections left away",
    needs: ["clang", "lld"],
    sources: PLAIN_C,
    flags: ["-gdwarf-5", "-fdebug-types-section", ...SECTIONS],
    linkFlags: ["-fuse-ld=lld", ...COLLECTED],
  },
  {
    ...gcc,
    name: "C, gcc, DWARF 5, optimized as a whole",
    sources: PLAIN_C,
    flags: ["-gdwarf-5", "-flto"],
    hasMarks: true,
    linkFlags: ["-flto", "-O2", "-g"],
  },
  { ...gcc, name: "C, gcc, DWARF 2", sources: PLAIN_C, flags: ["-gdwarf-2", "-gstrict-dwarf"] },
  { ...gcc, name: "C, gcc, DWARF 3", sources: PLAIN_C, flags: ["-gdwarf-3", "-gstrict-dwarf"] },
  ...["i386", "mips", "mips64", "aarch64"].map(otherMachine),
  rustProgram,
  { ...rust, name: "Rust, DWARF 4", flags: ["-Cdwarf-version=4"] },
];

/** A program whose debug information is outside of it, and the one that it is held against. */
export interface SplitProgram {
  readonly program: ConsensusProgram;
  readonly whole: ConsensusProgram;
}

/** The same code with most debug information in .dwo files, or in a package of them. */
export const splitPrograms: readonly SplitProgram[] = [
  split(gccProgram),
  split(clangProgram),
  split(plainProgram),
  split(clangProgram, "llvm-dwp"),
  split(plainProgram, "dwp"),
  split({ ...plainProgram, ...clang, name: "C, clang, DWARF 4" }, "dwp"),
];

function split(whole: ConsensusProgram, packager?: "dwp" | "llvm-dwp"): SplitProgram {
  const kind = packager === undefined ? ".dwo files" : `a package of ${packager}`;
  const program: ConsensusProgram = {
    ...whole,
    name: `${whole.name}: in ${kind}`,
    flags: [...whole.flags, "-gsplit-dwarf"],
    ...(packager === undefined ? {} : { packager }),
  };
  return { program, whole };
}

/** Of 32 bits, of the other byte order, or of both. */
function otherMachine(machine: string, index: number): ConsensusProgram {
  const target = `--target=${machine}-linux-gnu`;
  return {
    ...clang,
    name: `C, clang, ${machine}, DWARF ${4 + (index % 2)}`,
    needs: ["clang", "lld"],
    sources: ["bare.c"],
    flags: [target, `-gdwarf-${4 + (index % 2)}`, "-ffreestanding", "-fno-pic"],
    linkFlags: [target, "-nostdlib", "-static", "-fuse-ld=lld"],
  };
}

const sourceFolder: string = join(packageRoot(), "test/programs/consensus");

/**
 * The path of the built program. Built once for each set of sources and flags, into a folder of
 * its own under build/test-programs, whose objects and .dwo files stay where they were made.
 */
export function buildConsensusProgram(program: ConsensusProgram): string {
  const folder = join(packageRoot(), "build/test-programs", `consensus-${digestOf(program)}`);
  const path = join(folder, "program");
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  // Two test files may build the same at once: what is not whole has another name.
  const partial = `${path}.${process.pid}`;
  if (program.compiler === "rustc") compileRust(program, partial);
  else compile(program, folder, partial);
  renameSync(partial, path);
  return path;
}

function compileRust({ sources, flags }: ConsensusProgram, output: string): void {
  const path = join(sourceFolder, sources[0] ?? "");
  execFileSync("rustc", ["--edition=2021", "-O", "-g", ...flags, "-o", output, path], {
    stdio: "pipe",
  });
}

function compile(program: ConsensusProgram, folder: string, output: string): void {
  const { flags, linkFlags = [], isRelative = false } = program;
  const run = (command: string, args: readonly string[], cwd: string): void => {
    execFileSync(command, args, { cwd, stdio: "pipe", timeout: BUILD_TIMEOUT_MS });
  };
  const objects = program.sources.map((source) => {
    const object = join(folder, `${parse(source).base}.o`);
    const path = isRelative ? source : join(sourceFolder, source);
    const standard = source.endsWith(".c") ? [] : ["-std=c++17"];
    const args = ["-O2", "-g", ...standard, ...flags, "-c", path, "-o", object];
    run(compilerOf(program, source), args, isRelative ? sourceFolder : folder);
    return object;
  });
  const linker = compilerOf(program, program.sources[0] ?? "");
  run(linker, ["-Wl,--build-id", ...linkFlags, ...objects, "-o", output], folder);
  if (program.packager === undefined) return;
  run(program.packager, ["-e", output, "-o", join(folder, "program.dwp")], folder);
  for (const unit of globSync(join(folder, "*.dwo"))) rmSync(unit);
}

function compilerOf({ compiler }: ConsensusProgram, source: string): string {
  if (source.endsWith(".c")) return compiler;
  return compiler === "gcc" ? "g++" : "clang++";
}

/** Changes with the sources, the flags and the compiler. */
function digestOf(program: ConsensusProgram): string {
  const hash = createHash("sha256");
  const { compiler, flags, linkFlags = [], sources, isRelative = false, packager } = program;
  hash.update(execFileSync(compiler, ["--version"]));
  hash.update(JSON.stringify([compiler, flags, linkFlags, sources, isRelative, packager]));
  hash.update(sourceFolder);
  for (const path of globSync(join(sourceFolder, "*")).sort()) hash.update(readFileSync(path));
  return hash.digest("hex").slice(0, 16);
}
