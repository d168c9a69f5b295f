import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeOtlp } from "../../src/profiles/otlp/decode.ts";
import { encodeOtlp } from "../../src/profiles/otlp/encode.ts";
import { decodeOtlpJson } from "../../src/profiles/otlp/json-decode.ts";
import { encodeOtlpJson } from "../../src/profiles/otlp/json-encode.ts";
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
 * Two ways into the JSON form [S4]: mutated protobuf messages that are valid come through JSON
 * unchanged; what is accepted of mutated text is valid by generated code, and the rest is refused,
 * without a crash, a hang or a flood of memory.
 */

const oracle = otlpOracle();
const NOISE_BYTES_MAX = 200;
/** Words that texts are spliced with: prototype names, numbers at edges, deep and odd values. */
const ODD_WORDS: readonly string[] = [
  '"__proto__":',
  '"constructor":{"prototype":1},',
  '"toString":',
  "9007199254740993",
  "-9223372036854775808",
  '"18446744073709551616"',
  "1e400",
  "-0",
  "null",
  "true",
  "{}",
  "[]",
  '"\\ud800"',
  '"NaN"',
  '"stringValueStrindex":1,',
  '"keyStrindex":2,',
  "[".repeat(500),
];

describe("fuzz: OTLP/JSON", () => {
  it("carries valid messages, and reads or refuses mutated text", (test) => {
    const random = new Random(FUZZ_SEED);
    const messages = [messageWith(), ...genuinePayloads.map(({ bytes }) => bytes)];
    const texts = messages.map((bytes) => encodeOtlpJson(decodeOtlp(bytes, FILE_LIMITS)));
    let acceptedCount = 0;
    const runCase = (count: number): void => {
      if (count % 2 === 0)
        judgeMessage(mutated(pick(count, messages), messages[0] as Uint8Array, random));
      else if (judgeText(textOf(count, texts, random))) acceptedCount++;
    };
    fuzzFor("otlp-json", runCase, (text) =>
      test.diagnostic(`${text}, ${acceptedCount} texts accepted`),
    );
  });
});

/** Mostly the small one, of which each byte matters and thousands are done in a second. */
function pick(count: number, seeds: readonly Uint8Array[]): Uint8Array {
  return seeds[count % 200 < 2 ? 1 + ((count / 200) & 1) : 0] as Uint8Array;
}

function textOf(count: number, seeds: readonly Uint8Array[], random: Random): Uint8Array {
  if (count % 25 === 1) return noise(random, NOISE_BYTES_MAX);
  const seed = pick(count, seeds);
  if (random.below(2) === 0) return mutated(seed, seeds[0] as Uint8Array, random);
  const text = Buffer.from(seed).toString();
  // Behind a mark of JSON a word has a chance to be read.
  const marks = [...text.matchAll(/[:,[{]/g)].map(({ index }) => index + 1);
  const at = random.pick(marks);
  const word = random.pick(ODD_WORDS);
  const rest =
    random.below(2) === 0 ? text.slice(at) : text.slice(at).replace(/^("[^"]*"|\d+)/, "");
  return Buffer.from(text.slice(0, at) + word + rest);
}

function judgeMessage(bytes: Uint8Array): void {
  const batch = bounded(bytes.length, () => decodeOtlp(bytes, FILE_LIMITS));
  if (batch instanceof Error) return;
  const written = encodeOtlp(batch);
  const json = encodeOtlpJson(batch);
  assert.deepEqual(encodeOtlp(decodeOtlpJson(json, FILE_LIMITS)), written);
  JSON.parse(Buffer.from(json).toString());
}

function judgeText(bytes: Uint8Array): boolean {
  bounded(bytes.length, () => decodeOtlpJson(bytes, NETWORK_LIMITS));
  const batch = bounded(bytes.length, () => decodeOtlpJson(bytes, FILE_LIMITS));
  if (batch instanceof Error) return false;
  const written = encodeOtlp(batch);
  assert.deepEqual(encodeOtlp(decodeOtlpJson(encodeOtlpJson(batch), FILE_LIMITS)), written);
  try {
    assert.deepEqual(encodeOtlp(batchOfOracle(oracle.decode(written))), written);
  } catch (error) {
    if (!(error instanceof InvalidMessage)) throw error;
    throw new Error("accepted what the oracle calls invalid", { cause: error });
  }
  return true;
}
