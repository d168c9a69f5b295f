/**
 * Speedscope's file format, as its published schema describes it:
 *
 *   { "$schema": …,
 *     "shared": { "frames": [ { name, file?, line?, col? } … ] },
 *     "profiles": [
 *       { "type": "sampled", name, unit, startValue, endValue,
 *         "samples": [ [frame index, root first] … ], "weights": [ number … ] },
 *       { "type": "evented", name, unit, startValue, endValue,
 *         "events": [ { "type": "O" | "C", frame, at } … ] } ] }
 */
export const SCHEMA_URL = "https://www.speedscope.app/file-format-schema.json";

/**
 * What a profile that was written here says beside what speedscope reads, so that it can be
 * read back as what it was. It stands as "otlp" in each profile; viewers ignore it.
 */
export interface SourceNote {
  /** Type and unit. */
  readonly sampleType: readonly [string, string];
  readonly periodType: readonly [string, string];
  readonly period: number;
  /** What the values were multiplied with to become weights; 1 when absent. */
  readonly scale?: number;
  readonly timeUnixNano?: string;
  readonly durationNano?: string;
  readonly processName?: string;
  readonly processPid?: string;
}

const units = ["none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"] as const;

export type Unit = (typeof units)[number];

/** The unit of speedscope's that an OTLP unit is: "none" for one that it does not know. */
export function unitOf(unit: string): Unit {
  return units.find((known) => known === unit) ?? "none";
}

/** How many nanoseconds a unit of time is; 0 for what is no time. */
export function nanosOf(unit: Unit): number {
  switch (unit) {
    case "nanoseconds":
      return 1;
    case "microseconds":
      return 1e3;
    case "milliseconds":
      return 1e6;
    case "seconds":
      return 1e9;
    default:
      return 0;
  }
}
