/**
 * How Pyroscope names profiles: `__name__:sample type:unit:period type:period unit`, which its
 * users pick from a list. Names that its own SDKs send are used, so that dashboards find them.
 */

export interface TypeAndUnit {
  readonly type: string;
  readonly unit: string;
}

export interface ProfileKind {
  /** The label `__name__`. */
  readonly name: string;
  readonly sampleType: TypeAndUnit;
  /** Both empty for none. */
  readonly periodType: TypeAndUnit;
}

const NO_PERIOD: TypeAndUnit = { type: "", unit: "" };
const CPU: TypeAndUnit = { type: "cpu", unit: "nanoseconds" };
const SPACE: TypeAndUnit = { type: "space", unit: "bytes" };
const WALL: TypeAndUnit = { type: "wall", unit: "nanoseconds" };
const CONTENTIONS: TypeAndUnit = { type: "contentions", unit: "count" };
const GOROUTINE: TypeAndUnit = { type: "goroutine", unit: "count" };

interface Known {
  readonly name: string;
  /** What the period is of, where a profile does not say. */
  readonly periodType: TypeAndUnit;
}

const processCpu: Known = { name: "process_cpu", periodType: CPU };
const memory: Known = { name: "memory", periodType: SPACE };
const mutex: Known = { name: "mutex", periodType: CONTENTIONS };

const known: ReadonlyMap<string, Known> = new Map([
  ["cpu/nanoseconds", processCpu],
  ["off_cpu/nanoseconds", { name: "off_cpu", periodType: NO_PERIOD }],
  ["alloc_objects/count", memory],
  ["alloc_space/bytes", memory],
  ["inuse_objects/count", memory],
  ["inuse_space/bytes", memory],
  ["objects/count", memory],
  ["space/bytes", memory],
  ["contentions/count", mutex],
  ["delay/nanoseconds", mutex],
  ["goroutine/count", { name: "goroutines", periodType: GOROUTINE }],
  ["wall/nanoseconds", { name: "wall", periodType: WALL }],
  ["sample/count", { name: "wall", periodType: WALL }],
]);

/** The kind of a profile with this sample type and period type, of which either may be empty. */
export function profileKind(sampleType: TypeAndUnit, periodType: TypeAndUnit): ProfileKind {
  const type = { type: typeName(sampleType.type), unit: typeName(sampleType.unit) };
  const given = { type: typeName(periodType.type), unit: typeName(periodType.unit) };
  const hasPeriod = given.type !== "";
  const found = isOnCpu(type, given) ? processCpu : known.get(`${type.type}/${type.unit}`);
  return {
    name: found?.name ?? labelName((hasPeriod ? given.type : type.type) || "unknown"),
    sampleType: type.type === "" ? { ...type, type: "unknown" } : type,
    periodType: hasPeriod ? given : (found?.periodType ?? NO_PERIOD),
  };
}

/** `samples/count` are ticks of the CPU's clock, unless their period is of something else. */
function isOnCpu({ type, unit }: TypeAndUnit, period: TypeAndUnit): boolean {
  return type === "samples" && unit === "count" && (period.type === "" || period.type === "cpu");
}

/** Pyroscope refuses `-` in a type and parts the names of types at `:`. */
function typeName(text: string): string {
  return text.replace(/[^\w.]/g, "_").slice(0, TYPE_CHARACTERS_MAX);
}

/** A type is part of the name by which a person picks a profile. */
const TYPE_CHARACTERS_MAX = 200;

/** The name of a label, in the characters that Prometheus has for it. */
export function labelName(key: string): string {
  const name = key.slice(0, LABEL_NAME_MAX).replace(/[^a-zA-Z0-9_]/g, "_");
  return /^[0-9]/.test(name) ? `_${name.slice(0, LABEL_NAME_MAX - 1)}` : name;
}

/** Bytes of a name that Pyroscope takes. */
const LABEL_NAME_MAX = 1024;
