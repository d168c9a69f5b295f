import { limitExceeded } from "../../support/errors.ts";
import type { ProfileLimits } from "../../support/limits.ts";
import { type AttributeValue, stringValue } from "../attribute-value.ts";
import { Float64Column, Int32Column } from "../columns.ts";
import type { Dictionary } from "../dictionary.ts";
import { type Resource, Samples } from "../profile.ts";
import type { ProtoReader } from "../protobuf/reader.ts";
import { LabelReader } from "./decode-labels.ts";
import type { PprofTables } from "./decode-tables.ts";
import { FRAME_TYPE, parseFrameTypes } from "./frame-types.ts";
import * as wire from "./wire.ts";

/** The samples of one resource, one `Samples` for each column of the file. */
export interface ResourceSamples {
  readonly resource: Resource;
  readonly columns: readonly Samples[];
}

/** Each type costs a column; the conventions name fourteen. Labels with more stay labels. */
const FRAME_TYPES_MAX = 64;

/** Neighbouring frames of one type, with the locations of that type. */
interface TypedRun {
  readonly type: string;
  readonly count: number;
  readonly typed: Int32Column;
}

/** Reads the samples of a file whose tables are read. */
export class SampleReader {
  /** In the order in which they appear; one at least. */
  readonly resources: ResourceSamples[] = [];
  readonly #reader: ProtoReader;
  readonly #tables: PprofTables;
  readonly #dictionary: Dictionary;
  readonly #limits: ProfileLimits;
  readonly #labels: LabelReader;
  readonly #columnCount: number;
  readonly #resourceRows = new Map<number, number>();
  /** For each frame type the location of that type by the location in the file; 0 if not made. */
  readonly #typed = new Map<string, Int32Column>();
  readonly #frameTypes = new Map<
    string,
    { readonly runs: readonly TypedRun[]; readonly count: number }
  >();
  #sampleCount = 0;
  readonly #locations = new Int32Column();
  readonly #values = new Float64Column();

  constructor(reader: ProtoReader, tables: PprofTables, limits: ProfileLimits) {
    this.#reader = reader;
    this.#tables = tables;
    this.#dictionary = tables.dictionary;
    this.#limits = limits;
    this.#labels = new LabelReader(reader, tables, limits);
    this.#columnCount = tables.header.sampleTypes.length;
  }

  read(): void {
    const reader = this.#reader;
    reader.offset = 0;
    while (reader.offset < reader.end) {
      const tag = reader.tag();
      if (tag === wire.PROFILE_SAMPLE) this.#readSample();
      else reader.skip(tag);
    }
    if (this.resources.length === 0) this.#resource(0);
  }

