import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { packageRoot } from "../../src/support/package-root.ts";
import { buildProgram } from "../support/build-program.ts";

/** What one file may take [S5]. */
export const CPU_MS_MAX = 2000;
export const MEMORY_MIB_MAX = 256;
/** After so much CPU time a run is ended, and on the wall after four times as long. */
const END_SECONDS = 3;
/** Of a run in the log. */
const NAMES_SHOWN = 4;
/** More than what is said of a name, and less than what a file could make of it. */
const SENTENCE_LENGTH_MAX = 2000;

export interface AnsweredFrame {
  readonly function: string;
  readonly systemName: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
}

export interface Answered {
  readonly address: string;
  readonly frames: readonly AnsweredFrame[];
  readonly reason?: string;
}

/** What came of one run of `obsforge symbolize --json`. */
export interface SymbolizeOutcome {
  /** Null when it was killed. */
  readonly code: number | null;
  readonly cpuMs: number;
  readonly memoryMib: number;
  readonly answers: readonly Answered[];
  readonly error: string;
}

/**
 * Runs the command for some addresses and measures it.
 *
 * @param flags  what says the file
 * @param cache  the folder for what the command keeps; that of a user is left alone
 */
export async function symbolize(
  flags: readonly string[],
  addresses: readonly (number | bigint)[],
  cache: string,
): Promise<SymbolizeOutcome> {
  const asked = addresses.flatMap((address) => ["--addr", `0x${address.toString(16)}`]);
  const command = join(packageRoot(), "bin/obsforge");
  const args = [`${END_SECONDS}`, command, "symbolize", "--json", ...flags, ...asked];
  const child = spawn(buildProgram("measured.c"), args, {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: { ...process.env, DEBUGINFOD_URLS: "", OBSFORGE_CACHE_DIR: cache },
  });
  const [output, error, measured] = await Promise.all([
    text(child.stdio[1] as NodeJS.ReadableStream),
    text(child.stdio[2] as NodeJS.ReadableStream),
    text(child.stdio[3] as NodeJS.ReadableStream),
    once(child, "close"),
  ]);
  const [status = 0, micros = 0, kib = 0] = measured.split(" ").map(Number);
  const lines = output.split("\n").filter((line) => line !== "");
  return {
    code: (status & 0x7f) === 0 ? status >> 8 : null,
    cpuMs: micros / 1000,
    memoryMib: kib / 1024,
    answers: status === 0 ? lines.map((line) => JSON.parse(line) as Answered) : [],
    error,
  };
}

/** One line for the log. */
export function described({ code, cpuMs, memoryMib, answers, error }: SymbolizeOutcome): string {
  const end = code === null ? "killed" : `exit ${code}`;
  const names = answers
    .slice(0, NAMES_SHOWN)
    .map(({ frames }) => frames.at(-1)?.systemName.slice(0, 24) ?? "-");
  const what = error.trim().slice(0, 160) || names.join(" ");
  return `${Math.round(cpuMs)} ms, ${Math.round(memoryMib)} MiB, ${end}: ${what}`;
}

/** In bounds, and with an answer for each address or one sentence. */
export function assertSound(
  outcome: SymbolizeOutcome,
  addresses: readonly (number | bigint)[],
): void {
  const { code, cpuMs, memoryMib, answers, error } = outcome;
  assert.ok(code === 0 || code === 1, described(outcome));
  assert.ok(cpuMs < CPU_MS_MAX, `${cpuMs} ms of CPU time`);
  assert.ok(memoryMib < MEMORY_MIB_MAX, `${memoryMib} MiB`);
  if (code === 1) {
    assert.match(error, /^obsforge: [^\n]+\n$/);
    assert.ok(error.length <= SENTENCE_LENGTH_MAX, `a sentence of ${error.length} characters`);
    assert.doesNotMatch(error, /TypeError|RangeError|ERR_|at .*\.ts:\d/);
    return;
  }
  assert.equal(error, "");
  assert.deepEqual(
    answers.map(({ address }) => BigInt(address)),
    addresses.map(BigInt),
  );
  for (const { address, frames, reason = "" } of answers) {
    assert.ok(frames.length > 0 || reason !== "", `${address} has neither frames nor a reason`);
  }
}
