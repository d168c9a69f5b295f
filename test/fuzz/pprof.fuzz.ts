import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import type protobuf from "protobufjs";
import { decodeOtlp } from "../../src/profiles/otlp/decode.ts";
import { checkPprof } from "../../src/profiles/pprof/check-valid.ts";
import { decodePprof } from "../../src/profiles/pprof/decode.ts";
import { encodePprof } from "../../src/profiles/pprof/encode.ts";
import type { Profile, ProfileBatch } from "../../src/profiles/profile.ts";
import { resolvedSamples } from "../../src/profiles/resolved.ts";
import { genuinePayloads } from "../../src/profiles/testing/genuine-payloads.ts";
import { pprofOracle } from "../../src/profiles/testing/pprof-oracle.ts";
import { FILE_LIMITS, NETWORK_LIMITS } from "../../src/support/limits.ts";
import { bounded, FUZZ_SEED, fuzzFor } from "./fuzzing.ts";
import { mutated, noise, Random } from "./mutate.ts";

/**
 * Mutated genuine profiles against generated code as the oracle [S4]: what we read has the sums
 * that it reads, what it reads and the rules allow we do not refuse, what we write is valid and
 * reads the same; nothing crashes, hangs or eats memory.
 */

const oracle = pprofOracle();
const NOISE_BYTES_MAX = 400;
/** Refusals where generated code goes on: it keeps the last of a field and skips what is odd. */
const STRICTER = /has wire type|over the limit|field number 0|beyond 2\^53|is negative/;

describe("fuzz: pprof", () => {
  it("reads mutated profiles as generated code does, or refuses them", (test) => {
    const random = new Random(FUZZ_SEED);
    const seeds = [...goProfiles(), encodePprof(otlpBatch(), { gzip: false })];
    let validCount = 0;
    const runCase = (count: number): void => {
      if (judge(inputOf(count, seeds, random))) validCount++;
    };
    fuzzFor("pprof", runCase, (text) => test.diagnostic(`${text}, ${validCount} valid`));
  });
});

function goProfiles(): Uint8Array[] {
  const folder = new URL("../../src/profiles/pprof/testdata/", import.meta.url);
  return ["go-cpu.pb.gz", "go-heap.pb.gz"].map((name) =>
    gunzipSync(readFileSync(new URL(name, folder))),
  );
}

function otlpBatch(): ProfileBatch {
  return decodeOtlp(genuinePayloads[0]?.bytes as Uint8Array, FILE_LIMITS);
}

/** Mostly the small profiles, of which each byte matters and thousands are done in a second. */
function inputOf(count: number, seeds: readonly Uint8Array[], random: Random): Uint8Array {
  if (count % 10 === 0) return noise(random, NOISE_BYTES_MAX);
  const seed = seeds[count % 50 === 1 ? 2 : count % 2] as Uint8Array;
  return mutated(seed, random.pick(seeds), random);
}

/** Whether the input was read. */
function judge(bytes: Uint8Array): boolean {
  bounded(bytes.length, () => decodePprof(bytes, NETWORK_LIMITS));
  const ours = bounded(bytes.length, () => decodePprof(bytes, FILE_LIMITS));
  const expected = oracleMessage(bytes);
  if (ours instanceof Error) {
    if (expected) assertRefused(expected);
    return false;
  }
  if (expected) assertSums(sumsOf(ours), expected);
  const written = bounded(bytes.length, () => encodePprof(ours, { gzip: false }));
  if (written instanceof Error) return true;
  assert.deepEqual(checkPprof(written, FILE_LIMITS), []);
  const again = decodePprof(written, FILE_LIMITS);
  const twice = decodePprof(encodePprof(again, { gzip: false }), FILE_LIMITS);
  assert.deepEqual(resolvedSamples(twice), resolvedSamples(again), "the same when written again");
  return true;
}

/** A file of our own may have one column that is made from another, and dropped. */
function assertSums(sums: readonly bigint[], profile: OracleProfile): void {
  const expected = oracleSums(profile);
  if (!profile.note.some((text) => text.includes("cpuDerived"))) {
    assert.deepEqual(sums, expected, "the same sums");
  }
  for (const sum of sums) assert.ok(expected.includes(sum), `${sum} is a column's sum`);
}

interface OracleProfile {
  readonly sample_type: object[];
  readonly sample: { readonly value: string[] }[];
  readonly string_table: string[];
  readonly note: string[];
}

function oracleMessage(bytes: Uint8Array): OracleProfile | undefined {
  let message: protobuf.Message;
  try {
    message = oracle.decode(bytes);
  } catch {
    return undefined;
  }
  return oracle.toObject(message, { longs: String, arrays: true }) as OracleProfile;
}

/**
 * A field that a later one replaces may be refused, so it is the canonical bytes that are not
 * to be when go tool pprof would take them.
 */
function assertRefused(profile: OracleProfile): void {
  if (profile.string_table[0] !== "") return;
  const canonical = oracle.encode(oracle.fromObject(profile)).finish();
  if (checkPprof(canonical, FILE_LIMITS).length > 0) return;
  const ours = bounded(canonical.length, () => decodePprof(canonical, FILE_LIMITS));
  if (ours instanceof Error && !STRICTER.test(ours.message)) throw ours;
}

/** The sum of each column, of those that are not all zero. */
function oracleSums(profile: OracleProfile): bigint[] {
  const sums = profile.sample_type.map((_, column) =>
    profile.sample.reduce((sum, { value }) => sum + BigInt(value[column] ?? 0), 0n),
  );
  return sums.filter((sum) => sum !== 0n).sort();
}

function sumsOf(batch: ProfileBatch): bigint[] {
  const sums = new Map<string, bigint>();
  for (const { profile } of batch.profiles()) {
    const { samples } = profile;
    const { type, unit } = profile.sampleType;
    const key = `${type}/${unit}/${columnKey(batch, profile)}`;
    let sum = sums.get(key) ?? 0n;
    for (let row = 0; row < samples.length; row++) sum += BigInt(samples.value.at(row));
    sums.set(key, sum);
  }
  return [...sums.values()].filter((sum) => sum !== 0n).sort();
}

/** The column's place in its scope: two columns may have one type. */
function columnKey(batch: ProfileBatch, profile: Profile): number {
  for (const { scope } of batch.profiles()) {
    const place = scope.profiles.indexOf(profile);
    if (place >= 0) return place;
  }
  return -1;
}
