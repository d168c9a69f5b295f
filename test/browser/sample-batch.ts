import { emptyProfile, ProfileBatch } from "../../src/profiles/profile.ts";

/** A stack, leaf first, with a value for each sample type. */
export interface SampleRow {
  /** A function, or its name and file. */
  readonly stack: readonly (string | readonly [name: string, file: string])[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

/** A batch of one resource, made of rows that a person can read. */
export function sampleBatch(
  types: readonly (readonly [name: string, unit: string])[],
  rows: readonly SampleRow[],
): ProfileBatch {
  const batch = new ProfileBatch();
  const { dictionary } = batch;
  const { strings, functions, locations, stacks, attributeSets } = dictionary;
  const profiles = types.map(([type, unit]) => {
    const profile = emptyProfile();
    profile.sampleType = { type: strings.intern(type), unit: strings.intern(unit) };
    return profile;
  });
  for (const { stack, labels = {}, values } of rows) {
    const list = stack.map((frame) => {
      const [name, file] = typeof frame === "string" ? [frame, ""] : frame;
      const fn = functions.intern(strings.intern(name), 0, strings.intern(file), 0);
      return locations.intern(0, 0, 0, [fn, 7, 0], 0);
    });
    const set = Object.entries(labels).map(([key, value]) =>
      dictionary.internStringAttribute(key, value),
    );
    for (const [at, profile] of profiles.entries()) {
      profile.samples.push(stacks.intern(list), attributeSets.intern(set), 0, values[at] ?? 0);
    }
  }
  const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
  batch.resourceProfiles.push({
    resource: { attributes: [], droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [{ scope, schemaUrl: "", profiles }],
  });
  return batch;
}
