import { valueText } from "../../src/profiles/attribute-value.ts";
import type { Dictionary } from "../../src/profiles/dictionary.ts";
import type { ProfileBatch } from "../../src/profiles/profile.ts";

export interface FunctionTotals {
  /** Samples on the CPU in all. */
  readonly all: number;
  /** Samples × period. */
  readonly cpuNanos: number;
  /** Samples that have the function anywhere in their stack; each counts once. */
  readonly cumulative: ReadonlyMap<string, number>;
  /** Samples by the type of their leaf. */
  readonly byFrameType: ReadonlyMap<string, number>;
}

/** Sums the samples/count profiles of a batch by function. */
export function functionTotals(batch: ProfileBatch): FunctionTotals {
  const cumulative = new Map<string, number>();
  const byFrameType = new Map<string, number>();
  let all = 0;
  let cpuNanos = 0;
  for (const { profile } of batch.profiles()) {
    if (batch.dictionary.strings.at(profile.sampleType.type) !== "samples") continue;
    for (let sample = 0; sample < profile.samples.length; sample++) {
      const value = profile.samples.value.at(sample);
      const stack = batch.dictionary.stacks.row(profile.samples.stack.at(sample));
      all += value;
      cpuNanos += value * profile.period;
      add(byFrameType, frameType(batch.dictionary, stack[0] ?? 0), value);
      for (const name of functionNames(batch.dictionary, stack)) add(cumulative, name, value);
    }
  }
  return { all, cpuNanos, cumulative, byFrameType };
}

function functionNames(
  { locations, functions, strings }: Dictionary,
  stack: Int32Array,
): Set<string> {
  const names = new Set<string>();
  for (const location of stack) {
    for (let line = locations.lineStart(location); line < locations.lineEnd(location); line++) {
      names.add(strings.at(functions.name.at(locations.lineFunction.at(line))));
    }
  }
  return names;
}

function frameType(dictionary: Dictionary, location: number): string {
  const attributes = dictionary.locations.attributeSet.at(location);
  const value = dictionary.findAttribute(attributes, "profile.frame.type");
  return value === undefined ? "" : valueText(value);
}

function add(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value);
}
