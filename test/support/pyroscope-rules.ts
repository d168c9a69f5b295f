/**
 * What Pyroscope 2.2 asks of a pushed profile with the limits that it has when nothing is
 * configured, in the order in which it asks. After pkg/validation, pkg/pprof and pkg/distributor
 * of grafana/pyroscope at v2.2.1; written anew.
 */
import { inflatedPprof, type PprofMessage, type PprofSample, readPprof } from "./pprof-message.ts";

const PROFILE_BYTES_MAX = 4 * 1024 * 1024;
const PROFILE_SAMPLES_MAX = 16_000;
const SAMPLE_LABELS_MAX = 100;
const STACK_DEPTH_MAX = 1000;
const STRING_BYTES_MAX = 65_535;
const LABELS_MAX = 30;
const LABEL_NAME_BYTES_MAX = 1024;
const LABEL_VALUE_BYTES_MAX = 2048;
const OLDER_MS_MAX = 60 * 60_000;
const NEWER_MS_MAX = 10 * 60_000;
const NANOS_PER_MS = 1_000_000n;

/** Labels of samples that Pyroscope does not make labels of the series. */
const idLabels = ["profile_id", "span_id", "trace_id"];

/** Why Pyroscope answers invalid_argument; the message is like its own. */
export class PyroscopeRefusal extends Error {}

export interface Label {
  readonly name: string;
  readonly value: string;
}

export interface AcceptedProfile {
  /** As Pyroscope keeps them: dots of names became underscores. Sorted by name. */
  readonly labels: ReadonlyMap<string, string>;
  readonly profile: PprofMessage;
  /** What it takes and then drops or cuts without a word; a good sender causes none. */
  readonly silentLosses: readonly string[];
}

/** @throws PyroscopeRefusal */
export function acceptProfile(
  bytes: Uint8Array,
  labels: readonly Label[],
  nowMs: number,
): AcceptedProfile {
  const profile = parsed(bytes);
  checkProfile(profile, nowMs);
  const given = labels.map(({ name, value }): [string, string] => [name, value]);
  // Pyroscope gives a service without a name this one.
  if (!given.some(([name, value]) => name === "service_name" && value !== "")) {
    given.push(["service_name", "unknown_service"]);
  }
  for (const sample of profile.sample) {
    checkedLabels([...given, ...labelsOfSample(profile, sample, given)]);
  }
  return { labels: checkedLabels(given), profile, silentLosses: [...silentLosses(profile)] };
}

function refuse(what: string): never {
  throw new PyroscopeRefusal(what);
}

function parsed(bytes: Uint8Array): PprofMessage {
  let inflated: Uint8Array;
  try {
    inflated = inflatedPprof(bytes);
  } catch (error) {
    return refuse(`copy to buffer: ${error}`);
  }
  if (inflated.length > PROFILE_BYTES_MAX) {
    refuse("uncompressed profile payload size exceeds limit of 4.2 MB");
  }
  try {
    return readPprof(inflated);
  } catch (error) {
    return refuse(`proto: ${error}`);
  }
}

function checkProfile(profile: PprofMessage, nowMs: number): void {
  if (profile.sample_type.length === 0) refuse("empty profile");
  const timeMs = Number(profile.time_nanos / NANOS_PER_MS);
  const isInWindow = timeMs > nowMs - OLDER_MS_MAX && timeMs < nowMs + NEWER_MS_MAX;
  if (profile.time_nanos > 0n && !isInWindow) {
    refuse("profile is not within the ingestion window");
  }
  if (profile.sample.length > PROFILE_SAMPLES_MAX) {
    refuse("the profile exceeds the samples count limit");
  }
  if (profile.sample.some(({ label }) => label.length > SAMPLE_LABELS_MAX)) {
    refuse("the profile exceeds the sample labels limit");
  }
  if (profile.location.some(({ id }) => id === 0n)) refuse("location id is 0");
  if (profile.function.some(({ id }) => id === 0n)) refuse("function id is 0");
  const columns = profile.sample_type.length;
  if (profile.sample.some(({ value }) => value.length !== columns)) {
    refuse("sample value length mismatch");
  }
  checkStringIndices(profile);
  for (const { type } of profile.sample_type) {
    if (profile.string_table[Number(type)]?.includes("-")) refuse("sample type contains -");
  }
}

