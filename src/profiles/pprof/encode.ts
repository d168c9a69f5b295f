import { CollectorError } from "../../support/errors.ts";
import type { Dictionary } from "../dictionary.ts";
import type { Profile, ProfileBatch } from "../profile.ts";
import { ProtoWriter } from "../protobuf/writer.ts";
import { cpuPeriodNanos, isOnCpu } from "../text/frames.ts";
import { nodeZlib } from "../zlib.ts";
import { batchNotes, defaultSampleType, profileComments, profileText } from "./batch-notes.ts";
import { TableWriter } from "./encode-tables.ts";
import { type Label, LabelMaker } from "./labels.ts";
import { SampleTable } from "./sample-table.ts";
import { StringIndex } from "./string-index.ts";
import { ColumnPlan } from "./value-columns.ts";
import * as wire from "./wire.ts";

export interface PprofOptions {
  /** Whether the file is gzip-compressed, as pprof files are. Default true. */
  readonly gzip?: boolean;
}

/**
 * Writes the whole batch as one pprof profile with a value column for each sample type, counts
 * first. On-CPU samples with a period get a second column of CPU time. Timestamps become
 * counts; attributes of resources and samples become labels.
 *
 * @throws LIMIT_EXCEEDED  a sum is not exact any more
 */
export function encodePprof(batch: ProfileBatch, options: PprofOptions = {}): Uint8Array {
  const bytes = new PprofEncoder(batch).encode();
  if (options.gzip === false) return bytes;
  const zlib = nodeZlib();
  if (zlib === undefined) throw new CollectorError("UNSUPPORTED", "nothing here writes gzip");
  return zlib.gzipSync(bytes);
}

class PprofEncoder {
  readonly #batch: ProfileBatch;
  readonly #dictionary: Dictionary;
  readonly #writer = new ProtoWriter(64 * 1024);
  readonly #strings: StringIndex;
  readonly #plan: ColumnPlan;
  readonly #samples: SampleTable;
  readonly #tables: TableWriter;
  readonly #labels: LabelMaker;

