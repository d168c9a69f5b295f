/**
 * Makes other files of a program's: the same code, with the debug information packed or put
 * somewhere else. Each has to give the answers of the program itself.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Requirement } from "../support/requirements.ts";
import { buildIdOf } from "./addresses.ts";
import type { ConsensusProgram } from "./programs.ts";
import { buildConsensusProgram, clangProgram, gccProgram, rustProgram } from "./programs.ts";

/** Where a variant is, and what the command line needs to find its debug information. */
export interface MadeVariant {
  readonly path: string;
  readonly flags?: readonly string[];
}

export interface Variant {
  readonly name: string;
  readonly program: ConsensusProgram;
  /** What it is made with, beside what makes the program. */
  readonly needs?: readonly Requirement[];
  /** Makes it in an empty folder. */
  readonly make: (program: string, folder: string) => MadeVariant;
  /** It names functions and has no lines. */
  readonly hasNamesOnly?: boolean;
}

/** dwz 0.15 declines what clang and rustc write. */
const shrunkVariants: readonly Omit<Variant, "program">[] = [
  { name: "dwz", needs: ["dwz"], make: shrunk },
  { name: "dwz with a common file", needs: ["dwz"], make: shrunkTogether },
  { name: "dwz with a common file by build id", needs: ["dwz"], make: shrunkByBuildId },
];

const bases: readonly ConsensusProgram[] = [gccProgram, clangProgram, rustProgram];

/** All that are made of each of the programs. */
export const variants: readonly Variant[] = [
  ...bases.flatMap(variantsOf),
  ...shrunkVariants.map((variant) => ({ ...variant, program: gccProgram })),
];

function variantsOf(program: ConsensusProgram): Variant[] {
  return [
    { name: "stripped, .gnu_debuglink", program, make: withDebugLink },
    { name: "stripped, found by build id", program, make: withBuildId },
    { name: "zlib", program, make: compressed("zlib-gabi") },
    { name: "zstd", program, make: compressed("zstd") },
    { name: ".zdebug", program, make: compressed("zlib-gnu") },
    { name: "zlib in a file apart", program, make: compressedApart },
    { name: "mini", program, make: withMini, hasNamesOnly: true },
  ];
}

function objcopy(...args: string[]): void {
  execFileSync("objcopy", args, { stdio: "pipe" });
}

/** Without a build id, so that nothing but the link's CRC can tell that the file is the right. */
function withDebugLink(program: string, folder: string): MadeVariant {
  const path = join(folder, "program");
  const debug = join(folder, "program.debug");
  objcopy("--remove-section=.note.gnu.build-id", program, path);
  objcopy("--only-keep-debug", path, debug);
  objcopy("--strip-all", `--add-gnu-debuglink=${debug}`, path);
  mkdirSync(join(folder, ".debug"));
  renameSync(debug, join(folder, ".debug/program.debug"));
  return { path };
}

function withBuildId(program: string, folder: string): MadeVariant {
  return apart(program, folder, []);
}

function compressedApart(program: string, folder: string): MadeVariant {
  return apart(program, folder, ["--compress-debug-sections=zlib"]);
}

function apart(program: string, folder: string, flags: readonly string[]): MadeVariant {
  const path = join(folder, "program");
  objcopy("--strip-all", program, path);
  const debug = fileOfBuildId(join(folder, "debug"), program);
  objcopy("--only-keep-debug", ...flags, program, debug);
  return { path, flags: ["--debug-dir", join(folder, "debug")] };
}

/** The path that a file of debug information has below a folder of them, by a file's build id. */
function fileOfBuildId(folder: string, path: string): string {
  const buildId = buildIdOf(path);
  const parent = join(folder, ".build-id", buildId.slice(0, 2));
  mkdirSync(parent, { recursive: true });
  return join(parent, `${buildId.slice(2)}.debug`);
}

function compressed(kind: string): Variant["make"] {
  return (program, folder) => {
    const path = join(folder, "program");
    objcopy(`--compress-debug-sections=${kind}`, program, path);
    return { path };
  };
}

function shrunk(program: string, folder: string): MadeVariant {
  const path = join(folder, "program");
  execFileSync("dwz", ["-o", path, program], { stdio: "pipe" });
  return { path };
}

/** The common file lies beside, where the program's link says. */
function shrunkTogether(program: string, folder: string): MadeVariant {
  const [path, other] = [join(folder, "program"), join(folder, "other")];
  const common = join(folder, "common.debug");
  copyFileSync(program, path);
  // dwz moves what several files have in common: the other has all of it.
  objcopy("--remove-section=.note.gnu.build-id", program, other);
  execFileSync("dwz", ["-r", "-m", common, path, other], { stdio: "pipe" });
  return { path };
}

/** The common file is not where the link says. */
function shrunkByBuildId(program: string, folder: string): MadeVariant {
  const made = shrunkTogether(program, folder);
  const common = join(folder, "common.debug");
  const debug = join(folder, "debug");
  renameSync(common, fileOfBuildId(debug, common));
  return { ...made, flags: ["--debug-dir", debug] };
}

/**
 * As distributions do it: the functions that .dynsym does not have, in a compressed file in a
 * section of the program.
 */
function withMini(program: string, folder: string): MadeVariant {
  const [path, mini] = [join(folder, "program"), join(folder, "mini")];
  const dynamic = new Set(namesOf(["-D", "--defined-only", program]));
  const kept = namesOf(["--defined-only", program]).filter((name) => !dynamic.has(name));
  const list = join(folder, "kept");
  writeFileSync(list, `${kept.join("\n")}\n`);
  objcopy("--only-keep-debug", program, mini);
  objcopy("-S", "--remove-section=.comment", `--keep-symbols=${list}`, mini);
  execFileSync("xz", [mini]);
  objcopy("--strip-all", program, path);
  objcopy(`--add-section=.gnu_debugdata=${mini}.xz`, path);
  return { path };
}

/** Names of functions by nm in its POSIX format: name, type, value, size. */
function namesOf(args: readonly string[]): string[] {
  const output = execFileSync("nm", ["-f", "posix", ...args], { encoding: "utf8" });
  return output.split("\n").flatMap((line) => /^(\S+) [tTwWiI] /.exec(line)?.[1] ?? []);
}

/** The program that a variant is made of and compared with. */
export function baseOf({ program }: Variant): string {
  return buildConsensusProgram(program);
}
