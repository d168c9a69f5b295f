import { limitExceeded } from "../../support/errors.ts";
import { VALUE_MAX } from "../../support/limits.ts";
import { Float64Column, Int32Column } from "../columns.ts";
import {
  emptyProfile,
  type Profile,
  type SampleShape,
  Samples,
  type ValueType,
} from "../profile.ts";
import * as field from "./fields.ts";
import { INPUT_NAME, type OtlpInput } from "./input.ts";

const PROFILE_ID_BYTES = 16;

/** Reads a Profile, whose dictionary must have been read before. */
export function decodeProfile(input: OtlpInput): Profile {
  const { reader } = input;
  const outer = reader.enter();
  const profile = emptyProfile();
  let samples: SampleDecoder | undefined;
  // Not the input's own list, which samples that stand in between would overwrite.
  const attributes = new Int32Column();
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag === field.PROFILE_SAMPLES) {
      samples ??= new SampleDecoder(input, firstShape(input));
      samples.read();
    } else if (
      tag === field.PROFILE_ATTRIBUTE_INDICES ||
      tag === field.PROFILE_ATTRIBUTE_INDICES_UNPACKED
    ) {
      input.attributeIndices(tag, attributes);
    } else readField(input, profile, tag);
  }
  reader.leave(outer);
  profile.attributeSet = input.endAttributes("Profile.attribute_indices", attributes);
  if (samples) profile.samples = samples.samples;
  return profile;
}

function readField(input: OtlpInput, profile: Profile, tag: number): void {
  const { reader } = input;
  switch (tag) {
    case field.PROFILE_SAMPLE_TYPE:
      profile.sampleType = readValueType(input, profile.sampleType);
      return;
    case field.PROFILE_TIME_UNIX_NANO:
      profile.timeUnixNano = reader.fixed64BigInt();
      return;
    case field.PROFILE_DURATION_NANO:
      profile.durationNano = reader.uint64BigInt();
      return;
    case field.PROFILE_PERIOD_TYPE:
      profile.periodType = readValueType(input, profile.periodType);
      return;
    case field.PROFILE_PERIOD:
      profile.period = reader.int64Number("Profile.period");
      return;
    case field.PROFILE_PROFILE_ID:
      profile.profileId = readProfileId(input);
      return;
    case field.PROFILE_DROPPED_ATTRIBUTES_COUNT:
      profile.droppedAttributesCount = reader.uint32();
      return;
    case field.PROFILE_ORIGINAL_PAYLOAD_FORMAT:
      profile.originalPayloadFormat = input.string("Profile.original_payload_format");
      return;
    case field.PROFILE_ORIGINAL_PAYLOAD:
      profile.originalPayload = reader.lengthDelimited().slice();
      return;
    default:
      input.skipUnknown(tag, "Profile", 11);
  }
}

function readProfileId(input: OtlpInput): Uint8Array {
  const id = input.reader.lengthDelimited().slice();
  if (id.length !== 0 && id.length !== PROFILE_ID_BYTES) {
    throw input.reader.error(`Profile.profile_id has ${id.length} bytes instead of 16`);
  }
  return id;
}

function readValueType(input: OtlpInput, before: ValueType): ValueType {
  const { reader } = input;
  const outer = reader.enter();
  let { type, unit } = before;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    if (tag === field.VALUE_TYPE_TYPE_STRINDEX) type = input.stringIndex("ValueType.type_strindex");
    else if (tag === field.VALUE_TYPE_UNIT_STRINDEX)
      unit = input.stringIndex("ValueType.unit_strindex");
    else input.skipUnknown(tag, "ValueType", 2);
  }
  reader.leave(outer);
  return { type, unit };
}

/** The shape of the sample that comes next, which all samples of the profile must share. */
function firstShape(input: OtlpInput): SampleShape {
  const { reader } = input;
  const start = reader.offset;
  const outer = reader.enter();
  let hasValues = false;
  let hasTimestamps = false;
  while (reader.offset < reader.end) {
    const tag = reader.tag();
    const isEmptyList = (tag & 7) === 2 && reader.peekLength() === 0;
    if (tag >>> 3 === 4 && !isEmptyList) hasValues = true;
    if (tag >>> 3 === 5 && !isEmptyList) hasTimestamps = true;
    reader.skip(tag);
  }
  reader.leave(outer);
  reader.offset = start;
  if (!hasTimestamps) return "values";
  return hasValues ? "values_and_timestamps" : "timestamps";
}