  constructor(batch: ProfileBatch) {
    this.#batch = batch;
    this.#dictionary = batch.dictionary;
    this.#strings = new StringIndex(batch.dictionary);
    this.#plan = new ColumnPlan(batch);
    this.#samples = new SampleTable(batch, this.#plan);
    this.#tables = new TableWriter(batch, this.#plan, this.#samples, this.#strings);
    this.#labels = new LabelMaker(batch.dictionary, this.#samples, this.#strings, (location) =>
      this.#tables.derivedFrameType(location),
    );
  }

  encode(): Uint8Array {
    for (const { type, unit } of this.#plan.columns) {
      this.#valueType(wire.PROFILE_SAMPLE_TYPE, type, unit);
    }
    for (let row = 0; row < this.#samples.length; row++) this.#writeSample(row);
    this.#tables.write(this.#writer);
    this.#writeHeader();
    this.#writeNotes();
    for (const text of this.#strings.texts) {
      this.#writer.tag(wire.PROFILE_STRING_TABLE);
      this.#writer.string(text);
    }
    return this.#writer.finish();
  }

  #writeSample(row: number): void {
    const writer = this.#writer;
    const { stacks } = this.#dictionary;
    const stack = this.#samples.stack.at(row);
    writer.tag(wire.PROFILE_SAMPLE);
    const sample = writer.begin();
    const first = stacks.start(stack);
    const end = stacks.end(stack);
    if (first < end) {
      writer.tag(wire.SAMPLE_LOCATION_ID_PACKED);
      const ids = writer.begin();
      for (let place = first; place < end; place++) {
        writer.uint32(this.#tables.locationId(stacks.item(place)));
      }
      writer.end(ids);
    }
    writer.tag(wire.SAMPLE_VALUE_PACKED);
    const values = writer.begin();
    const { width } = this.#samples;
    for (let at = row * width; at < (row + 1) * width; at++) {
      writer.int64(this.#samples.values.at(at));
    }
    writer.end(values);
    this.#labels.forEachLabel(row, this.#writeLabel);
    writer.end(sample);
  }

  readonly #writeLabel = ({ key, str, num, unit }: Label): void => {
    const writer = this.#writer;
    writer.tag(wire.SAMPLE_LABEL);
    const label = writer.begin();
    writer.uint32Field(wire.LABEL_KEY, key);
    writer.uint32Field(wire.LABEL_STR, str);
    writer.int64BigIntField(wire.LABEL_NUM, num);
    writer.uint32Field(wire.LABEL_NUM_UNIT, unit);
    writer.end(label);
  };

  #writeHeader(): void {
    const writer = this.#writer;
    const text = (tag: number, content: string): void =>
      writer.uint32Field(tag, this.#strings.ofText(content));
    text(wire.PROFILE_DROP_FRAMES, profileText(this.#batch, "pprof.profile.drop_frames"));
    text(wire.PROFILE_KEEP_FRAMES, profileText(this.#batch, "pprof.profile.keep_frames"));
    const window = windowOf(this.#batch);
    writer.int64BigIntField(wire.PROFILE_TIME_NANOS, window.timeNanos);
    writer.int64BigIntField(wire.PROFILE_DURATION_NANOS, window.durationNanos);
    const source = periodSource(this.#batch);
    if (source) {
      const { strings } = this.#dictionary;
      const { type, unit } = source.periodType;
      this.#valueType(wire.PROFILE_PERIOD_TYPE, strings.at(type), strings.at(unit));
      writer.int64Field(wire.PROFILE_PERIOD, source.period);
    }
    for (const comment of profileComments(this.#batch)) {
      writer.tag(wire.PROFILE_COMMENT);
      writer.uint32(this.#strings.ofText(comment));
    }
    text(wire.PROFILE_DEFAULT_SAMPLE_TYPE, defaultSampleType(this.#batch, this.#plan));
    text(wire.PROFILE_DOC_URL, profileText(this.#batch, "pprof.profile.doc_url"));
  }

  #writeNotes(): void {
    const ofBatch = batchNotes(this.#batch, this.#plan, this.#labels);
    for (const notes of [ofBatch, this.#tables.notes, this.#labels.valueNotes()]) {
      for (const note of notes) {
        this.#writer.tag(wire.PROFILE_NOTE);
        this.#writer.string(note);
      }
    }
  }

  #valueType(tag: number, type: string, unit: string): void {
    const writer = this.#writer;
    writer.tag(tag);
    const valueType = writer.begin();
    writer.uint32Field(wire.VALUE_TYPE_TYPE, this.#strings.ofText(type));
    writer.uint32Field(wire.VALUE_TYPE_UNIT, this.#strings.ofText(unit));
    writer.end(valueType);
  }
}

/** The profile whose period the file has: the on-CPU one before any other. */
function periodSource(batch: ProfileBatch): Profile | undefined {
  const profiles = [...batch.profiles()].map(({ profile }) => profile);
  const isCpu = (profile: Profile): boolean =>
    isOnCpu(batch.dictionary, profile) && cpuPeriodNanos(batch.dictionary, profile) > 0;
  const hasPeriod = ({ period, periodType }: Profile): boolean =>
    period !== 0 || periodType.type !== 0 || periodType.unit !== 0;
  return profiles.find(isCpu) ?? profiles.find(hasPeriod);
}

/** From the first profile's beginning to the last one's end. */
function windowOf(batch: ProfileBatch): { timeNanos: bigint; durationNanos: bigint } {
  let start: bigint | undefined;
  let end = 0n;
  let longest = 0n;
  for (const { profile } of batch.profiles()) {
    const { timeUnixNano, durationNano } = profile;
    if (durationNano > longest) longest = durationNano;
    if (timeUnixNano === 0n) continue;
    if (start === undefined || timeUnixNano < start) start = timeUnixNano;
    if (timeUnixNano + durationNano > end) end = timeUnixNano + durationNano;
  }
  if (start === undefined) return { timeNanos: 0n, durationNanos: longest };
  return { timeNanos: start, durationNanos: end - start > longest ? end - start : longest };
}
