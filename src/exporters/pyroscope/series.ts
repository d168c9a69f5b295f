import { stringValue, valueText } from "../../profiles/attribute-value.ts";
import type { Dictionary } from "../../profiles/dictionary.ts";
import { LeanCopier } from "../../profiles/lean-copy.ts";
import {
  emptyProfile,
  type Profile,
  ProfileBatch,
  type ResourceProfiles,
  type Samples,
  type ScopeProfiles,
} from "../../profiles/profile.ts";
import { VALUE_MAX } from "../../support/limits.ts";
import { LABELS_MAX, type Label, labelValue, type SeriesLabels } from "./labels.ts";
import { labelName, type ProfileKind, profileKind } from "./profile-kind.ts";

/** Pyroscope cuts deeper stacks without a word. */
export const STACK_DEPTH_MAX = 1000;
/** Pyroscope cuts longer texts without a word. */
export const TEXT_BYTES_MAX = 65_535;

const NANOS_PER_MINUTE = 60_000_000_000n;
/** Pyroscope refuses what began longer ago, or lies further in the future. */
const OLDER_MAX_NS = 60n * NANOS_PER_MINUTE;
const NEWER_MAX_NS = 10n * NANOS_PER_MINUTE;

/** Why samples are not sent. */
export type DropReason = "too_old" | "too_new" | "negative_value" | "too_large";

export interface SeriesOptions {
  readonly labels: SeriesLabels;
  /** Keys of sample attributes that are kept. */
  readonly sampleLabels: readonly string[];
  readonly nowUnixNano: bigint;
  /** Told how many rows of the batch are left out. */
  readonly onDropped: (reason: DropReason, rows: number) => void;
}

/** All profiles of one name, of one service over one window. */
export interface Series {
  /** Sorted by name. */
  readonly labels: readonly Label[];
  /** One resource without attributes; profiles of the shape "values". */
  readonly batch: ProfileBatch;
  /** Of each sample, in the order of the batch: how many rows of the source are summed in it. */
  readonly rows: readonly number[];
}

/**
 * Regroups a batch by series: the profiles of all processes whose labels are equal become one a
 * window, because a profile of each process would flood the server. Equal samples are summed.
 */
export function seriesOf(batch: ProfileBatch, options: SeriesOptions): Series[] {
  const groups = new Map<string, SeriesBuilder>();
  const labelsOf = new Map<ResourceProfiles, Label[]>();
  for (const { profile, scope, resource } of batch.profiles()) {
    const { samples } = profile;
    if (samples.length === 0) continue;
    const late = latenessOf(profile, options.nowUnixNano);
    if (late !== undefined) {
      options.onDropped(late, samples.length);
      continue;
    }
    const labels = labelsOf.getOrInsertComputed(resource, () =>
      options.labels.of(resource.resource),
    );
    const kind = kindOf(batch.dictionary, profile);
    const key = [labels, kind.name, String(profile.timeUnixNano), timesItself(batch, scope)];
    groups
      .getOrInsertComputed(
        JSON.stringify(key),
        () => new SeriesBuilder(batch.dictionary, withName(labels, kind.name), options),
      )
      .add(profile, kind);
  }
  return Array.from(groups.values(), (group) => group.series()).filter(
    ({ rows }) => rows.length > 0,
  );
}

function latenessOf({ timeUnixNano: time }: Profile, now: bigint): DropReason | undefined {
  if (time === 0n) return undefined;
  if (time <= now - OLDER_MAX_NS) return "too_old";
  return time >= now + NEWER_MAX_NS ? "too_new" : undefined;
}

function kindOf({ strings }: Dictionary, { sampleType, periodType }: Profile): ProfileKind {
  return profileKind(
    { type: strings.at(sampleType.type), unit: strings.at(sampleType.unit) },
    { type: strings.at(periodType.type), unit: strings.at(periodType.unit) },
  );
}

/**
 * Whether the source counts CPU time itself. Where it does not, it is made from the samples and
 * their period, so the two must not meet in one profile.
 */
function timesItself({ dictionary }: ProfileBatch, { profiles }: ScopeProfiles): boolean {
  const { strings } = dictionary;
  return profiles.some(
    ({ sampleType: { type, unit } }) =>
      strings.at(type) === "cpu" && strings.at(unit) === "nanoseconds",
  );
}

function withName(labels: readonly Label[], name: string): Label[] {
  return [...labels, ["__name__", name] as const].sort(([a], [b]) => (a < b ? -1 : 1));
}

