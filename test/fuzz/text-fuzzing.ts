import assert from "node:assert/strict";
import type { ProfileFormat } from "../../src/profiles/formats.ts";
import { resolvedSamples } from "../../src/profiles/resolved.ts";
import { FILE_LIMITS, NETWORK_LIMITS } from "../../src/support/limits.ts";
import { bounded, FUZZ_SEED, fuzzFor } from "./fuzzing.ts";
import { mutated, noise, Random } from "./mutate.ts";

const NOISE_BYTES_MAX = 400;

/**
 * Fuzzes a text format against itself [S4]: what was read and written is read the same again,
 * where the format can be written; nothing crashes, hangs or eats memory.
 */
export function fuzzTextFormat(
  format: ProfileFormat,
  texts: readonly string[],
  note: (text: string) => void,
): void {
  const random = new Random(FUZZ_SEED);
  const seeds = texts.map((text) => new TextEncoder().encode(text));
  let validCount = 0;
  const runCase = (count: number): void => {
    const bytes =
      count % 10 === 0
        ? noise(random, NOISE_BYTES_MAX)
        : mutated(random.pick(seeds), random.pick(seeds), random);
    if (judge(format, bytes)) validCount++;
  };
  fuzzFor(format.name, runCase, (text) => note(`${text}, ${validCount} valid`));
}

/** Whether the input was read. */
function judge({ decode, encode }: ProfileFormat, bytes: Uint8Array): boolean {
  bounded(bytes.length, () => decode(bytes, NETWORK_LIMITS));
  const batch = bounded(bytes.length, () => decode(bytes, FILE_LIMITS));
  if (batch instanceof Error) return false;
  if (!encode) return true;
  const written = bounded(bytes.length, () => encode(batch));
  if (written instanceof Error) return true;
  const again = decode(written, FILE_LIMITS);
  assert.deepEqual(resolvedSamples(again), resolvedSamples(batch), "read what we wrote");
  assert.deepEqual(encode(again), encode(decode(encode(again), FILE_LIMITS)));
  return true;
}
