import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type protobuf from "protobufjs";
import { decodeOtlp } from "../../src/profiles/otlp/decode.ts";
import { encodeOtlp } from "../../src/profiles/otlp/encode.ts";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { genuinePayloads } from "../../src/profiles/testing/genuine-payloads.ts";
import { messageWith } from "../../src/profiles/testing/otlp-message.ts";
import {
  batchOfOracle,
  InvalidMessage,
  otlpOracle,
} from "../../src/profiles/testing/otlp-oracle.ts";
import { FILE_LIMITS, NETWORK_LIMITS } from "../../src/support/limits.ts";
import { bounded, FUZZ_SEED, fuzzFor } from "./fuzzing.ts";
import { mutated, noise, Random } from "./mutate.ts";

/**
 * Mutated genuine messages against generated code as the oracle [S4]: what it reads and the
 * rules allow, we read to the same; what we accept comes out of our encoder and decoder the
 * same; nothing crashes, hangs or eats memory.
 */

const oracle = otlpOracle();
const NOISE_BYTES_MAX = 400;
/** Refusals where generated code skips or cuts: wire types, layouts before 1.10, limits. */
const STRICTER = /has wire type|has the layout of|over the limit of|field number 0/;
/** Refusals of a value that a later one of the same field would have replaced. */
const SUPERSEDED = /is not one of|bytes instead of|is beyond 2\^53/;

describe("fuzz: OTLP", () => {
  it("reads mutated messages as generated code does, or refuses them", (test) => {
    const random = new Random(FUZZ_SEED);
    const seeds = [messageWith(), ...genuinePayloads.map(({ bytes }) => bytes)];
    let validCount = 0;
    const runCase = (count: number): void => {
      if (judge(inputOf(count, seeds, random))) validCount++;
    };
    fuzzFor("otlp", runCase, (text) => test.diagnostic(`${text}, ${validCount} valid`));
  });
});

/** Mostly the small message, of which each byte matters and thousands are done in a second. */
function inputOf(count: number, seeds: readonly Uint8Array[], random: Random): Uint8Array {
  if (count % 10 === 0) return noise(random, NOISE_BYTES_MAX);
  const seed = (count % 50 === 1 ? random.pick(seeds) : seeds[0]) as Uint8Array;
  return mutated(seed, random.pick(seeds), random);
}

/** Whether the input was valid by the oracle. */
function judge(bytes: Uint8Array): boolean {
  bounded(bytes.length, () => decodeOtlp(bytes, NETWORK_LIMITS));
  const ours = bounded(bytes.length, () => decodeOtlp(bytes, FILE_LIMITS));
  if (!(ours instanceof Error)) {
    const written = encodeOtlp(ours);
    assert.deepEqual(encodeOtlp(decodeOtlp(written, FILE_LIMITS)), written, "read what we wrote");
  }
  const expected = expectedOf(bytes);
  if (!expected) return false;
  const written = encodeOtlp(expected.batch);
  if (!(ours instanceof Error)) assert.deepEqual(encodeOtlp(ours), written, "the same samples");
  else if (!STRICTER.test(ours.message) && !SUPERSEDED.test(ours.message)) throw ours;
  const canonical = bounded(bytes.length, () => decodeOtlp(expected.canonical, FILE_LIMITS));
  if (!(canonical instanceof Error)) assert.deepEqual(encodeOtlp(canonical), written);
  else if (!/has the layout of|over the limit of/.test(canonical.message)) throw canonical;
  return true;
}

/** What generated code reads, when it follows the rules. */
function expectedOf(
  bytes: Uint8Array,
): { readonly batch: ProfileBatch; readonly canonical: Uint8Array } | undefined {
  let message: protobuf.Message;
  try {
    message = oracle.decode(bytes);
  } catch {
    return undefined;
  }
  try {
    return { batch: batchOfOracle(message), canonical: oracle.encode(message).finish() };
  } catch (error) {
    if (error instanceof InvalidMessage) return undefined;
    throw error;
  }
}
