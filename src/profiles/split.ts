import { compact } from "./merge.ts";
import { type Profile, ProfileBatch, Samples } from "./profile.ts";

export interface Half {
  readonly batch: ProfileBatch;
  /** Of each sample, in the order of this batch: its place among all samples of the whole one. */
  readonly origins: readonly number[];
}

/**
 * Two batches of half the samples each, which together hold what the batch holds. Samples of one
 * stack stay together as far as they can; each half has a dictionary of its own, with no row that
 * nothing in it refers to. Samples must have the shape "values", and no resource or scope may
 * stand in the batch twice.
 */
export function halves(batch: ProfileBatch): [Half, Half] {
  const owned = Array.from(batch.profiles(), ({ profile }) => profile);
  let origin = 0;
  const places = owned.flatMap((profile, owner) =>
    Array.from({ length: profile.samples.length }, (_, sample) => {
      return { owner, sample, origin: origin++ };
    }),
  );
  const keyOf = ({ owner, sample }: Place): readonly number[] => {
    const { stack, attributeSet, link } = (owned[owner] as Profile).samples;
    return [stack.at(sample), attributeSet.at(sample), link.at(sample)];
  };
  places.sort((a, b) => compare(keyOf(a), keyOf(b)));
  const middle = places.length >> 1;
  return [part(batch, places.slice(0, middle)), part(batch, places.slice(middle))];
}

interface Place {
  /** Of the profile, in the order of the batch. */
  readonly owner: number;
  readonly sample: number;
  /** Of the sample, among all of the batch. */
  readonly origin: number;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

function part(batch: ProfileBatch, places: readonly Place[]): Half {
  const ofOwner = Map.groupBy(places, ({ owner }) => owner);
  const chosen = new ProfileBatch(batch.dictionary);
  const origins: number[] = [];
  let owner = 0;
  for (const resource of batch.resourceProfiles) {
    const scopeProfiles = resource.scopeProfiles.map((scope) => ({
      ...scope,
      profiles: scope.profiles.flatMap((profile) => {
        const kept = ofOwner.get(owner++);
        if (kept === undefined) return [];
        for (const place of kept) origins.push(place.origin);
        return [withSamples(profile, kept)];
      }),
    }));
    chosen.resourceProfiles.push({ ...resource, scopeProfiles });
  }
  return { batch: compact(chosen), origins };
}

function withSamples(profile: Profile, places: readonly Place[]): Profile {
  const { stack, attributeSet, link, value } = profile.samples;
  const samples = new Samples("values");
  for (const { sample } of places) {
    samples.push(stack.at(sample), attributeSet.at(sample), link.at(sample), value.at(sample));
  }
  return { ...profile, samples };
}
