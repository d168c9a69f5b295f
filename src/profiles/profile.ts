import type { KeyValue } from "./attribute-value.ts";
import { Float64Column, Int32Column, Uint64Column } from "./columns.ts";
import { Dictionary } from "./dictionary.ts";

/**
 * What the samples of a profile carry (OTLP's three shapes; all samples of a profile share one):
 * - values: one value a sample, for the whole window.
 * - timestamps: one timestamp an observation, each of the implied value 1.
 * - values_and_timestamps: one value for each timestamp.
 */
export type SampleShape = "values" | "timestamps" | "values_and_timestamps";

/** String indices of a type and its unit, as cpu and nanoseconds. */
export interface ValueType {
  readonly type: number;
  readonly unit: number;
}

/**
 * The samples of a profile in columns. `value` is always the sample's sum over the window,
 * whatever the shape, so who does not care about time reads nothing else.
 */
export class Samples {
  readonly shape: SampleShape;
  readonly stack: Int32Column = new Int32Column();
  readonly attributeSet: Int32Column = new Int32Column();
  readonly link: Int32Column = new Int32Column();
  readonly value: Float64Column = new Float64Column();
  /** Where each sample's timestamps end; unused for the shape "values". */
  readonly timestampEnds: Int32Column = new Int32Column();
  readonly timestampUnixNano: Uint64Column = new Uint64Column();
  /** One for each timestamp, for the shape "values_and_timestamps" only. */
  readonly timestampValue: Float64Column = new Float64Column();

  constructor(shape: SampleShape) {
    this.shape = shape;
  }

  get length(): number {
    return this.stack.length;
  }

  /** Appends a sample of the shape "values". */
  push(stack: number, attributeSet: number, link: number, value: number): void {
    this.stack.push(stack);
    this.attributeSet.push(attributeSet);
    this.link.push(link);
    this.value.push(value);
  }

  /**
   * Appends a sample of one of the shapes with timestamps, which were pushed to
   * `timestampUnixNano` (and `timestampValue`) before.
   */
  pushTimed(stack: number, attributeSet: number, link: number): void {
    const start = this.timestampStart(this.length);
    const end = this.timestampUnixNano.length;
    let value = end - start;
    if (this.shape === "values_and_timestamps") {
      value = 0;
      for (let i = start; i < end; i++) value += this.timestampValue.at(i);
    }
    this.push(stack, attributeSet, link, value);
    this.timestampEnds.push(end);
  }

  timestampStart(sample: number): number {
    return sample === 0 ? 0 : this.timestampEnds.at(sample - 1);
  }

  timestampEnd(sample: number): number {
    return this.timestampEnds.at(sample);
  }

  /** The sum of all values. Exact, because each is below 2^53 and so is any real sum. */
  total(): number {
    let total = 0;
    for (let i = 0; i < this.length; i++) total += this.value.at(i);
    return total;
  }
}

/** One sample type of one source over one window of time. */
export interface Profile {
  sampleType: ValueType;
  /** When the window began, wall clock; 0 when unknown. */
  timeUnixNano: bigint;
  /** 0 when unknown. */
  durationNano: bigint;
  periodType: ValueType;
  /** How much of `periodType` lies between two observations; 0 when there is no period. */
  period: number;
  /** 16 bytes, or none. */
  profileId: Uint8Array;
  droppedAttributesCount: number;
  /** Set together with `originalPayload`, or both empty. */
  originalPayloadFormat: string;
  originalPayload: Uint8Array;
  /** Index into the dictionary's attributeSets. */
  attributeSet: number;
  samples: Samples;
}

export interface Scope {
  readonly name: string;
  readonly version: string;
  readonly attributes: readonly KeyValue[];
  readonly droppedAttributesCount: number;
}

export interface ScopeProfiles {
  readonly scope: Scope;
  readonly schemaUrl: string;
  readonly profiles: Profile[];
}

export interface Resource {
  readonly attributes: readonly KeyValue[];
  readonly droppedAttributesCount: number;
}

export interface ResourceProfiles {
  readonly resource: Resource;
  readonly schemaUrl: string;
  readonly scopeProfiles: ScopeProfiles[];
}

/**
 * What travels through a pipeline: OTLP's ProfilesData. A component that changes a batch it
 * received owns it; the sender keeps no reference.
 */
export class ProfileBatch {
  readonly dictionary: Dictionary;
  readonly resourceProfiles: ResourceProfiles[] = [];

  constructor(dictionary: Dictionary = Dictionary.create()) {
    this.dictionary = dictionary;
  }

  /** Every profile with where it belongs, in order. */
  *profiles(): Generator<{ profile: Profile; scope: ScopeProfiles; resource: ResourceProfiles }> {
    for (const resource of this.resourceProfiles) {
      for (const scope of resource.scopeProfiles) {
        for (const profile of scope.profiles) yield { profile, scope, resource };
      }
    }
  }

  /** Samples in all profiles: the unit in which the program counts what goes in and out. */
  get sampleCount(): number {
    let count = 0;
    for (const { profile } of this.profiles()) count += profile.samples.length;
    return count;
  }
}

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** An empty profile with every field at its zero value; the caller sets what it knows. */
export function emptyProfile(shape: SampleShape = "values"): Profile {
  return {
    sampleType: { type: 0, unit: 0 },
    timeUnixNano: 0n,
    durationNano: 0n,
    periodType: { type: 0, unit: 0 },
    period: 0,
    profileId: NO_BYTES,
    droppedAttributesCount: 0,
    originalPayloadFormat: "",
    originalPayload: NO_BYTES,
    attributeSet: 0,
    samples: new Samples(shape),
  };
}