function checkStringIndices(profile: PprofMessage): void {
  const { string_table: strings } = profile;
  if (strings[0] !== "") refuse("string 0 should be empty string");
  const indices = [
    ...profile.sample_type.map(({ type }) => type),
    ...profile.sample.flatMap(({ label }) => label.flatMap(({ key, str }) => [key, str])),
    ...profile.function.flatMap((row) => [row.name, row.system_name, row.filename]),
    ...profile.mapping.flatMap((row) => [row.filename, row.build_id]),
  ];
  if (indices.some((index) => index >= strings.length)) refuse("string index out of range");
}

/** The strings among a sample's labels become labels of its series, unless it has them. */
function labelsOfSample(
  { string_table: strings }: PprofMessage,
  sample: PprofSample,
  series: readonly (readonly [string, string])[],
): [string, string][] {
  return sample.label
    .filter(({ str }) => str > 0n)
    .map(({ key, str }): [string, string] => [
      strings[Number(key)] ?? "",
      strings[Number(str)] ?? "",
    ])
    .filter(([name]) => !idLabels.includes(name) && series.every(([taken]) => taken !== name));
}

function checkedLabels(labels: readonly (readonly [string, string])[]): Map<string, string> {
  if (labels.length > LABELS_MAX) {
    refuse(`profile series has ${labels.length} label names; limit ${LABELS_MAX}`);
  }
  if (!labels.some(([name, value]) => name === "__name__" && value !== "")) {
    refuse("invalid labels with error: invalid metric name");
  }
  const kept = new Map<string, string>();
  for (const [name, value] of labels.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (Buffer.byteLength(name) > LABEL_NAME_BYTES_MAX) refuse(`label name too long: '${name}'`);
    if (Buffer.byteLength(value) > LABEL_VALUE_BYTES_MAX)
      refuse(`label value too long: '${value}'`);
    if (!/^[a-zA-Z_.][a-zA-Z0-9_.]*$/.test(name)) {
      refuse(`invalid labels with error: invalid label name '${name}'`);
    }
    const sanitized = name.replaceAll(".", "_");
    const isRepeated = name === sanitized || kept.get(sanitized) !== value;
    if (kept.has(sanitized) && isRepeated) refuse(`duplicate label name: '${sanitized}'`);
    kept.set(sanitized, value);
  }
  return new Map([...kept].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function* silentLosses(profile: PprofMessage): Generator<string> {
  const usable = usableLocations(profile);
  for (const { location_id, value } of profile.sample) {
    if (value.some((entry) => entry < 0n)) yield "a sample with a negative value is dropped";
    if (location_id.length > STACK_DEPTH_MAX) yield `a stack of ${location_id.length} is cut`;
    if (location_id.some((id) => !usable.has(id))) yield "a sample with an empty frame is dropped";
  }
  for (const text of profile.string_table) {
    if (Buffer.byteLength(text) > STRING_BYTES_MAX) yield "a string is cut";
  }
}

/** Locations that have a line or an address, and whose mapping and functions are there. */
function usableLocations(profile: PprofMessage): Set<bigint> {
  const mappings = new Set([0n, ...profile.mapping.map(({ id }) => id)]);
  const functions = new Set(profile.function.map(({ id }) => id));
  const usable = profile.location.filter(
    ({ address, mapping_id, line }) =>
      (line.length > 0 || address > 0n) &&
      mappings.has(mapping_id) &&
      line.every(({ function_id }) => functions.has(function_id)),
  );
  return new Set(usable.map(({ id }) => id));
}