/** Reads the samples of one profile straight into columns. */
class SampleDecoder {
  readonly samples: Samples;
  readonly #input: OtlpInput;
  /** Where values are read to: the profile's own column when each has a timestamp. */
  readonly #values: Float64Column;

  constructor(input: OtlpInput, shape: SampleShape) {
    this.#input = input;
    this.samples = new Samples(shape);
    this.#values =
      shape === "values_and_timestamps" ? this.samples.timestampValue : new Float64Column();
  }

  read(): void {
    const input = this.#input;
    const { reader, dictionary } = input;
    const samples = this.samples;
    if (++input.sampleCount > input.limits.samplesMax) {
      const { samplesMax } = input.limits;
      throw limitExceeded(INPUT_NAME, "samples", input.sampleCount, samplesMax);
    }
    if (samples.shape !== "values_and_timestamps") this.#values.length = 0;
    const valuesBefore = this.#values.length;
    const timestampsBefore = samples.timestampUnixNano.length;
    const outer = reader.enter();
    let stack = 0;
    let link = 0;
    input.beginAttributes();
    while (reader.offset < reader.end) {
      const tag = reader.tag();
      switch (tag) {
        case field.SAMPLE_STACK_INDEX:
          stack = input.index("Sample.stack_index", dictionary.stacks.length);
          break;
        case field.SAMPLE_LINK_INDEX:
          link = input.index("Sample.link_index", dictionary.links.length);
          input.hasPresentSample = true;
          break;
        case field.SAMPLE_VALUES:
          reader.packedInt64(this.#values, "Sample.values");
          input.hasPresentSample = true;
          break;
        case field.SAMPLE_ATTRIBUTE_INDICES:
        case field.SAMPLE_ATTRIBUTE_INDICES_UNPACKED:
          input.attributeIndices(tag);
          break;
        case field.SAMPLE_TIMESTAMPS_UNIX_NANO:
          reader.packedFixed64(samples.timestampUnixNano);
          break;
        default:
          this.#readUnpacked(tag);
      }
    }
    reader.leave(outer);
    const valueCount = this.#values.length - valuesBefore;
    const timestampCount = samples.timestampUnixNano.length - timestampsBefore;
    this.#checkShape(valueCount, timestampCount);
    // Before 1.10 these two were values and timestamps, and equally many.
    const attributeCount = input.listedAttributes;
    if (attributeCount > 0 && timestampCount > 0 && attributeCount !== timestampCount) {
      input.hasPresentSample = true;
    }
    const attributeSet = input.endAttributes("Sample.attribute_indices");
    if (samples.shape === "values") samples.push(stack, attributeSet, link, this.#values.at(0));
    else this.#pushTimed(stack, attributeSet, link);
  }

  #readUnpacked(tag: number): void {
    const { reader } = this.#input;
    if (tag === field.SAMPLE_VALUES_UNPACKED) {
      this.#values.push(reader.int64Number("Sample.values"));
    } else if (tag === field.SAMPLE_TIMESTAMPS_UNIX_NANO_UNPACKED) {
      reader.fixed64();
      this.samples.timestampUnixNano.push(reader.low, reader.high);
    } else this.#input.skipUnknown(tag, "Sample", 5);
  }

  #checkShape(valueCount: number, timestampCount: number): void {
    const { shape } = this.samples;
    const fits =
      shape === "values"
        ? valueCount === 1 && timestampCount === 0
        : shape === "timestamps"
          ? valueCount === 0 && timestampCount > 0
          : valueCount === timestampCount && timestampCount > 0;
    if (fits) return;
    throw this.#input.reader.error(
      `a Sample has ${valueCount} values and ${timestampCount} timestamps in a Profile of the ` +
        `shape "${shape}": one value, or only timestamps, or as many of each`,
    );
  }

  #pushTimed(stack: number, attributeSet: number, link: number): void {
    const { samples } = this;
    samples.pushTimed(stack, attributeSet, link);
    if (Math.abs(samples.value.at(samples.length - 1)) > VALUE_MAX) {
      throw this.#input.reader.error("the values of a Sample sum to more than 2^53");
    }
  }
}
