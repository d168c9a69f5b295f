import { decodeOtlp } from "../../src/profiles/otlp/decode.ts";
import { encodeOtlp } from "../../src/profiles/otlp/encode.ts";
import { otlpOracle } from "../../src/profiles/testing/otlp-oracle.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { largeProfile } from "./large-profile.ts";
import { pprofRows } from "./pprof-rows.ts";

/**
 * Speed of the profile codecs on a profile of about 4 MB, beside code that protobufjs
 * generates, in one process: `node test/bench/profile-decode.ts`.
 */

/** Timed runs of each row after the warm-up; the median counts. */
const RUNS = 9;
const WARM_UP_RUNS = 5;
/** Makes a message of about 4 MB. */
const STACKS = 36_000;
/** The same of pprof, where a sample of each stack, thread and CPU has its labels. */
const PPROF_STACKS = 22_000;

interface Row {
  readonly name: string;
  /** Encoded bytes that one run reads or writes. */
  readonly bytes: number;
  readonly ours: () => unknown;
  readonly protobufjs: () => unknown;
  /** MB/s that `ours` must reach. */
  readonly bar?: number;
}

const batch = largeProfile(STACKS);
const otlp = encodeOtlp(batch);
const oracle = otlpOracle();
const oracleMessage = oracle.decode(otlp);

const rows: readonly Row[] = [
  {
    name: "otlp decode",
    bytes: otlp.length,
    ours: () => decodeOtlp(otlp, FILE_LIMITS),
    protobufjs: () => oracle.decode(otlp),
    bar: 50,
  },
  {
    name: "otlp encode",
    bytes: otlp.length,
    ours: () => encodeOtlp(batch),
    protobufjs: () => oracle.encode(oracleMessage).finish(),
  },
  ...pprofRows(largeProfile(PPROF_STACKS)),
];

for (const row of rows) {
  const ours = speed(row.bytes, row.ours);
  const theirs = speed(row.bytes, row.protobufjs);
  const bar = row.bar === undefined ? "" : ` bar ${row.bar}${ours < row.bar ? " MISSED" : ""}`;
  process.stdout.write(
    `${row.name.padEnd(12)} ${(row.bytes / 1e6).toFixed(1)} MB: ours ${ours.toFixed(0)} MB/s, ` +
      `protobufjs ${theirs.toFixed(0)} MB/s, ratio ${(ours / theirs).toFixed(1)}${bar}\n`,
  );
}

/** The median of the timed runs, in MB/s. */
function speed(bytes: number, run: () => unknown): number {
  for (let i = 0; i < WARM_UP_RUNS; i++) run();
  const seconds = Array.from({ length: RUNS }, () => {
    const start = process.hrtime.bigint();
    run();
    return Number(process.hrtime.bigint() - start) / 1e9;
  });
  seconds.sort((a, b) => a - b);
  return bytes / 1e6 / (seconds[RUNS >> 1] as number);
}
