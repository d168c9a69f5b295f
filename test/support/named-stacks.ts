import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { resolvedSamples } from "../../src/profiles/resolved.ts";
import type { PprofMessage } from "./pprof-message.ts";

/** Samples on the CPU by what every format holds: the functions of their stack, leaf first. */
export interface NamedStacks {
  /** Rows of samples, as the Collector counts them. */
  rows: number;
  /** Ticks of the CPU's clock. */
  ticks: number;
  /** Ticks × period. */
  cpuNanos: number;
  /** The end of the last window, in nanoseconds since 1970. */
  untilUnixNano: bigint;
  /** CPU nanoseconds by the stack's names, joined by newlines; UNNAMED for a frame without one. */
  readonly byStack: Map<string, number>;
}

export const UNNAMED = "?";

/** An address, or what the pyroscope exporter shows in its place. */
const addressFrame = /^(0x[0-9a-f]+|\S+\+0x[0-9a-f]+)$/;

/** Nothing yet. */
export function noStacks(): NamedStacks {
  return { rows: 0, ticks: 0, cpuNanos: 0, untilUnixNano: 0n, byStack: new Map() };
}

/**
 * Adds the samples/count profiles of a batch.
 *
 * @param resource  an attribute as `key="value"` that resources must have; all when not given
 */
export function addBatch(sums: NamedStacks, batch: ProfileBatch, resource?: string): void {
  for (const { profile } of batch.profiles()) {
    noteEnd(sums, profile.timeUnixNano + profile.durationNano);
  }
  for (const sample of resolvedSamples(batch, "names")) {
    if (resource !== undefined && !sample.resource.includes(resource)) continue;
    const { type, unit, period, stack, value } = sample;
    if (`${type}/${unit}` !== "samples/count") throw new Error(`a profile of ${type}/${unit}`);
    const nanos = /^cpu\/nanoseconds (\d+)$/.exec(period)?.[1];
    if (nanos === undefined) throw new Error(`a period of ${period}`);
    addSample(sums, stack, { ticks: value, cpuNanos: value * Number(nanos) });
  }
}

/** Adds a pprof profile with the columns samples/count and cpu/nanoseconds. */
export function addPprof(sums: NamedStacks, profile: PprofMessage): void {
  noteEnd(sums, profile.time_nanos + profile.duration_nanos);
  const text = (index: bigint): string => profile.string_table[Number(index)] ?? "";
  const columns = profile.sample_type.map(({ type, unit }) => `${text(type)}/${text(unit)}`);
  const [ticks, cpuNanos] = ["samples/count", "cpu/nanoseconds"].map((column) => {
    if (!columns.includes(column)) throw new Error(`${column} is not among ${columns.join()}`);
    return columns.indexOf(column);
  }) as [number, number];
  const names = new Map(profile.function.map(({ id, name }) => [id, text(name)]));
  const frames = new Map(
    profile.location.map(({ id, line }) => [
      id,
      line.length === 0 ? [""] : line.map(({ function_id }) => names.get(function_id) ?? ""),
    ]),
  );
  for (const { location_id, value } of profile.sample) {
    const stack = location_id.flatMap((id) => frames.get(id) ?? [""]);
    const numbers = value.map(Number);
    addSample(sums, stack, { ticks: numbers[ticks] ?? 0, cpuNanos: numbers[cpuNanos] ?? 0 });
  }
}

/** CPU nanoseconds by function; a function counts once for each sample that goes through it. */
export function byFunction({ byStack }: NamedStacks): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [stack, cpuNanos] of byStack) {
    for (const name of new Set(stack.split("\n"))) add(sums, name, cpuNanos);
  }
  return new Map([...sums].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** CPU nanoseconds of the stacks that go through a function. */
export function through(stacks: NamedStacks, name: string): number {
  return byFunction(stacks).get(name) ?? 0;
}

function addSample(
  sums: NamedStacks,
  stack: readonly string[],
  { ticks, cpuNanos }: { ticks: number; cpuNanos: number },
): void {
  sums.rows++;
  sums.ticks += ticks;
  sums.cpuNanos += cpuNanos;
  const names = stack.map((name) => (name === "" || addressFrame.test(name) ? UNNAMED : name));
  add(sums.byStack, names.join("\n"), cpuNanos);
}

function noteEnd(sums: NamedStacks, unixNano: bigint): void {
  if (unixNano > sums.untilUnixNano) sums.untilUnixNano = unixNano;
}

function add(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value);
}
