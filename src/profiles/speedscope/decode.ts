import { limitExceeded } from "../../support/errors.ts";
import { type ProfileLimits, VALUE_MAX } from "../../support/limits.ts";
import { intValue, type KeyValue, stringValue } from "../attribute-value.ts";
import { emptyProfile, type Profile, ProfileBatch, type ValueType } from "../profile.ts";
import { UNKNOWN_FRAME } from "../text/frames.ts";
import { type JsonNode, parseJson } from "../text/json.ts";
import { nanosOf, type Unit, unitOf } from "./format.ts";

const INPUT = "speedscope profile";
/** OTLP's nanoseconds are signed numbers of 64 bits. */
const INT64_MAX = 2n ** 63n - 1n;

/**
 * Reads speedscope's JSON, "sampled" and "evented" profiles; events become the time that each
 * stack was open with nothing above it. Weights in a unit of time become whole nanoseconds,
 * the nearest; others must be whole. Frames are functions: name, file, line, column.
 *
 * @throws INPUT_MALFORMED  it is not of this format; names the path
 * @throws LIMIT_EXCEEDED   more than the limits allow
 */
export function decodeSpeedscope(bytes: Uint8Array, limits: ProfileLimits): ProfileBatch {
  const root = parseJson(bytes, limits, INPUT);
  return new SpeedscopeDecoder(limits).decode(root);
}

class SpeedscopeDecoder {
  readonly #limits: ProfileLimits;
  readonly #batch = new ProfileBatch();
  #frameCount = 0;
  /** Locations by frame index: not interned, so that the index is the row less one. */
  readonly #locations: number[] = [];
  #sampleCount = 0;

  constructor(limits: ProfileLimits) {
    this.#limits = limits;
  }

  decode(root: JsonNode): ProfileBatch {
    this.#readFrames(root.member("shared").member("frames"));
    const profiles = root.member("profiles");
    const { tableRowsMax } = this.#limits;
    const count = profiles.array().length;
    if (count > tableRowsMax) throw limitExceeded(INPUT, "profiles", count, tableRowsMax);
    for (let index = 0; index < count; index++) this.#readProfile(profiles.item(index));
    return this.#batch;
  }

  #readFrames(frames: JsonNode): void {
    this.#frameCount = frames.array().length;
    const { tableRowsMax } = this.#limits;
    if (this.#frameCount > tableRowsMax) {
      throw limitExceeded(frames.path, "frames", this.#frameCount, tableRowsMax);
    }
    const { strings, functions, locations } = this.#batch.dictionary;
    for (let index = 0; index < this.#frameCount; index++) {
      const frame = frames.item(index);
      const name = frame.member("name").text(this.#limits) || UNKNOWN_FRAME;
      const file = frame.member("file");
      const filename = file.isThere ? strings.intern(file.text(this.#limits)) : 0;
      const fn = functions.intern(strings.intern(name), 0, filename, 0);
      const lines = [fn, position(frame.member("line")), position(frame.member("col"))];
      this.#locations.push(locations.intern(0, 0, 0, lines, 0));
    }
  }

  #readProfile(node: JsonNode): void {
    const type = node.member("type").value;
    const unitText = node.member("unit");
    const unit = unitOf(unitText.isThere ? unitText.text(this.#limits) : "none");
    const profile = emptyProfile();
    const scale = this.#readNote(node, profile, unit);
    const sink = new SampleSink(this.#batch, profile, scale);
    if (type === "sampled") this.#readSampled(node, unit, sink);
    else if (type === "evented") this.#readEvented(node, unit, sink);
    else throw node.error('its type is neither "sampled" nor "evented"');
    this.#push(node, profile);
  }

  #readSampled(node: JsonNode, unit: Unit, sink: SampleSink): void {
    const samples = node.member("samples");
    const weights = node.member("weights");
    const count = samples.array().length;
    if (weights.array().length !== count) {
      throw weights.error(`${weights.array().length} weights for ${count} samples`);
    }
    for (let index = 0; index < count; index++) {
      this.#countSample(samples);
      const frames = samples.item(index);
      const depth = frames.array().length;
      this.#checkDepth(frames, depth);
      const stack: number[] = [];
      for (let at = depth - 1; at >= 0; at--) stack.push(this.#location(frames.item(at)));
      const weight = weights.item(index);
      sink.add(stack, wholeWeight(weight, weight.number(), unit), weight);
    }
  }

  #readEvented(node: JsonNode, unit: Unit, sink: SampleSink): void {
    const events = node.member("events");
    const count = events.array().length;
    const open: number[] = [];
    let last = 0;
    for (let index = 0; index < count; index++) {
      this.#countSample(events);
      const event = events.item(index);
      const at = wholeWeight(event.member("at"), event.member("at").number(), unit);
      if (index > 0 && at < last) throw event.error("it is earlier than the event before it");
      if (at > last && open.length > 0) sink.add(open.toReversed(), at - last, event);
      last = at;
      this.#applyEvent(event, open);
    }
    if (open.length > 0) throw events.error(`${open.length} frames are not closed`);
  }

  #applyEvent(event: JsonNode, open: number[]): void {
    const location = this.#location(event.member("frame"));
    const type = event.member("type").value;
    if (type === "O") {
      open.push(location);
      this.#checkDepth(event, open.length);
      return;
    }
    if (type !== "C") throw event.error('its type is neither "O" nor "C"');
    if (open.pop() !== location) throw event.error("it closes a frame that is not the last opened");
  }

  #location(node: JsonNode): number {
    const index = node.number();
    const location = Number.isInteger(index) && index >= 0 ? this.#locations[index] : undefined;
    if (location === undefined) {
      throw node.error(`frame ${index} is not one of ${this.#frameCount}`);
    }
    return location;
  }

  #checkDepth(node: JsonNode, depth: number): void {
    const { stackDepthMax } = this.#limits;
    if (depth > stackDepthMax) throw limitExceeded(node.path, "frames", depth, stackDepthMax);
  }

  #countSample(node: JsonNode): void {
    const { samplesMax } = this.#limits;
    if (++this.#sampleCount > samplesMax) {
      throw limitExceeded(node.path, "samples", this.#sampleCount, samplesMax);
    }
  }

  /** Sets the profile's types; returns what its weights are to be divided by. */
  #readNote(node: JsonNode, profile: Profile, unit: Unit): number {
    const note = node.member("otlp");
    if (!note.isThere) {
      profile.sampleType = this.#valueType(...foreignType(unit));
      return 1;
    }
    profile.sampleType = this.#typeOf(note.member("sampleType"));
    profile.periodType = this.#typeOf(note.member("periodType"));
    profile.period = whole(note.member("period"));
    profile.timeUnixNano = nanos(note.member("timeUnixNano"));
    profile.durationNano = nanos(note.member("durationNano"));
    const scale = note.member("scale");
    if (!scale.isThere) return 1;
    const divisor = whole(scale);
    if (divisor < 1) throw scale.error("it is below 1");
    return divisor;
  }

