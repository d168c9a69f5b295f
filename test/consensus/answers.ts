/**
 * Asks symbolizers for many addresses of one file, and reads what they print into one form.
 */
import { spawnSync } from "node:child_process";
import { join, normalize } from "node:path";
import { packageRoot } from "../../src/support/package-root.ts";

/** One frame, "" and 0 where nothing is known. */
export interface AnsweredFrame {
  /** The linkage name where there is one. */
  readonly name: string;
  /** Joined with the folder of the compilation, without ".." and ".". */
  readonly file: string;
  readonly line: number;
}

/** Innermost first; none when the address belongs to no function. */
export type Answer = readonly AnsweredFrame[];

/** As large as 100,000 answers with long paths. */
const OUTPUT_BYTES_MAX = 1024 ** 3;
const TIMEOUT_MS = 120_000;

export interface ObsforgeOptions {
  /** Added to the command line. */
  readonly flags?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
}

/** Answers of this checkout's bin/obsforge, in the order of the addresses. */
export function askObsforge(
  path: string,
  addresses: readonly number[],
  options: ObsforgeOptions = {},
): Answer[] {
  return obsforgeLines(path, addresses, options).map(readObsforgeLine);
}

/** The lines themselves, for what compares one run of obsforge with another. */
export function obsforgeLines(
  path: string,
  addresses: readonly number[],
  { flags = [], environment = {} }: ObsforgeOptions = {},
): string[] {
  const args = ["symbolize", "--binary", path, "--stdin", "--json", ...flags];
  const command = join(packageRoot(), "bin/obsforge");
  return linesOf(command, args, addresses, environment);
}

/** llvm-symbolizer's answers; outermost names are those of the symbol table. */
export function askLlvm(path: string, addresses: readonly number[]): Answer[] {
  const args = ["--functions=linkage", "--no-demangle", "--inlines", "--output-style=JSON"];
  return linesOf("llvm-symbolizer", [...args, `--obj=${path}`], addresses).map(readLlvmLine);
}

/** addr2line's answers, or nothing when it cannot read the file's machine. */
export function askGnu(path: string, addresses: readonly number[]): Answer[] | undefined {
  const lines = linesOf("addr2line", ["-a", "-i", "-f", "-e", path], addresses);
  if (lines.length === 0) return undefined;
  const answers: AnsweredFrame[][] = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] as string;
    if (/^0x[0-9a-f]+$/.test(line)) {
      answers.push([]);
      at++;
    } else {
      answers.at(-1)?.push(gnuFrame(line, lines[at + 1] ?? ""));
      at += 2;
    }
  }
  return answers.map(withoutUnknown);
}

interface ObsforgeFrame {
  readonly function?: string;
  readonly systemName?: string;
  readonly file?: string;
  readonly line?: number;
}

function readObsforgeLine(line: string): Answer {
  const { frames } = JSON.parse(line) as { frames: readonly ObsforgeFrame[] };
  return frames.map(({ systemName, function: name, file = "", line: number = 0 }) => ({
    name: systemName ?? name ?? "",
    file: normalized(file),
    line: number,
  }));
}

interface LlvmFrame {
  readonly FunctionName: string;
  readonly FileName: string;
  readonly Line: number;
}

function readLlvmLine(line: string): Answer {
  const { Symbol: frames = [] } = JSON.parse(line) as { Symbol?: readonly LlvmFrame[] };
  return withoutUnknown(
    frames.map(({ FunctionName, FileName, Line }) => ({
      name: FunctionName,
      file: normalized(FileName),
      line: Line,
    })),
  );
}

function gnuFrame(name: string, place: string): AnsweredFrame {
  const [, file = "", line = "0"] = /^(.*):(\d+|\?)(?: \(discriminator \d+\))?$/.exec(place) ?? [];
  return {
    name: name === "??" ? "" : name,
    file: file === "??" ? "" : normalized(file),
    line: Number(line) || 0,
  };
}

/** Without a name there is no function: padding, which is nobody's. */
function withoutUnknown(frames: readonly AnsweredFrame[]): Answer {
  return frames.every(({ name }) => name === "") ? [] : frames;
}

function normalized(path: string): string {
  return path === "" ? "" : normalize(path);
}

function linesOf(
  command: string,
  args: readonly string[],
  addresses: readonly number[],
  environment: NodeJS.ProcessEnv = {},
): string[] {
  const result = spawnSync(command, [...args], {
    input: addresses.map((address) => `0x${address.toString(16)}\n`).join(""),
    env: { ...process.env, DEBUGINFOD_URLS: "", ...environment },
    maxBuffer: OUTPUT_BYTES_MAX,
    timeout: TIMEOUT_MS,
    encoding: "utf8",
  });
  if (result.error !== undefined) throw result.error;
  const lines = result.stdout.split("\n").filter((line) => line !== "");
  const isKnownFailure = command === "addr2line" && lines.length === 0;
  if (!isKnownFailure && lines.length < addresses.length) {
    throw new Error(`${command} answered ${lines.length} lines: ${result.stderr.slice(0, 500)}`);
  }
  return lines;
}