class SeriesBuilder {
  readonly #labels: readonly Label[];
  readonly #batch = new ProfileBatch();
  readonly #source: Dictionary;
  readonly #copier: LeanCopier;
  readonly #options: SeriesOptions;
  readonly #profiles: Profile[] = [];
  /** Sums by sample type and period, in the order of their profiles. */
  readonly #sums = new Map<string, Sum>();
  readonly #attributeSets = new Map<number, number>();

  constructor(source: Dictionary, labels: readonly Label[], options: SeriesOptions) {
    const batch = this.#batch;
    const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
    batch.resourceProfiles.push({
      resource: { attributes: [], droppedAttributesCount: 0 },
      schemaUrl: "",
      scopeProfiles: [{ scope, schemaUrl: "", profiles: this.#profiles }],
    });
    this.#labels = labels;
    this.#source = source;
    this.#options = options;
    this.#copier = new LeanCopier(source, batch.dictionary, {
      stackDepthMax: STACK_DEPTH_MAX,
      textBytesMax: TEXT_BYTES_MAX,
    });
  }

  /** What was added up to now. */
  series(): Series {
    const rows = Array.from(this.#sums.values(), ({ counts }) => counts).flat();
    return { labels: this.#labels, batch: this.#batch, rows };
  }

  add(profile: Profile, kind: ProfileKind): void {
    const key = JSON.stringify([kind.sampleType, kind.periodType, profile.period]);
    const sum = this.#sums.getOrInsertComputed(key, () => this.#newSum(profile, kind));
    const { durationNano } = profile;
    if (durationNano > sum.profile.durationNano) sum.profile.durationNano = durationNano;
    const { samples } = profile;
    let negative = 0;
    for (let sample = 0; sample < samples.length; sample++) {
      const value = samples.value.at(sample);
      if (value < 0) negative++;
      else this.#addSample(samples, sample, sum);
    }
    if (negative > 0) this.#options.onDropped("negative_value", negative);
  }

  #newSum(profile: Profile, { sampleType, periodType }: ProfileKind): Sum {
    const copier = this.#copier;
    const { nowUnixNano } = this.#options;
    const { timeUnixNano: time, durationNano } = profile;
    const copy: Profile = {
      ...emptyProfile(),
      sampleType: { type: copier.text(sampleType.type), unit: copier.text(sampleType.unit) },
      periodType: { type: copier.text(periodType.type), unit: copier.text(periodType.unit) },
      period: profile.period,
      timeUnixNano: time === 0n ? nowUnixNano : time,
      durationNano,
    };
    this.#profiles.push(copy);
    return { profile: copy, rows: new Map(), counts: [] };
  }

  #addSample(source: Samples, sample: number, { profile, rows, counts }: Sum): void {
    const { samples } = profile;
    const value = source.value.at(sample);
    const stack = this.#copier.stack(source.stack.at(sample));
    const attributeSet = this.#attributeSet(source.attributeSet.at(sample));
    const link = this.#copier.link(source.link.at(sample));
    const key = `${stack}/${attributeSet}/${link}`;
    const row = rows.get(key);
    if (row !== undefined && samples.value.at(row) + value <= VALUE_MAX) {
      samples.value.data[row] = samples.value.at(row) + value;
      counts[row] = (counts[row] as number) + 1;
      return;
    }
    rows.set(key, samples.length);
    samples.push(stack, attributeSet, link, value);
    counts.push(1);
  }

  #attributeSet(set: number): number {
    const { sampleLabels } = this.#options;
    if (set === 0 || sampleLabels.length === 0) return 0;
    return this.#attributeSets.getOrInsertComputed(set, () => this.#keptAttributes(set));
  }

  /** As many as leave Pyroscope its labels for the whole, which it counts together. */
  #keptAttributes(set: number): number {
    const { attributes, attributeSets } = this.#batch.dictionary;
    const taken = new Set(this.#labels.map(([name]) => name));
    const kept: number[] = [];
    for (const key of this.#options.sampleLabels) {
      const value = this.#source.findAttribute(set, key);
      const name = labelName(key);
      if (value === undefined || name === "" || name.startsWith("__")) continue;
      if (taken.has(name) || taken.size >= LABELS_MAX) continue;
      const plain = value.type === "int" ? value : stringValue(labelValue(valueText(value)));
      if (plain.type === "string" && plain.value === "") continue;
      taken.add(name);
      kept.push(attributes.intern(this.#copier.text(name), plain, 0));
    }
    return kept.length === 0 ? 0 : attributeSets.intern(kept.sort((a, b) => a - b));
  }
}

interface Sum {
  readonly profile: Profile;
  /** Rows of the sums by stack, attributes and link. */
  readonly rows: Map<string, number>;
  /** Of each sample: the rows of the source in it. */
  readonly counts: number[];
}
