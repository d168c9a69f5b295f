import type { AttributeValue } from "../attribute-value.ts";
import type { Profile, ProfileBatch, ScopeProfiles } from "../profile.ts";
import { isOnCpu } from "../text/frames.ts";
import { attributesKey, attributesOfSet } from "./attributes.ts";
import type { LabelMaker } from "./labels.ts";
import { type Attribute, type BatchNote, batchNote } from "./notes.ts";
import { type ColumnPlan, SAMPLE_TYPE_ORDER } from "./value-columns.ts";

export const PROFILE_COMMENT_KEY = "pprof.profile.comment";
export const DOC_URL_KEY = "pprof.profile.doc_url";
export const DROP_FRAMES_KEY = "pprof.profile.drop_frames";
export const KEEP_FRAMES_KEY = "pprof.profile.keep_frames";
export const DEFAULT_SAMPLE_TYPE_KEY = "pprof.scope.default_sample_type";

/** Attributes that have a field of their own in pprof. */
const FIELD_KEYS: ReadonlySet<string> = new Set([
  PROFILE_COMMENT_KEY,
  DOC_URL_KEY,
  DROP_FRAMES_KEY,
  KEEP_FRAMES_KEY,
  DEFAULT_SAMPLE_TYPE_KEY,
  SAMPLE_TYPE_ORDER,
]);

/** The first text that a profile of the batch has for an attribute, else "". */
export function profileText(batch: ProfileBatch, key: string): string {
  for (const { profile } of batch.profiles()) {
    const value = batch.dictionary.findAttribute(profile.attributeSet, key);
    if (value?.type === "string" && value.value !== "") return value.value;
  }
  return "";
}

/** The sample type that viewers show first: as in the file the batch came from, else CPU time. */
export function defaultSampleType(batch: ProfileBatch, plan: ColumnPlan): string {
  for (const { scope } of batch.profiles()) {
    const named = scope.scope.attributes.find(({ key }) => key === DEFAULT_SAMPLE_TYPE_KEY);
    if (named?.value.type === "string") return named.value.value;
  }
  return plan.derived >= 0 ? "cpu" : "";
}

/** The note that says of a batch what pprof has no field for; none when there is nothing. */
export function batchNotes(batch: ProfileBatch, plan: ColumnPlan, labels: LabelMaker): string[] {
  const note: BatchNote = {
    ...(labels.resourceKeys.length > 0 && { resourceKeys: labels.resourceKeys }),
    ...(labels.renamed.size > 0 && { renamed: Object.fromEntries(labels.renamed) }),
    ...commonScope(batch),
    ...(plan.derived >= 0 && isUniform(onCpuPeriods(batch)) && { cpuDerived: true }),
    ...(labels.hasFrameTypes && { frameTypes: true }),
    ...(labels.hasLinks && { links: true }),
    ...differentPeriods(batch, plan),
    ...commonProfileAttributes(batch),
  };
  return Object.keys(note).length > 0 ? [batchNote(note)] : [];
}

/** The comments of the pprof file that a batch came from. */
export function profileComments(batch: ProfileBatch): string[] {
  const comments = new Set<string>();
  for (const { profile } of batch.profiles()) {
    const value = batch.dictionary.findAttribute(profile.attributeSet, PROFILE_COMMENT_KEY);
    for (const text of textsOf(value)) comments.add(text);
  }
  return [...comments];
}

function textsOf(value: AttributeValue | undefined): string[] {
  if (value?.type === "string") return [value.value];
  if (value?.type !== "array") return [];
  return value.value.flatMap((item) => (item.type === "string" ? [item.value] : []));
}

/** What the scopes and schema URLs say, as far as all say the same. */
function commonScope(batch: ProfileBatch): Partial<BatchNote> {
  const all = [...batch.profiles()];
  const common = (textOf: (owned: (typeof all)[number]) => string): string => {
    const texts = new Set(all.map(textOf));
    return texts.size === 1 ? ([...texts][0] ?? "") : "";
  };
  const resourceSchemaUrl = common(({ resource }) => resource.schemaUrl);
  const scopeSchemaUrl = common(({ scope }) => scope.schemaUrl);
  const scopeName = common(({ scope }) => scope.scope.name);
  const scopeVersion = common(({ scope }) => scope.scope.version);
  const scopeKey = common(({ scope }) => attributesKey(scopeAttributes(scope)));
  const first = all[0];
  return {
    ...(resourceSchemaUrl !== "" && { resourceSchemaUrl }),
    ...(scopeSchemaUrl !== "" && { scopeSchemaUrl }),
    ...(scopeName !== "" && { scopeName }),
    ...(scopeVersion !== "" && { scopeVersion }),
    ...(scopeKey.length > 2 && first && { scopeAttributes: scopeAttributes(first.scope) }),
  };
}

function scopeAttributes({ scope }: ScopeProfiles): Attribute[] {
  return scope.attributes
    .filter(({ key }) => !FIELD_KEYS.has(key))
    .map(({ key, value }) => ({ key, value, unit: "" }));
}

function commonProfileAttributes(batch: ProfileBatch): Partial<BatchNote> {
  const lists = [...batch.profiles()].map(({ profile }) =>
    attributesOfSet(batch.dictionary, profile.attributeSet).filter(
      ({ key }) => !FIELD_KEYS.has(key),
    ),
  );
  const [first] = lists;
  if (!first || first.length === 0 || !isUniform(lists.map(attributesKey))) return {};
  return { profileAttributes: first };
}

/** The period of each column, when one period cannot stand for all. */
function differentPeriods(batch: ProfileBatch, plan: ColumnPlan): Partial<BatchNote> {
  const periods: (readonly [string, string, number])[] = plan.columns.map(() => ["", "", 0]);
  for (const { profile } of batch.profiles()) {
    const period = periodOf(batch, profile);
    periods[plan.columnOf(profile)] = period;
    if (plan.derivedScale(profile) > 0) periods[plan.derived] = period;
  }
  return isUniform(periods.map((period) => JSON.stringify(period))) ? {} : { periods };
}

function periodOf(batch: ProfileBatch, profile: Profile): readonly [string, string, number] {
  const { strings } = batch.dictionary;
  const { periodType, period } = profile;
  return [strings.at(periodType.type), strings.at(periodType.unit), period];
}

function onCpuPeriods(batch: ProfileBatch): number[] {
  return [...batch.profiles()]
    .filter(({ profile }) => isOnCpu(batch.dictionary, profile))
    .map(({ profile }) => profile.period);
}

function isUniform(values: readonly unknown[]): boolean {
  return new Set(values).size <= 1;
}
