import { VALUE_MAX } from "../support/limits.ts";
import { type KeyValue, keyValueKey } from "./attribute-value.ts";
import { DictionaryCopier } from "./copy.ts";
import {
  emptyProfile,
  type Profile,
  ProfileBatch,
  type ResourceProfiles,
  Samples,
  type ScopeProfiles,
} from "./profile.ts";
import { mixHash, RowIndex } from "./row-index.ts";

export interface MergeOptions {
  /**
   * Sums samples of equal identity (stack, attributes, link) over profiles of the same
   * resource, scope, sample type, period and attributes, and unites their windows of time.
   * Only profiles of the shape "values" without an original payload are joined; all others
   * stay as they are, as all do without this option.
   */
  readonly mergeSamples?: boolean;
}

/**
 * Copies everything that `source` holds into `target`: rows of its dictionary that something
 * refers to, each once, and its profiles under the resource and scope that equal theirs. The
 * source is unchanged and shares nothing that changes with the target.
 */
export function mergeInto(
  target: ProfileBatch,
  source: ProfileBatch,
  options: MergeOptions = {},
): void {
  const copier = new DictionaryCopier(source.dictionary, target.dictionary);
  const resources = new Map(
    target.resourceProfiles.map((resource) => [resourceKey(resource), resource]),
  );
  for (const resource of source.resourceProfiles) {
    const targetResource = resources.getOrInsertComputed(resourceKey(resource), () => {
      const added = { ...resource, scopeProfiles: [] };
      target.resourceProfiles.push(added);
      return added;
    });
    for (const scope of resource.scopeProfiles) {
      const targetScope = findOrAddScope(targetResource, scope);
      for (const profile of scope.profiles) {
        mergeProfile(targetScope, profile, copier, options.mergeSamples === true);
      }
    }
  }
}

/**
 * The same samples in a new batch whose dictionary has no row twice and none that nothing
 * refers to. With `mergeSamples`, equal samples become one as well.
 */
export function compact(batch: ProfileBatch, options: MergeOptions = {}): ProfileBatch {
  const compacted = new ProfileBatch();
  mergeInto(compacted, batch, options);
  return compacted;
}

/** Keys of resources, which are as immutable as what they are made of. */
const resourceKeys = new WeakMap<ResourceProfiles, string>();

function resourceKey(owner: ResourceProfiles): string {
  return resourceKeys.getOrInsertComputed(owner, () =>
    JSON.stringify([
      owner.schemaUrl,
      owner.resource.droppedAttributesCount,
      sortedKeys(owner.resource.attributes),
    ]),
  );
}

function scopeKey({ scope, schemaUrl }: ScopeProfiles): string {
  const { name, version, droppedAttributesCount, attributes } = scope;
  return JSON.stringify([schemaUrl, name, version, droppedAttributesCount, sortedKeys(attributes)]);
}

function sortedKeys(attributes: readonly KeyValue[]): string[] {
  return attributes.map(keyValueKey).sort();
}

function findOrAddScope(resource: ResourceProfiles, scope: ScopeProfiles): ScopeProfiles {
  const key = scopeKey(scope);
  const found = resource.scopeProfiles.find((candidate) => scopeKey(candidate) === key);
  if (found) return found;
  const added = { ...scope, profiles: [] };
  resource.scopeProfiles.push(added);
  return added;
}

function mergeProfile(
  scope: ScopeProfiles,
  source: Profile,
  copier: DictionaryCopier,
  mergeSamples: boolean,
): void {
  const copy = copyWithoutSamples(source, copier);
  if (!mergeSamples || !isSummable(source)) {
    copyAllSamples(source.samples, copy.samples, copier);
    scope.profiles.push(copy);
    return;
  }
  const found = scope.profiles.find((candidate) => isSameSeries(candidate, copy));
  if (found) uniteHeads(found, copy);
  else scope.profiles.push(copy);
  sumSamples(source.samples, (found ?? copy).samples, copier);
}

function copyWithoutSamples(source: Profile, copier: DictionaryCopier): Profile {
  const { sampleType, periodType } = source;
  return {
    ...emptyProfile(),
    ...source,
    sampleType: { type: copier.string(sampleType.type), unit: copier.string(sampleType.unit) },
    periodType: { type: copier.string(periodType.type), unit: copier.string(periodType.unit) },
    attributeSet: copier.attributeSet(source.attributeSet),
    samples: new Samples(source.samples.shape),
  };
}

