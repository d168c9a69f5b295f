import { gunzipSync } from "node:zlib";
import { pprofOracle } from "../../src/profiles/testing/pprof-oracle.ts";

/** A pprof profile as protobufjs reads it: integers are BigInt, indices too. */
export interface PprofMessage {
  readonly sample_type: readonly PprofValueType[];
  readonly sample: readonly PprofSample[];
  readonly mapping: readonly PprofMapping[];
  readonly location: readonly PprofLocation[];
  readonly function: readonly PprofFunction[];
  readonly string_table: readonly string[];
  readonly time_nanos: bigint;
  readonly duration_nanos: bigint;
  readonly period_type: PprofValueType | null;
  readonly period: bigint;
}

export interface PprofValueType {
  readonly type: bigint;
  readonly unit: bigint;
}

export interface PprofSample {
  readonly location_id: readonly bigint[];
  readonly value: readonly bigint[];
  readonly label: readonly { readonly key: bigint; readonly str: bigint; readonly num: bigint }[];
}

export interface PprofMapping {
  readonly id: bigint;
  readonly filename: bigint;
  readonly build_id: bigint;
  readonly has_functions: boolean;
}

export interface PprofFunction {
  readonly id: bigint;
  readonly name: bigint;
  readonly system_name: bigint;
  readonly filename: bigint;
}

export interface PprofLocation {
  readonly id: bigint;
  readonly mapping_id: bigint;
  readonly address: bigint;
  readonly line: readonly { readonly function_id: bigint }[];
}

const oracle = pprofOracle();
const GZIP_MAGIC = 0x1f;

/**
 * Reads a profile by protobufjs' code.
 *
 * @param bytes  gzipped or not
 * @throws what gunzip or protobufjs throw
 */
export function readPprof(bytes: Uint8Array): PprofMessage {
  const message = oracle.decode(inflatedPprof(bytes));
  const options = { longs: BigInt, arrays: true, defaults: true };
  return oracle.toObject(message, options) as unknown as PprofMessage;
}

/** The profile without gzip, if it has any. */
export function inflatedPprof(bytes: Uint8Array): Uint8Array {
  return bytes[0] === GZIP_MAGIC ? gunzipSync(bytes) : bytes;
}

/** The sum of each column of values by its type, as "cpu/nanoseconds". */
export function pprofSums(profile: PprofMessage): Map<string, number> {
  const text = (index: bigint): string => profile.string_table[Number(index)] ?? "";
  return new Map(
    profile.sample_type.map(({ type, unit }, column) => {
      const sum = profile.sample.reduce((total, { value }) => total + (value[column] ?? 0n), 0n);
      return [`${text(type)}/${text(unit)}`, Number(sum)];
    }),
  );
}

/** The names of all functions that a sample's stack goes through. */
export function pprofFunctionNames(profile: PprofMessage): Set<string> {
  const functions = new Map(profile.function.map(({ id, name }) => [id, name]));
  const locations = new Map(profile.location.map((location) => [location.id, location]));
  const names = new Set<string>();
  for (const id of new Set(profile.sample.flatMap(({ location_id }) => location_id))) {
    for (const { function_id } of locations.get(id)?.line ?? []) {
      names.add(profile.string_table[Number(functions.get(function_id) ?? 0n)] ?? "");
    }
  }
  return names;
}
