import { limitExceeded } from "../../support/errors.ts";
import { VALUE_MAX } from "../../support/limits.ts";
import type { Profile, ProfileBatch, ValueType } from "../profile.ts";
import {
  cpuPeriodNanos,
  type Frame,
  FrameNames,
  isOnCpu,
  type OwnedProfile,
  processName,
  resourceValue,
} from "../text/frames.ts";
import { TextWriter } from "../text/writer.ts";
import { SCHEMA_URL, type SourceNote, unitOf } from "./format.ts";

/**
 * Writes speedscope's JSON: one "sampled" profile for each profile of the batch, the frames
 * shared. On-CPU samples with a period are weighed in nanoseconds of CPU time.
 *
 * @throws LIMIT_EXCEEDED  a weight is not exact any more
 */
export function encodeSpeedscope(batch: ProfileBatch): Uint8Array {
  const encoder = new SpeedscopeEncoder(batch);
  const body = new TextWriter();
  let separator = "";
  for (const owned of batch.profiles()) {
    body.write(separator);
    encoder.writeProfile(body, owned);
    separator = ",\n";
  }
  return encoder.wholeFile(body.finish());
}

class SpeedscopeEncoder {
  readonly #batch: ProfileBatch;
  readonly #names: FrameNames;
  readonly #frames = new Map<string, number>();
  /** For each location the indices of its frames, outermost function first, as JSON. */
  readonly #locationTexts: (string | undefined)[] = [];

  constructor(batch: ProfileBatch) {
    this.#batch = batch;
    this.#names = new FrameNames(batch.dictionary);
  }

  writeProfile(writer: TextWriter, owned: OwnedProfile): void {
    const { profile } = owned;
    const { samples } = profile;
    const note = this.#noteOf(owned);
    const scale = note.scale ?? 1;
    writer.write(`{"type":"sampled","name":${JSON.stringify(profileName(note))},`);
    writer.write(`"unit":"${scale === 1 ? unitOf(note.sampleType[1]) : "nanoseconds"}",`);
    writer.write(`"startValue":0,"endValue":${exact(samples.total() * scale)},\n"samples":[`);
    for (let sample = 0; sample < samples.length; sample++) {
      writer.write(`${sample > 0 ? "," : ""}[${this.#stackText(samples.stack.at(sample))}]`);
    }
    writer.write('],\n"weights":[');
    for (let sample = 0; sample < samples.length; sample++) {
      writer.write(`${sample > 0 ? "," : ""}${exact(samples.value.at(sample) * scale)}`);
    }
    writer.write(`],\n"otlp":${JSON.stringify(note)}}`);
  }

  wholeFile(profiles: Uint8Array): Uint8Array {
    const head = new TextWriter();
    head.write(`{"$schema":"${SCHEMA_URL}","exporter":"obsforge",\n"shared":{"frames":[`);
    let separator = "";
    for (const frame of this.#frames.keys()) {
      head.write(separator + frame);
      separator = ",\n";
    }
    head.write(']},\n"profiles":[');
    const before = head.finish();
    const after = new TextEncoder().encode("]}\n");
    const file = new Uint8Array(before.length + profiles.length + after.length);
    file.set(before);
    file.set(profiles, before.length);
    file.set(after, before.length + profiles.length);
    return file;
  }

  #noteOf({ profile, resource }: OwnedProfile): SourceNote {
    const { dictionary } = this.#batch;
    const name = processName(resource.resource);
    const pid = resourceValue(resource.resource, "process.pid");
    const scale = isOnCpu(dictionary, profile) ? cpuPeriodNanos(dictionary, profile) : 0;
    return {
      sampleType: this.#typeTexts(profile.sampleType),
      periodType: this.#typeTexts(profile.periodType),
      period: profile.period,
      ...(scale > 0 && { scale }),
      ...this.#window(profile),
      ...(name !== "" && { processName: name }),
      ...(pid?.type === "int" && { processPid: String(pid.value) }),
    };
  }

  #typeTexts({ type, unit }: ValueType): [string, string] {
    const { strings } = this.#batch.dictionary;
    return [strings.at(type), strings.at(unit)];
  }

  #window({ timeUnixNano, durationNano }: Profile): Partial<SourceNote> {
    return {
      ...(timeUnixNano !== 0n && { timeUnixNano: String(timeUnixNano) }),
      ...(durationNano !== 0n && { durationNano: String(durationNano) }),
    };
  }

  #stackText(stack: number): string {
    const { stacks } = this.#batch.dictionary;
    const parts: string[] = [];
    for (let place = stacks.end(stack) - 1; place >= stacks.start(stack); place--) {
      parts.push(this.#locationText(stacks.item(place)));
    }
    return parts.join(",");
  }

  #locationText(location: number): string {
    const known = this.#locationTexts[location];
    if (known !== undefined) return known;
    const frames = this.#names.ofLocation(location).toReversed();
    const text = frames.map((frame) => this.#frameIndex(frame)).join(",");
    this.#locationTexts[location] = text;
    return text;
  }

  #frameIndex({ name, file, line, column }: Frame): number {
    const text = JSON.stringify({
      name,
      ...(file !== "" && { file }),
      ...(line > 0 && { line }),
      ...(column > 0 && { col: column }),
    });
    return this.#frames.getOrInsert(text, this.#frames.size);
  }
}

function profileName({ processName: name, processPid, sampleType }: SourceNote): string {
  const process = [name ?? "", processPid === undefined ? "" : `(${processPid})`];
  return process.filter((part) => part !== "").join(" ") || sampleType[0] || "profile";
}

function exact(value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw limitExceeded("speedscope profile", "weight", value, VALUE_MAX);
}