function isSummable(profile: Profile): boolean {
  return profile.samples.shape === "values" && profile.originalPayload.length === 0;
}

function isSameSeries(a: Profile, b: Profile): boolean {
  return (
    isSummable(a) &&
    a.sampleType.type === b.sampleType.type &&
    a.sampleType.unit === b.sampleType.unit &&
    a.periodType.type === b.periodType.type &&
    a.periodType.unit === b.periodType.unit &&
    a.period === b.period &&
    a.attributeSet === b.attributeSet
  );
}

/** Unites the windows; an id of one part would be wrong for the whole. */
function uniteHeads(target: Profile, source: Profile): void {
  target.droppedAttributesCount += source.droppedAttributesCount;
  target.profileId = new Uint8Array(0);
  if (source.timeUnixNano === 0n) return;
  if (target.timeUnixNano === 0n) {
    target.timeUnixNano = source.timeUnixNano;
    target.durationNano = source.durationNano;
    return;
  }
  const end = bigintMax(
    target.timeUnixNano + target.durationNano,
    source.timeUnixNano + source.durationNano,
  );
  if (source.timeUnixNano < target.timeUnixNano) target.timeUnixNano = source.timeUnixNano;
  target.durationNano = end - target.timeUnixNano;
}

function bigintMax(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function copyAllSamples(source: Samples, target: Samples, copier: DictionaryCopier): void {
  for (let sample = 0; sample < source.length; sample++) {
    const stack = copier.stack(source.stack.at(sample));
    const attributeSet = copier.attributeSet(source.attributeSet.at(sample));
    const link = copier.link(source.link.at(sample));
    target.push(stack, attributeSet, link, source.value.at(sample));
  }
  target.timestampEnds.append(source.timestampEnds);
  target.timestampUnixNano.append(source.timestampUnixNano);
  target.timestampValue.append(source.timestampValue);
}

function sumSamples(source: Samples, target: Samples, copier: DictionaryCopier): void {
  const index = sampleIndexOf(target);
  for (let sample = 0; sample < source.length; sample++) {
    const stack = copier.stack(source.stack.at(sample));
    const attributeSet = copier.attributeSet(source.attributeSet.at(sample));
    const link = copier.link(source.link.at(sample));
    index.add(stack, attributeSet, link, source.value.at(sample));
  }
}

/** Finds samples by identity. Kept for as long as the samples live, since merging goes on. */
class SampleIndex {
  readonly #samples: Samples;
  readonly #rows: RowIndex = new RowIndex();
  #indexedCount = 0;

  constructor(samples: Samples) {
    this.#samples = samples;
  }

  /** Takes in the samples that others have pushed since. */
  catchUp(): void {
    const { stack, attributeSet, link, length } = this.#samples;
    for (; this.#indexedCount < length; this.#indexedCount++) {
      const row = this.#indexedCount;
      this.#rows.add(identityHash(stack.at(row), attributeSet.at(row), link.at(row)), row);
    }
  }

  /** Adds a value to the sample of this identity; a sum that would not be exact stays two. */
  add(stack: number, attributeSet: number, link: number, value: number): void {
    const samples = this.#samples;
    const row = this.#rows.find(
      identityHash(stack, attributeSet, link),
      (candidate) =>
        samples.stack.at(candidate) === stack &&
        samples.attributeSet.at(candidate) === attributeSet &&
        samples.link.at(candidate) === link &&
        Math.abs(samples.value.at(candidate) + value) <= VALUE_MAX,
    );
    if (row >= 0) {
      samples.value.data[row] = samples.value.at(row) + value;
      return;
    }
    samples.push(stack, attributeSet, link, value);
    this.catchUp();
  }
}

const sampleIndexes = new WeakMap<Samples, SampleIndex>();

function sampleIndexOf(samples: Samples): SampleIndex {
  const index = sampleIndexes.getOrInsertComputed(samples, () => new SampleIndex(samples));
  index.catchUp();
  return index;
}

function identityHash(stack: number, attributeSet: number, link: number): number {
  return mixHash(mixHash(mixHash(31, stack), attributeSet), link);
}
