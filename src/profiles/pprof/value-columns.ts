import type { Dictionary } from "../dictionary.ts";
import type { Profile, ProfileBatch, Scope } from "../profile.ts";
import { cpuPeriodNanos, isOnCpu, sampleTypeText } from "../text/frames.ts";

export const SAMPLE_TYPE_ORDER = "pprof.scope.sample_type_order";

const CPU_NANOSECONDS = "cpu/nanoseconds";

/** A value column of a pprof file: a sample type of the batch, or one made from it. */
export interface ValueColumn {
  readonly type: string;
  readonly unit: string;
}

/** Which columns a batch is written with, and which profile goes where. */
export class ColumnPlan {
  readonly columns: readonly ValueColumn[];
  /** The column of CPU time that is made from on-CPU samples and their period; -1 for none. */
  readonly derived: number;
  /** Whether the batch was read from a pprof file of another program. */
  readonly isFromPprof: boolean;
  readonly #dictionary: Dictionary;
  readonly #columnOfType: ReadonlyMap<string, number>;

  constructor(batch: ProfileBatch) {
    this.#dictionary = batch.dictionary;
    const types = new Map<string, ValueColumn>();
    for (const { profile } of batch.profiles()) {
      const { type, unit } = profile.sampleType;
      const { strings } = batch.dictionary;
      types.set(this.#typeOf(profile), { type: strings.at(type), unit: strings.at(unit) });
    }
    const ranks = originalOrder(batch);
    this.isFromPprof = ranks !== undefined;
    const derives = ranks === undefined && !types.has(CPU_NANOSECONDS) && hasCpuPeriod(batch);
    if (derives) types.set(CPU_NANOSECONDS, { type: "cpu", unit: "nanoseconds" });
    const ordered = [...types.entries()].sort(([a, columnA], [b, columnB]) =>
      ranks
        ? (ranks.get(a) ?? ranks.size) - (ranks.get(b) ?? ranks.size)
        : rankOf(columnA, derives) - rankOf(columnB, derives),
    );
    this.columns = ordered.map(([, column]) => column);
    this.#columnOfType = new Map(ordered.map(([key], index) => [key, index]));
    this.derived = derives ? (this.#columnOfType.get(CPU_NANOSECONDS) ?? -1) : -1;
  }

  columnOf(profile: Profile): number {
    return this.#columnOfType.get(this.#typeOf(profile)) ?? 0;
  }

  /** What a value is multiplied with to be the derived column's; 0 when it has no part in it. */
  derivedScale(profile: Profile): number {
    if (this.derived < 0 || !isOnCpu(this.#dictionary, profile)) return 0;
    return cpuPeriodNanos(this.#dictionary, profile);
  }

  #typeOf(profile: Profile): string {
    return sampleTypeText(this.#dictionary, profile);
  }
}

/** Counts come first, then the CPU time that belongs to them: where tools look for them. */
function rankOf({ type, unit }: ValueColumn, derives: boolean): number {
  if (unit === "count") return 0;
  return derives && type === "cpu" && unit === "nanoseconds" ? 1 : 2;
}

function hasCpuPeriod(batch: ProfileBatch): boolean {
  return batch
    .profiles()
    .some(
      ({ profile }) =>
        isOnCpu(batch.dictionary, profile) && cpuPeriodNanos(batch.dictionary, profile) > 0,
    );
}

/** The columns' places in the pprof file that the batch came from, by sample type. */
function originalOrder(batch: ProfileBatch): Map<string, number> | undefined {
  for (const { scope } of batch.profiles()) {
    const order = orderAttribute(scope.scope);
    if (!order) continue;
    const ranks = new Map<string, number>();
    for (const [index, profile] of scope.profiles.entries()) {
      ranks.set(sampleTypeText(batch.dictionary, profile), order[index] ?? index);
    }
    return ranks;
  }
  return undefined;
}

function orderAttribute(scope: Scope): number[] | undefined {
  const value = scope.attributes.find(({ key }) => key === SAMPLE_TYPE_ORDER)?.value;
  if (value?.type !== "array") return undefined;
  return value.value.map((item) => (item.type === "int" ? Number(item.value) : 0));
}
