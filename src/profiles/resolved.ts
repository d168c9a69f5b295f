import type { AttributeValue, KeyValue } from "./attribute-value.ts";
import type { Dictionary } from "./dictionary.ts";
import type { Profile, ProfileBatch, ResourceProfiles, Scope, ScopeProfiles } from "./profile.ts";

/**
 * A batch without indices, as readable text: what two batches are compared by, whatever order
 * and numbers their tables have. For tests and debugging; it costs a hundred times the batch.
 */
export interface ResolvedSample {
  /** The resource's schema URL and attributes as `key="value"`, sorted. */
  readonly resource: readonly string[];
  /** Name, version, schema URL and attributes of the scope. */
  readonly scope: readonly string[];
  /** The sample type, as cpu. */
  readonly type: string;
  readonly unit: string;
  /** As `cpu/nanoseconds 10101010`; "" without a period. */
  readonly period: string;
  /** Attributes of the profile, sorted. */
  readonly profileAttributes: readonly string[];
  /** Leaf first; an inlined frame stands before the frame that contains it. */
  readonly stack: readonly string[];
  /** Attributes of the sample, sorted. */
  readonly attributes: readonly string[];
  /** Trace id/span id in hex; "" without a link. */
  readonly link: string;
  /** The sum over the window; the number of timestamps where they are all there is. */
  readonly value: number;
  /** As `unix nanoseconds` or `unix nanoseconds=value`, in order of time. */
  readonly timestamps: readonly string[];
}

export interface MultisetOptions {
  /** Parts of the sample that do not count, for formats that cannot hold them. */
  readonly omit?: readonly Exclude<keyof ResolvedSample, "value">[];
  /** How much of a frame counts: all of it, or its function's name (or else its address). */
  readonly frames?: FrameDetail;
}

export type FrameDetail = "full" | "names";

/** Every sample of the batch, sorted by its text. */
export function resolvedSamples(
  batch: ProfileBatch,
  frames: FrameDetail = "full",
): ResolvedSample[] {
  return sortedBy(unsortedSamples(batch, frames), (sample) => JSON.stringify(sample));
}

function unsortedSamples(batch: ProfileBatch, frames: FrameDetail): ResolvedSample[] {
  const resolver = new Resolver(batch.dictionary, frames);
  const samples: ResolvedSample[] = [];
  for (const { profile, scope, resource } of batch.profiles()) {
    resolver.resolve(profile, scope, resource, samples);
  }
  return samples;
}

/**
 * The sum of the values by everything else that a sample has, timestamps excepted: two batches
 * hold the same when their multisets are equal, however the values are split over samples.
 */
export function sampleMultiset(
  batch: ProfileBatch,
  options: MultisetOptions = {},
): Map<string, number> {
  const omitted = new Set<string>(["value", "timestamps", ...(options.omit ?? [])]);
  const sums = new Map<string, number>();
  for (const sample of unsortedSamples(batch, options.frames ?? "full")) {
    const key = JSON.stringify(
      Object.fromEntries(Object.entries(sample).filter(([name]) => !omitted.has(name))),
    );
    sums.set(key, (sums.get(key) ?? 0) + sample.value);
  }
  return sums;
}

class Resolver {
  readonly #dictionary: Dictionary;
  readonly #frames: FrameDetail;
  /** Frames by location index. */
  readonly #locations = new Map<number, string[]>();
  /** Frames by stack index. */
  readonly #stacks = new Map<number, string[]>();
  /** Attributes by attribute set. */
  readonly #sets = new Map<number, string[]>();

  constructor(dictionary: Dictionary, frames: FrameDetail) {
    this.#dictionary = dictionary;
    this.#frames = frames;
  }

  resolve(
    profile: Profile,
    scope: ScopeProfiles,
    resource: ResourceProfiles,
    into: ResolvedSample[],
  ): void {
    const { samples, sampleType, periodType, period } = profile;
    const { strings, links } = this.#dictionary;
    const head = {
      resource: [resource.schemaUrl, ...keyValueTexts(resource.resource.attributes)],
      scope: scopeTexts(scope.scope, scope.schemaUrl),
      type: strings.at(sampleType.type),
      unit: strings.at(sampleType.unit),
      period:
        period === 0
          ? ""
          : `${strings.at(periodType.type)}/${strings.at(periodType.unit)} ${period}`,
      profileAttributes: this.#attributes(profile.attributeSet),
    };
    for (let sample = 0; sample < samples.length; sample++) {
      const link = samples.link.at(sample);
      into.push({
        ...head,
        stack: this.#stack(samples.stack.at(sample)),
        attributes: this.#attributes(samples.attributeSet.at(sample)),
        link: links.traceId(link) === "" ? "" : `${links.traceId(link)}/${links.spanId(link)}`,
        value: samples.value.at(sample),
        timestamps: timestampTexts(profile, sample),
      });
    }
  }