  #readSample(): void {
    const reader = this.#reader;
    this.#countSample();
    this.#locations.length = 0;
    this.#values.length = 0;
    this.#labels.clear();
    const outer = reader.enter();
    while (reader.offset < reader.end) this.#readField(reader.tag());
    if (this.#values.length !== this.#columnCount) {
      throw reader.error(
        `a sample has ${this.#values.length} values for ${this.#columnCount} sample types`,
      );
    }
    reader.leave(outer);
    this.#addSample();
  }

  #readField(tag: number): void {
    const reader = this.#reader;
    switch (tag) {
      case wire.SAMPLE_LOCATION_ID_PACKED:
        this.#readLocations();
        return;
      case wire.SAMPLE_VALUE_PACKED:
        reader.packedInt64(this.#values, "a value");
        return;
      case wire.SAMPLE_LABEL:
        this.#labels.read();
        return;
      case wire.SAMPLE_LOCATION_ID:
        this.#readLocation();
        return;
      case wire.SAMPLE_VALUE:
        this.#values.push(reader.int64Number("a value"));
        return;
      default:
        reader.skip(tag);
    }
  }

  #readLocations(): void {
    const reader = this.#reader;
    const outer = reader.enter();
    while (reader.offset < reader.end) this.#readLocation();
    reader.leave(outer);
  }

  #readLocation(): void {
    const reader = this.#reader;
    const { stackDepthMax } = this.#limits;
    if (this.#locations.length >= stackDepthMax) {
      throw limitExceeded("pprof, stack", "locations", this.#locations.length + 1, stackDepthMax);
    }
    reader.uint64();
    this.#locations.push(this.#tables.locationRow(reader.low, reader.high));
  }

  #addSample(): void {
    const frameTypes = this.#labels.finish();
    if (frameTypes !== "") this.#applyFrameTypes(frameTypes);
    const { data, length } = this.#locations;
    const stack = this.#dictionary.stacks.intern(data, length);
    const { columns } = this.#resource(this.#labels.resourceSet);
    const { attributeSet, link } = this.#labels;
    const values = this.#values;
    let isZero = true;
    for (let column = 0; column < columns.length; column++) {
      const value = values.data[column] as number;
      if (value === 0) continue;
      isZero = false;
      (columns[column] as Samples).push(stack, attributeSet, link, value);
    }
    // A sample of zeros only still says that the stack was seen.
    if (isZero) columns[0]?.push(stack, attributeSet, link, 0);
  }

  #resource(resourceSet: number): ResourceSamples {
    const known = this.#resourceRows.get(resourceSet);
    if (known !== undefined) return this.resources[known] as ResourceSamples;
    const samples = {
      resource: {
        attributes: this.#labels.resourceAttributes(resourceSet),
        droppedAttributesCount: 0,
      },
      columns: Array.from({ length: this.#columnCount }, () => new Samples("values")),
    };
    this.#resourceRows.set(resourceSet, this.resources.push(samples) - 1);
    return samples;
  }

  /** Gives the sample's locations the types that its label says, or leaves the label alone. */
  #applyFrameTypes(text: string): void {
    const { data, length } = this.#locations;
    const { runs, count } = this.#frameTypes.getOrInsertComputed(text, () => this.#runsOf(text));
    if (count !== length) {
      this.#labels.keepFrameTypes();
      return;
    }
    let place = 0;
    for (const run of runs) {
      const { typed } = run;
      for (const end = place + run.count; place < end; place++) {
        const location = data[place] as number;
        const known = typed.at(location);
        data[place] = known > 0 ? known : this.#typeLocation(location, run);
      }
    }
  }

  #runsOf(text: string): { readonly runs: readonly TypedRun[]; readonly count: number } {
    const parsed = parseFrameTypes(text, this.#limits.stackDepthMax) ?? [];
    const types = new Set([...this.#typed.keys(), ...parsed.map(({ type }) => type)]);
    if (types.size > FRAME_TYPES_MAX) return { runs: [], count: -1 };
    const runs = parsed.map(({ type, count }) => {
      const typed = this.#typed.getOrInsertComputed(type, () => new Int32Column());
      return { type, count, typed };
    });
    return {
      runs,
      count: parsed.length === 0 ? -1 : runs.reduce((sum, run) => sum + run.count, 0),
    };
  }

  #typeLocation(location: number, { type, typed }: TypedRun): number {
    while (typed.length <= location) typed.push(0);
    const row = this.#withFrameType(location, type);
    typed.data[location] = row;
    return row;
  }

  /** The location itself when it is of the type, else a copy that is. */
  #withFrameType(location: number, type: string): number {
    const dictionary = this.#dictionary;
    const { locations, attributeSets, attributes, strings } = dictionary;
    const set = locations.attributeSet.at(location);
    const now: AttributeValue | undefined = dictionary.findAttribute(set, FRAME_TYPE);
    if ((now?.type === "string" ? now.value : "") === type) return location;
    const others = Array.from(attributeSets.row(set)).filter(
      (row) => strings.at(attributes.key.at(row)) !== FRAME_TYPE,
    );
    if (type !== "") {
      others.unshift(attributes.intern(strings.intern(FRAME_TYPE), stringValue(type), 0));
    }
    const lines: number[] = [];
    for (let at = locations.lineStart(location); at < locations.lineEnd(location); at++) {
      lines.push(
        locations.lineFunction.at(at),
        locations.lineNumber.at(at),
        locations.lineColumn.at(at),
      );
    }
    const { address, mapping } = locations;
    return locations.append(
      mapping.at(location),
      address.low(location),
      address.high(location),
      lines,
      attributeSets.intern(others),
    );
  }

  #countSample(): void {
    const { samplesMax } = this.#limits;
    if (++this.#sampleCount > samplesMax) {
      throw limitExceeded("pprof", "samples", this.#sampleCount, samplesMax);
    }
  }
}
