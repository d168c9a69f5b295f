import { tagOf, WIRE_BYTES } from "../../profiles/protobuf/reader.ts";
import { ProtoWriter } from "../../profiles/protobuf/writer.ts";
import type { Label } from "./labels.ts";

/**
 * push.v1.PushRequest, in protobuf:
 *
 *   PushRequest       1 series   repeated RawProfileSeries
 *   RawProfileSeries  1 labels   repeated LabelPair
 *                     2 samples  repeated RawSample
 *   LabelPair         1 name     2 value
 *   RawSample         1 raw_profile, gzipped pprof     2 ID, a UUID
 *
 * Source: grafana/pyroscope, api/push/v1/push.proto.
 */
const REQUEST_SERIES = tagOf(1, WIRE_BYTES);
const SERIES_LABELS = tagOf(1, WIRE_BYTES);
const SERIES_SAMPLES = tagOf(2, WIRE_BYTES);
const LABEL_NAME = tagOf(1, WIRE_BYTES);
const LABEL_VALUE = tagOf(2, WIRE_BYTES);
const SAMPLE_RAW_PROFILE = tagOf(1, WIRE_BYTES);
const SAMPLE_ID = tagOf(2, WIRE_BYTES);

/** One profile of one series. */
export interface RawProfile {
  readonly labels: readonly Label[];
  /** pprof, gzipped. */
  readonly bytes: Uint8Array;
  readonly id: string;
}

/** The bytes of a request. Profiles of one list of labels that follow one another are one series. */
export function encodePushRequest(profiles: readonly RawProfile[]): Uint8Array {
  const byteCount = profiles.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const writer = new ProtoWriter(byteCount + profiles.length * SERIES_BYTES);
  for (let at = 0; at < profiles.length; ) {
    const { labels } = profiles[at] as RawProfile;
    writer.tag(REQUEST_SERIES);
    const series = writer.begin();
    for (const label of labels) writeLabel(writer, label);
    for (; profiles[at]?.labels === labels; at++) writeSample(writer, profiles[at] as RawProfile);
    writer.end(series);
  }
  return writer.finish();
}

/** What labels and lengths of a series usually need. */
const SERIES_BYTES = 512;

function writeLabel(writer: ProtoWriter, [name, value]: Label): void {
  writer.tag(SERIES_LABELS);
  const label = writer.begin();
  writer.stringField(LABEL_NAME, name);
  writer.stringField(LABEL_VALUE, value);
  writer.end(label);
}

function writeSample(writer: ProtoWriter, { bytes, id }: RawProfile): void {
  writer.tag(SERIES_SAMPLES);
  const sample = writer.begin();
  writer.bytesField(SAMPLE_RAW_PROFILE, bytes);
  writer.stringField(SAMPLE_ID, id);
  writer.end(sample);
}
