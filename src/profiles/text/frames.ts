import type { AttributeValue } from "../attribute-value.ts";
import type { Dictionary } from "../dictionary.ts";
import type { Profile, ProfileBatch, Resource, ResourceProfiles } from "../profile.ts";
import { unresolvedNameOf } from "../unresolved-name.ts";

/** What the formats without addresses show of one frame. */
export interface Frame {
  /** Never empty: a frame without a function is `file+0xaddress`, or `[unknown]`. */
  readonly name: string;
  /** Source file, "" when unknown. */
  readonly file: string;
  /** Source line and column from 1, 0 when unknown. */
  readonly line: number;
  readonly column: number;
  /** The `profile.frame.type` attribute, "" when it is not there. */
  readonly type: string;
}

/** What stands for a frame of which nothing is known. */
export const UNKNOWN_FRAME = "[unknown]";

/** The frames of a dictionary's locations, made once for each location. */
export class FrameNames {
  readonly #dictionary: Dictionary;
  readonly #frames: (readonly Frame[] | undefined)[] = [];

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary;
  }

  /** The frames of a location, innermost inlined function first; never none. */
  ofLocation(location: number): readonly Frame[] {
    const known = this.#frames[location];
    if (known) return known;
    const frames = this.#make(location);
    this.#frames[location] = frames;
    return frames;
  }

  /** The frames of a stack, leaf first. */
  ofStack(stack: number): Frame[] {
    const { stacks } = this.#dictionary;
    const frames: Frame[] = [];
    for (let place = stacks.start(stack); place < stacks.end(stack); place++) {
      frames.push(...this.ofLocation(stacks.item(place)));
    }
    return frames;
  }

  #make(location: number): readonly Frame[] {
    const { locations, functions, strings } = this.#dictionary;
    const type = frameTypeOf(this.#dictionary, location);
    const start = locations.lineStart(location);
    const end = locations.lineEnd(location);
    if (start === end) {
      return [
        { name: unresolvedNameOf(this.#dictionary, location), file: "", line: 0, column: 0, type },
      ];
    }
    return Array.from({ length: end - start }, (_, place) => {
      const at = start + place;
      const fn = locations.lineFunction.at(at);
      const name =
        strings.at(functions.name.at(fn)) ||
        strings.at(functions.systemName.at(fn)) ||
        unresolvedNameOf(this.#dictionary, location);
      const file = strings.at(functions.filename.at(fn));
      const line = locations.lineNumber.at(at);
      return { name, file, line, column: locations.lineColumn.at(at), type };
    });
  }
}

/** The `profile.frame.type` of a location, "" when it has none. */
export function frameTypeOf(dictionary: Dictionary, location: number): string {
  const attributeSet = dictionary.locations.attributeSet.at(location);
  return textOf(dictionary.findAttribute(attributeSet, "profile.frame.type"));
}

/** The name of the process of a resource, "" when it does not say. */
export function processName(resource: Resource): string {
  const name = textOf(resourceValue(resource, "process.executable.name"));
  return name || baseName(textOf(resourceValue(resource, "process.executable.path")));
}

/** The value of a resource's attribute, if it is there. */
export function resourceValue(resource: Resource, key: string): AttributeValue | undefined {
  return resource.attributes.find((attribute) => attribute.key === key)?.value;
}

/** True for a profile of on-CPU samples: sample type samples/count. */
export function isOnCpu(dictionary: Dictionary, profile: Profile): boolean {
  const { strings } = dictionary;
  const { type, unit } = profile.sampleType;
  return strings.at(type) === "samples" && strings.at(unit) === "count";
}

/** Nanoseconds of CPU time that one sample stands for; 0 when the profile does not say. */
export function cpuPeriodNanos(dictionary: Dictionary, profile: Profile): number {
  const { strings } = dictionary;
  const { type, unit } = profile.periodType;
  const isCpu = strings.at(type) === "cpu" && strings.at(unit) === "nanoseconds";
  return isCpu && profile.period > 0 ? profile.period : 0;
}

/** A profile with the resource that it belongs to. */
export interface OwnedProfile {
  readonly profile: Profile;
  readonly resource: ResourceProfiles;
}

/**
 * The profiles that a format with one column shows: those of the on-CPU sample type when there
 * are any, else all those of the first profile's type.
 */
export function profilesOfOneType(batch: ProfileBatch): OwnedProfile[] {
  const { dictionary } = batch;
  const all: OwnedProfile[] = [...batch.profiles()];
  const onCpu = all.filter(({ profile }) => isOnCpu(dictionary, profile));
  if (onCpu.length > 0 || all[0] === undefined) return onCpu;
  const typeKey = ({ profile }: OwnedProfile): string => sampleTypeText(dictionary, profile);
  const first = typeKey(all[0]);
  return all.filter((owned) => typeKey(owned) === first);
}

/** The sample type and its unit, as `off_cpu/nanoseconds`. */
export function sampleTypeText({ strings }: Dictionary, { sampleType }: Profile): string {
  return `${strings.at(sampleType.type)}/${strings.at(sampleType.unit)}`;
}

function textOf(value: AttributeValue | undefined): string {
  return value?.type === "string" ? value.value : "";
}

/** The part of a path after its last slash. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
