import assert from "node:assert/strict";
import { isCollectorError } from "../../src/support/errors.ts";

/** How long each fuzz test runs; a night may give it more. */
export const FUZZ_SECONDS: number = Number(process.env["FUZZ_SECONDS"] ?? 15);
/** Repeats a run: FUZZ_SEED as a run printed it. */
export const FUZZ_SEED: number = Number(
  process.env["FUZZ_SEED"] ?? process.hrtime.bigint() & 0x7fffffffn,
);

/** CPU time that one case may take [S4]: on a busy machine the clock tells of others. */
const CASE_CPU_MS_MAX = 1000;
/** What one case may allocate beyond its input [S4]. */
const CASE_BYTES_MAX = 64 * 1024 * 1024;

/** Runs `runCase` until the time is over; a failure tells the seed and the case's number. */
export function fuzzFor(
  name: string,
  runCase: (caseNumber: number) => void,
  note: (text: string) => void,
): void {
  const end = process.hrtime.bigint() + BigInt(Math.round(FUZZ_SECONDS * 1e9));
  let count = 0;
  for (; process.hrtime.bigint() < end; count++) {
    try {
      runCase(count);
    } catch (error) {
      throw new Error(`${name}: FUZZ_SEED=${FUZZ_SEED}, case ${count}`, { cause: error });
    }
  }
  note(`${name}: ${count} cases, FUZZ_SEED=${FUZZ_SEED}`);
}

/**
 * What a decoder makes of an input: a result, or one of the two errors that it may throw.
 * Fails on any other error, on slowness and on memory.
 */
export function bounded<Result>(inputBytes: number, decode: () => Result): Result | Error {
  const memoryBefore = allocatedBytes();
  const before = process.cpuUsage();
  let result: Result | Error;
  try {
    result = decode();
  } catch (error) {
    if (!isCollectorError(error, "INPUT_MALFORMED", "LIMIT_EXCEEDED")) throw error;
    result = error;
  }
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000;
  const allocated = allocatedBytes() - memoryBefore;
  assert.ok(cpuMs <= CASE_CPU_MS_MAX, `took ${cpuMs} ms of CPU`);
  assert.ok(allocated <= CASE_BYTES_MAX + inputBytes, `allocated ${allocated} bytes`);
  return result;
}

function allocatedBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
