import { mergeInto } from "../../src/profiles/merge.ts";
import { decodeOtlp } from "../../src/profiles/otlp/decode.ts";
import { emptyProfile, type Profile, ProfileBatch } from "../../src/profiles/profile.ts";
import { genuinePayloads } from "../../src/profiles/testing/genuine-payloads.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";

/** Samples with each stack, on average, of a long profile of a busy host. */
const SAMPLES_PER_STACK = 4;

/**
 * A profile as large as a benchmark needs it, made of what OpenTelemetry's profiler sent: its
 * strings, functions, locations, attributes, and stacks that are crossed with one another, leaf
 * side of one and root side of another. Half of the profiles have the shape "values".
 *
 * @param stackCount  about 100 bytes of OTLP each, with their samples
 */
export function largeProfile(stackCount: number): ProfileBatch {
  const batch = new ProfileBatch();
  for (const { bytes } of genuinePayloads) mergeInto(batch, decodeOtlp(bytes, FILE_LIMITS));
  const random = randomNumbers(42);
  const stacks = crossedStacks(batch, stackCount, random);
  const profiles = [...batch.profiles()];
  for (const [i, { profile, scope }] of profiles.entries()) {
    const share = stacks.slice(
      Math.floor((i * stacks.length) / profiles.length),
      Math.floor(((i + 1) * stacks.length) / profiles.length),
    );
    scope.profiles.push(grownProfile(profile, share, i % 2 === 0, random));
  }
  return batch;
}

function crossedStacks(batch: ProfileBatch, count: number, random: () => number): number[] {
  const { stacks } = batch.dictionary;
  const genuineCount = stacks.length;
  return Array.from({ length: count }, () => {
    const leaf = stacks.row(Math.floor(random() * genuineCount));
    const root = stacks.row(Math.floor(random() * genuineCount));
    const cut = Math.floor(random() * leaf.length);
    return stacks.intern([...leaf.slice(0, cut), ...root.slice(Math.floor(root.length / 2))]);
  });
}

function grownProfile(
  model: Profile,
  stacks: readonly number[],
  isSummed: boolean,
  random: () => number,
): Profile {
  const grown = { ...emptyProfile(isSummed ? "values" : "timestamps"), ...model };
  grown.samples = emptyProfile(isSummed ? "values" : "timestamps").samples;
  const { samples } = grown;
  const sets = model.samples.attributeSet;
  for (let i = 0; i < stacks.length * SAMPLES_PER_STACK; i++) {
    const stack = stacks[Math.floor(i / SAMPLES_PER_STACK)] as number;
    const set = sets.at(Math.floor(random() * sets.length));
    if (isSummed) samples.push(stack, set, 0, 1 + Math.floor(random() ** 4 * 1e8));
    else {
      samples.timestampUnixNano.pushBigInt(
        model.timeUnixNano + BigInt(Math.floor(random() * 60e9)),
      );
      samples.pushTimed(stack, set, 0);
    }
  }
  return grown;
}

/** Numbers in [0, 1), the same in every run (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