  #typeOf(node: JsonNode): ValueType {
    return this.#valueType(node.item(0).text(this.#limits), node.item(1).text(this.#limits));
  }

  #valueType(type: string, unit: string): ValueType {
    const { strings } = this.#batch.dictionary;
    return { type: strings.intern(type), unit: strings.intern(unit) };
  }

  #push(node: JsonNode, profile: Profile): void {
    this.#batch.resourceProfiles.push({
      resource: { attributes: this.#processAttributes(node), droppedAttributesCount: 0 },
      schemaUrl: "",
      scopeProfiles: [
        {
          scope: { name: "", version: "", attributes: [], droppedAttributesCount: 0 },
          schemaUrl: "",
          profiles: [profile],
        },
      ],
    });
  }

  #processAttributes(node: JsonNode): KeyValue[] {
    const note = node.member("otlp");
    if (!note.isThere) return [];
    const attributes: KeyValue[] = [];
    const pid = note.member("processPid");
    if (pid.isThere) attributes.push({ key: "process.pid", value: intValue(nanos(pid)) });
    const name = note.member("processName");
    const text = name.isThere ? name.text(this.#limits) : "";
    if (text !== "") attributes.push({ key: "process.executable.name", value: stringValue(text) });
    return attributes;
  }
}

/** Sums what equal stacks weigh: OTLP's sample identity. */
class SampleSink {
  readonly #batch: ProfileBatch;
  readonly #profile: Profile;
  readonly #scale: number;
  readonly #sampleOfStack = new Map<number, number>();

  constructor(batch: ProfileBatch, profile: Profile, scale: number) {
    this.#batch = batch;
    this.#profile = profile;
    this.#scale = scale;
  }

  /** @param stack  locations, leaf first */
  add(stack: readonly number[], weight: number, node: JsonNode): void {
    const value = weight / this.#scale;
    if (!Number.isInteger(value)) throw node.error(`it is no multiple of ${this.#scale}`);
    const { samples } = this.#profile;
    const row = this.#batch.dictionary.stacks.intern(stack);
    const sample = this.#sampleOfStack.get(row);
    if (sample === undefined) {
      this.#sampleOfStack.set(row, samples.length);
      samples.push(row, 0, 0, value);
      return;
    }
    const sum = samples.value.at(sample) + value;
    if (!Number.isSafeInteger(sum)) throw limitExceeded(node.path, "sum", sum, VALUE_MAX);
    samples.value.data[sample] = sum;
  }
}

function foreignType(unit: Unit): [string, string] {
  if (nanosOf(unit) > 0) return ["cpu", "nanoseconds"];
  return unit === "bytes" ? ["space", "bytes"] : ["samples", "count"];
}

function wholeWeight(node: JsonNode, weight: number, unit: Unit): number {
  const nanosPerUnit = nanosOf(unit);
  const value = nanosPerUnit > 0 ? Math.round(weight * nanosPerUnit) + 0 : weight;
  if (!Number.isInteger(value)) throw node.error(`${weight} is not whole`);
  if (!Number.isSafeInteger(value)) throw limitExceeded(node.path, "value", value, VALUE_MAX);
  return value;
}

/** A line or column: 0 when it is not there. */
function position(node: JsonNode): number {
  return node.isThere ? whole(node) : 0;
}

function whole(node: JsonNode): number {
  const value = node.number();
  if (!Number.isSafeInteger(value) || value < 0) throw node.error("it is not a whole number");
  return value;
}

/** A 64-bit integer written as decimal text; 0 when it is not there. */
function nanos(node: JsonNode): bigint {
  if (!node.isThere) return 0n;
  const { value } = node;
  if (typeof value !== "string" || !/^[0-9]{1,19}$/.test(value)) {
    throw node.error("it is not a decimal number");
  }
  const number = BigInt(value);
  if (number > INT64_MAX) throw node.error("it is beyond 64 bits");
  return number;
}
