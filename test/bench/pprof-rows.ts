import { decodePprof } from "../../src/profiles/pprof/decode.ts";
import { encodePprof } from "../../src/profiles/pprof/encode.ts";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { pprofOracle } from "../../src/profiles/testing/pprof-oracle.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";

/** What the table of profile-decode.ts shows of pprof. */
export interface PprofRow {
  readonly name: string;
  /** Encoded bytes that one run reads or writes, without compression. */
  readonly bytes: number;
  readonly ours: () => unknown;
  readonly protobufjs: () => unknown;
  /** MB/s that `ours` must reach. */
  readonly bar?: number;
}

/** The rows for a batch; its pprof bytes are as large as the batch makes them. */
export function pprofRows(batch: ProfileBatch): readonly PprofRow[] {
  const pprof = encodePprof(batch, { gzip: false });
  const oracle = pprofOracle();
  const message = oracle.decode(pprof);
  return [
    {
      name: "pprof decode",
      bytes: pprof.length,
      ours: () => decodePprof(pprof, FILE_LIMITS),
      protobufjs: () => oracle.decode(pprof),
      bar: 40,
    },
    {
      name: "pprof encode",
      bytes: pprof.length,
      ours: () => encodePprof(batch, { gzip: false }),
      protobufjs: () => oracle.encode(message).finish(),
    },
  ];
}
