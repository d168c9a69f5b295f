import { type AttributeValue, stringValue } from "../../../profiles/attribute-value.ts";
import { emptyProfile, type Profile, type ProfileBatch } from "../../../profiles/profile.ts";
import { systemClock } from "../../../support/clock.ts";

export interface GivenSample {
  /** Names of functions, leaf first. */
  readonly stack: readonly string[];
  readonly value: number;
  readonly attributes?: Readonly<Record<string, string>>;
}

export interface GivenProfile {
  /** "samples/count" */
  readonly type: string;
  /** "cpu/nanoseconds 10000000"; none when absent. */
  readonly period?: string;
  readonly samples: readonly GivenSample[];
  /** Now when absent. */
  readonly timeUnixNano?: bigint;
}

/** Adds a resource with these attributes and profiles to a batch. */
export function addResource(
  batch: ProfileBatch,
  attributes: Readonly<Record<string, string | AttributeValue>>,
  profiles: readonly GivenProfile[],
): void {
  const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
  const keyValues = Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === "string" ? stringValue(value) : value,
  }));
  batch.resourceProfiles.push({
    resource: { attributes: keyValues, droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [
      { scope, schemaUrl: "", profiles: profiles.map((given) => profileOf(batch, given)) },
    ],
  });
}

function profileOf(batch: ProfileBatch, given: GivenProfile): Profile {
  const { strings, stacks, attributes, attributeSets } = batch.dictionary;
  const typeOf = (text: string): { type: number; unit: number } => {
    const [type = "", unit = ""] = text.split("/");
    return { type: strings.intern(type), unit: strings.intern(unit) };
  };
  const [periodType = "", period = "0"] = (given.period ?? "").split(" ");
  const profile = {
    ...emptyProfile(),
    sampleType: typeOf(given.type),
    periodType: typeOf(periodType),
    period: Number(period),
    timeUnixNano: given.timeUnixNano ?? systemClock.unixNanos(),
    durationNano: 10_000_000_000n,
  };
  for (const { stack, value, attributes: own = {} } of given.samples) {
    const set = Object.entries(own).map(([key, text]) =>
      attributes.intern(strings.intern(key), stringValue(text), 0),
    );
    const locations = stack.map((name) => locationOf(batch, name));
    profile.samples.push(stacks.intern(locations), attributeSets.intern(set), 0, value);
  }
  return profile;
}

function locationOf({ dictionary }: ProfileBatch, name: string): number {
  const { strings, functions, locations } = dictionary;
  const fn = functions.intern(strings.intern(name), 0, 0, 0);
  return locations.intern(0, 0, 0, [fn, 0, 0], 0);
}
