import type { KeyValue } from "../../profiles/attribute-value.ts";
import { valueText } from "../../profiles/attribute-value.ts";
import type { Dictionary } from "../../profiles/dictionary.ts";
import type { Profile, ProfileBatch } from "../../profiles/profile.ts";
import { type Frame, FrameNames, sampleTypeText } from "../../profiles/text/frames.ts";
import { escapeControl } from "../../support/logger.ts";

export type Verbosity = "basic" | "normal" | "detailed";

/** Lines shown of one batch: a person reads them. */
export const LINES_MAX = 500;
/** Names made by C++ templates reach kilobytes. */
export const LINE_CHARACTERS_MAX = 1000;

/**
 * A batch as lines for a person, without what `basic` says. At most LINES_MAX, the last of which
 * then says what is not shown. Names from profiled processes are escaped [S18].
 */
export function batchLines(batch: ProfileBatch, verbosity: Verbosity): string[] {
  if (verbosity === "basic") return [];
  const lines = new LineWriter(batch, verbosity).lines();
  return lines.map(fitLine);
}

class LineWriter {
  readonly #batch: ProfileBatch;
  readonly #verbosity: Verbosity;
  readonly #frames: FrameNames;
  readonly #lines: string[] = [];
  #profilesLeft = 0;
  #samplesLeft: number;

  constructor(batch: ProfileBatch, verbosity: Verbosity) {
    this.#batch = batch;
    this.#verbosity = verbosity;
    this.#frames = new FrameNames(batch.dictionary);
    this.#profilesLeft = batch.profiles().reduce((count) => count + 1, 0);
    this.#samplesLeft = verbosity === "detailed" ? batch.sampleCount : 0;
  }

  lines(): string[] {
    for (const resource of this.#batch.resourceProfiles) {
      this.#push(`Resource${keyValuesText(resource.resource.attributes)}`);
      for (const { profiles } of resource.scopeProfiles) {
        for (const profile of profiles) this.#addProfile(profile);
      }
      if (this.#isFull) break;
    }
    if (this.#profilesLeft + this.#samplesLeft > 0) this.#lines.push(this.#restText());
    return this.#lines;
  }

  get #isFull(): boolean {
    return this.#lines.length >= LINES_MAX - 1;
  }

  /** True when there was room for the line; the last one is for what is not shown. */
  #push(line: string): boolean {
    if (this.#isFull) return false;
    this.#lines.push(line);
    return true;
  }

  #addProfile(profile: Profile): void {
    if (!this.#push(`  ${profileText(this.#batch.dictionary, profile)}`)) return;
    this.#profilesLeft--;
    if (this.#verbosity !== "detailed") return;
    for (let sample = 0; sample < profile.samples.length; sample++) {
      if (!this.#addSample(profile, sample)) return;
    }
  }

  #addSample({ samples }: Profile, sample: number): boolean {
    const { dictionary } = this.#batch;
    const attributes = attributesText(dictionary, samples.attributeSet.at(sample));
    const link = linkText(dictionary, samples.link.at(sample));
    const times = timesText(samples.timestampEnd(sample) - samples.timestampStart(sample));
    const timed = samples.shape === "values" ? "" : times;
    if (!this.#push(`    Sample ${samples.value.at(sample)}${timed}${attributes}${link}`)) {
      return false;
    }
    this.#samplesLeft--;
    return this.#frames
      .ofStack(samples.stack.at(sample))
      .every((frame) => this.#push(`      ${frameText(frame)}`));
  }

  #restText(): string {
    const counts = [
      [this.#profilesLeft, "profiles"],
      [this.#samplesLeft, "samples"],
    ] as const;
    const shown = counts.filter(([count]) => count > 0).map(([count, of]) => `${count} more ${of}`);
    return `… ${shown.join(", ")}`;
  }
}

/** Types, period and window; then what there is of samples and their sum. */
function profileText(dictionary: Dictionary, profile: Profile): string {
  const { strings } = dictionary;
  const { samples, period, periodType, timeUnixNano, durationNano } = profile;
  const periodUnit = `${strings.at(periodType.type)}/${strings.at(periodType.unit)}`;
  return [
    `Profile ${sampleTypeText(dictionary, profile)}`,
    ...(period === 0 ? [] : [`period=${period} ${periodUnit}`]),
    `start=${timeText(timeUnixNano)}`,
    `duration=${Number(durationNano) / 1e9}s`,
    `samples=${samples.length}`,
    `sum=${samples.total()}${attributesText(dictionary, profile.attributeSet)}`,
  ].join(" ");
}

function timeText(unixNano: bigint): string {
  const time = new Date(Number(unixNano / 1_000_000n));
  return unixNano === 0n || Number.isNaN(time.valueOf()) ? String(unixNano) : time.toISOString();
}

function timesText(count: number): string {
  return ` at ${count} times`;
}

function attributesText(dictionary: Dictionary, attributeSet: number): string {
  const { attributes, attributeSets, strings } = dictionary;
  return Array.from(attributeSets.row(attributeSet), (row) => {
    const unit = strings.at(attributes.unit.at(row));
    const text = pairText(strings.at(attributes.key.at(row)), valueText(attributes.value(row)));
    return unit === "" ? text : `${text} ${unit}`;
  }).join("");
}

function keyValuesText(attributes: readonly KeyValue[]): string {
  return attributes.map(({ key, value }) => pairText(key, valueText(value))).join("");
}

function pairText(key: string, value: string): string {
  return ` ${key}=${value}`;
}

function linkText({ links }: Dictionary, link: number): string {
  const traceId = links.traceId(link);
  return traceId === "" ? "" : ` trace_id=${traceId} span_id=${links.spanId(link)}`;
}

function frameText({ name, file, line, type }: Frame): string {
  const place = file === "" ? "" : ` ${file}:${line}`;
  return `${name}${place}${type === "" ? "" : ` [${type}]`}`;
}

/** Escaped after it is cut, so that the work is bounded, and cut again. */
function fitLine(line: string): string {
  const escaped = escapeControl(line.slice(0, LINE_CHARACTERS_MAX));
  const isCut = line.length > LINE_CHARACTERS_MAX || escaped.length > LINE_CHARACTERS_MAX;
  return isCut ? `${escaped.slice(0, LINE_CHARACTERS_MAX - 1)}…` : escaped;
}
