import { malformed } from "../../support/errors.ts";
import type { ProfileLimits } from "../../support/limits.ts";
import { intValue, type KeyValue, stringValue } from "../attribute-value.ts";
import {
  emptyProfile,
  type Profile,
  ProfileBatch,
  type Resource,
  type ResourceProfiles,
  type Samples,
} from "../profile.ts";
import { ProtoReader } from "../protobuf/reader.ts";
import { internAttributes } from "./attributes.ts";
import * as keys from "./batch-notes.ts";
import { SampleReader } from "./decode-samples.ts";
import { PprofTables } from "./decode-tables.ts";
import { inflated } from "./inflate.ts";
import type { Attribute, BatchNote } from "./notes.ts";
import { SAMPLE_TYPE_ORDER } from "./value-columns.ts";

const INPUT = "pprof";

/**
 * Reads a pprof profile, gzip-compressed or not: one OTLP profile for each value column.
 * Labels become sample attributes, what OTLP has no field for `pprof.*` attributes. A file that
 * `encodePprof` wrote comes back with its resources, links and frame types (see notes.ts).
 *
 * @throws INPUT_MALFORMED  it does not follow the format; names the offset
 * @throws LIMIT_EXCEEDED   more than the limits allow
 */
export function decodePprof(bytes: Uint8Array, limits: ProfileLimits): ProfileBatch {
  const reader = new ProtoReader(inflated(bytes, limits, INPUT), INPUT);
  const tables = new PprofTables(reader, limits);
  tables.read();
  const samples = new SampleReader(reader, tables, limits);
  samples.read();
  return new BatchBuilder(tables, samples).build();
}

class BatchBuilder {
  readonly #tables: PprofTables;
  readonly #samples: SampleReader;
  readonly #note: BatchNote;

  constructor(tables: PprofTables, samples: SampleReader) {
    this.#tables = tables;
    this.#samples = samples;
    this.#note = tables.notes.batch ?? {};
  }

  build(): ProfileBatch {
    const batch = new ProfileBatch(this.#tables.dictionary);
    const attributeSet = this.#profileAttributes();
    const columns = this.#keptColumns();
    for (const { resource, columns: samplesOf } of this.#samples.resources) {
      const profiles = columns
        .filter((column) => this.#samples.resources.length === 1 || hasSamples(samplesOf[column]))
        .map((column) => this.#profile(column, samplesOf[column] as Samples, attributeSet));
      batch.resourceProfiles.push(this.#resourceProfiles(resource, profiles));
    }
    return batch;
  }

  /** All but the column that was made from another. */
  #keptColumns(): number[] {
    const columns = this.#tables.header.sampleTypes.map((_, column) => column);
    const derived = this.#derivedColumn();
    return columns.filter((column) => column !== derived);
  }

  /** The column of CPU time, when it says nothing that the samples and the period do not. */
  #derivedColumn(): number {
    if (this.#note.cpuDerived !== true) return -1;
    const samples = this.#columnOf("samples", "count");
    const cpu = this.#columnOf("cpu", "nanoseconds");
    if (samples < 0 || cpu < 0) return -1;
    const period = this.#period(samples).period;
    const follows = this.#samples.resources.every(({ columns }) =>
      isMultiple(columns[cpu] as Samples, columns[samples] as Samples, period),
    );
    return follows ? cpu : -1;
  }

  #columnOf(typeText: string, unitText: string): number {
    const { strings } = this.#tables.dictionary;
    return this.#tables.header.sampleTypes.findIndex(
      ({ type, unit }) => strings.at(type) === typeText && strings.at(unit) === unitText,
    );
  }

  #profile(column: number, samples: Samples, attributeSet: number): Profile {
    const { header } = this.#tables;
    return {
      ...emptyProfile(),
      sampleType: header.sampleTypes[column] ?? { type: 0, unit: 0 },
      timeUnixNano: nanos(header.timeNanos, "time_nanos"),
      durationNano: nanos(header.durationNanos, "duration_nanos"),
      ...this.#period(column),
      attributeSet,
      samples,
    };
  }

  #period(column: number): Pick<Profile, "periodType" | "period"> {
    const { header, dictionary } = this.#tables;
    const noted = this.#note.periods?.[column];
    if (!noted) return { periodType: header.periodType, period: header.period };
    const [type, unit, period] = noted;
    const { strings } = dictionary;
    return { periodType: { type: strings.intern(type), unit: strings.intern(unit) }, period };
  }

  #profileAttributes(): number {
    const { header, dictionary } = this.#tables;
    const { strings } = dictionary;
    const list: Attribute[] = [...(this.#note.profileAttributes ?? [])];
    const text = (key: string, index: number): void => {
      const content = strings.at(index);
      if (content !== "") list.push({ key, value: stringValue(content), unit: "" });
    };
    if (header.comments.length > 0) {
      const comments = header.comments.map((comment) => stringValue(strings.at(comment)));
      const value = { type: "array", value: comments } as const;
      list.push({ key: keys.PROFILE_COMMENT_KEY, value, unit: "" });
    }
    text(keys.DOC_URL_KEY, header.docUrl);
    text(keys.DROP_FRAMES_KEY, header.dropFrames);
    text(keys.KEEP_FRAMES_KEY, header.keepFrames);
    return internAttributes(dictionary, list);
  }

  #resourceProfiles(resource: Resource, profiles: Profile[]): ResourceProfiles {
    const note = this.#note;
    return {
      resource,
      schemaUrl: note.resourceSchemaUrl ?? "",
      scopeProfiles: [
        {
          scope: {
            name: note.scopeName ?? "",
            version: note.scopeVersion ?? "",
            attributes: this.#scopeAttributes(),
            droppedAttributesCount: 0,
          },
          schemaUrl: note.scopeSchemaUrl ?? "",
          profiles,
        },
      ],
    };
  }

  /** What only a file that another program wrote has: its order of columns and its default. */
  #scopeAttributes(): KeyValue[] {
    const { header, dictionary, notes } = this.#tables;
    const noted = (this.#note.scopeAttributes ?? []).map(({ key, value }) => ({ key, value }));
    const attributes: KeyValue[] = [...noted];
    const name = dictionary.strings.at(header.defaultSampleType);
    if (name !== "" && !(this.#note.cpuDerived && name === "cpu")) {
      attributes.push({ key: keys.DEFAULT_SAMPLE_TYPE_KEY, value: stringValue(name) });
    }
    if (notes.batch === undefined) {
      const value = header.sampleTypes.map((_, column) => intValue(column));
      attributes.push({ key: SAMPLE_TYPE_ORDER, value: { type: "array", value } });
    }
    return attributes;
  }
}

function hasSamples(samples: Samples | undefined): boolean {
  return samples !== undefined && samples.length > 0;
}

/** Whether each value of one column is the other's times a factor, sample by sample. */
function isMultiple(products: Samples, values: Samples, factor: number): boolean {
  if (products.length !== values.length) return false;
  for (let row = 0; row < values.length; row++) {
    if (products.stack.at(row) !== values.stack.at(row)) return false;
    if (products.attributeSet.at(row) !== values.attributeSet.at(row)) return false;
    if (products.link.at(row) !== values.link.at(row)) return false;
    if (products.value.at(row) !== values.value.at(row) * factor) return false;
  }
  return true;
}

function nanos(value: bigint, what: string): bigint {
  if (value < 0n) throw malformed(INPUT, `${what} ${value} is negative`);
  return value;
}