  #stack(row: number): string[] {
    return this.#stacks.getOrInsertComputed(row, () =>
      [...this.#dictionary.stacks.row(row)].flatMap((location) =>
        this.#locations.getOrInsertComputed(location, () => this.#location(location)),
      ),
    );
  }

  #location(location: number): string[] {
    const { locations } = this.#dictionary;
    const start = locations.lineStart(location);
    const end = locations.lineEnd(location);
    const address = `0x${locations.address.bigint(location).toString(16)}`;
    if (this.#frames === "names") {
      if (start === end) return [address];
      return range(start, end).map((line) => this.#functionName(line) || address);
    }
    const place = `@ ${address} ${this.#mapping(locations.mapping.at(location))}`;
    const attributes = this.#attributes(locations.attributeSet.at(location)).join(" ");
    const suffix = `${place}${attributes && ` ${attributes}`}`;
    if (start === end) return [suffix];
    return range(start, end).map((line) =>
      line + 1 < end ? `${this.#line(line)} (inlined)` : `${this.#line(line)} ${suffix}`,
    );
  }

  #functionName(line: number): string {
    const { locations, functions, strings } = this.#dictionary;
    return strings.at(functions.name.at(locations.lineFunction.at(line)));
  }

  #line(line: number): string {
    const { locations, functions, strings } = this.#dictionary;
    const row = locations.lineFunction.at(line);
    const systemName = strings.at(functions.systemName.at(row));
    const startLine = functions.startLine.at(row);
    return [
      strings.at(functions.name.at(row)),
      systemName && `(${systemName})`,
      `${strings.at(functions.filename.at(row))}:${locations.lineNumber.at(line)}` +
        `:${locations.lineColumn.at(line)}`,
      startLine === 0 ? "" : `from ${startLine}`,
    ]
      .filter((part) => part !== "")
      .join(" ");
  }

  #mapping(row: number): string {
    if (row === 0) return "-";
    const mapping = this.#dictionary.mappings.at(row);
    const { memoryStart, memoryLimit, fileOffset } = mapping;
    const file = JSON.stringify(this.#dictionary.strings.at(mapping.filename));
    const place = [memoryStart, memoryLimit, fileOffset].map((part) => part.toString(16)).join("-");
    return `${file} ${place} [${this.#attributes(mapping.attributeSet).join(" ")}]`;
  }

  #attributes(set: number): string[] {
    return this.#sets.getOrInsertComputed(set, () =>
      [...this.#dictionary.attributeSets.row(set)].map((row) => this.#attribute(row)).sort(),
    );
  }

  #attribute(row: number): string {
    const { attributes, strings } = this.#dictionary;
    const unit = strings.at(attributes.unit.at(row));
    const text = `${strings.at(attributes.key.at(row))}=${readable(attributes.value(row))}`;
    return unit === "" ? text : `${text} ${unit}`;
  }
}

function timestampTexts({ samples }: Profile, sample: number): string[] {
  if (samples.shape === "values") return [];
  const texts = range(samples.timestampStart(sample), samples.timestampEnd(sample)).map((i) => {
    const time = samples.timestampUnixNano.bigint(i).toString().padStart(20, "0");
    return samples.shape === "timestamps" ? time : `${time}=${samples.timestampValue.at(i)}`;
  });
  return texts.sort();
}

function scopeTexts(scope: Scope, schemaUrl: string): string[] {
  return [scope.name, scope.version, schemaUrl, ...keyValueTexts(scope.attributes)];
}

function keyValueTexts(attributes: readonly KeyValue[]): string[] {
  return attributes.map(({ key, value }) => `${key}=${readable(value)}`).sort();
}

/** A text that shows the type: "5" is a string, 5 an integer, 5.0 a double. */
function readable(value: AttributeValue): string {
  switch (value.type) {
    case "empty":
      return "-";
    case "string":
      return JSON.stringify(value.value);
    case "double":
      return Object.is(value.value, -0) ? "-0.0" : doubleText(value.value);
    case "bytes":
      return `0x${value.value.toHex()}`;
    case "array":
      return `[${value.value.map(readable).join(", ")}]`;
    case "kvlist":
      return `{${value.value.map((entry) => `${entry.key}=${readable(entry.value)}`).join(", ")}}`;
    default:
      return String(value.value);
  }
}

function doubleText(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i);
}

function sortedBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Item[] {
  return items
    .map((item) => ({ item, key: keyOf(item) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ item }) => item);
}
