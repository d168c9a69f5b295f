import { limitExceeded, malformed } from "../../support/errors.ts";
import type { ProfileLimits } from "../../support/limits.ts";
import { escapeControl } from "../../support/logger.ts";
import { Int32Column } from "../columns.ts";
import { emptyProfile, ProfileBatch, type Samples } from "../profile.ts";
import { UNKNOWN_FRAME } from "../text/frames.ts";
import { type TextLine, textLines } from "../text/lines.ts";
import { KERNEL_SUFFIX } from "./encode.ts";

const INPUT = "folded stacks";

/**
 * Reads folded stacks, the input of flamegraph.pl:
 *
 *   root;caller;leaf 12
 *
 * Frames are functions by name and nothing else; the suffix `_[k]` makes a kernel frame. The
 * number after the last space is the count. Empty lines are skipped; control characters in names
 * become escapes.
 *
 * @throws INPUT_MALFORMED  a line that is not of this form; names its number
 * @throws LIMIT_EXCEEDED   more than the limits allow
 */
export function decodeFolded(bytes: Uint8Array, limits: ProfileLimits): ProfileBatch {
  const batch = new ProfileBatch();
  const { strings } = batch.dictionary;
  const profile = emptyProfile();
  profile.sampleType = { type: strings.intern("samples"), unit: strings.intern("count") };
  const reader = new FoldedReader(batch, profile.samples, limits);
  for (const line of textLines(bytes, limits, INPUT)) {
    if (line.text !== "") reader.read(line);
  }
  batch.resourceProfiles.push({
    resource: { attributes: [], droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [
      {
        scope: { name: "", version: "", attributes: [], droppedAttributesCount: 0 },
        schemaUrl: "",
        profiles: [profile],
      },
    ],
  });
  return batch;
}

class FoldedReader {
  readonly #batch: ProfileBatch;
  readonly #samples: Samples;
  readonly #limits: ProfileLimits;
  readonly #kernelFrames: number;
  /** Locations by the frame's text. */
  readonly #locations = new Map<string, number>();
  /** Samples by stack, so that equal stacks of several lines are one sample. */
  readonly #sampleOfStack = new Int32Column();

  constructor(batch: ProfileBatch, samples: Samples, limits: ProfileLimits) {
    this.#batch = batch;
    this.#samples = samples;
    this.#limits = limits;
    const { dictionary } = batch;
    this.#kernelFrames = dictionary.attributeSets.intern([
      dictionary.internStringAttribute("profile.frame.type", "kernel"),
    ]);
  }

  read({ text, number }: TextLine): void {
    const space = text.lastIndexOf(" ");
    const digits = text.slice(space + 1);
    if (space < 1 || !/^-?[0-9]{1,16}$/.test(digits)) {
      throw malformed(`${INPUT}, line ${number}`, "it is not `frame;frame;… count`");
    }
    // The sum with 0 makes 0 of "-0".
    const value = Number(digits) + 0;
    if (!Number.isSafeInteger(value)) throw limitAt(number, "count", value, 2 ** 53 - 1);
    const frames = text.slice(0, space).split(";");
    if (frames.length > this.#limits.stackDepthMax) {
      throw limitAt(number, "frames", frames.length, this.#limits.stackDepthMax);
    }
    const locations = frames.reverse().map((frame) => this.#locationOf(frame, number));
    this.#add(this.#batch.dictionary.stacks.intern(locations), value, number);
  }

  #add(stack: number, value: number, line: number): void {
    while (this.#sampleOfStack.length <= stack) this.#sampleOfStack.push(-1);
    const sample = this.#sampleOfStack.at(stack);
    if (sample < 0) {
      if (this.#samples.length >= this.#limits.samplesMax) {
        throw limitAt(line, "stacks", this.#samples.length + 1, this.#limits.samplesMax);
      }
      this.#sampleOfStack.data[stack] = this.#samples.length;
      this.#samples.push(stack, 0, 0, value);
      return;
    }
    const sum = this.#samples.value.at(sample) + value;
    if (!Number.isSafeInteger(sum)) throw limitAt(line, "sum of a stack", sum, 2 ** 53 - 1);
    this.#samples.value.data[sample] = sum;
  }

  #locationOf(frame: string, line: number): number {
    const known = this.#locations.get(frame);
    if (known !== undefined) return known;
    const { locations, functions, strings } = this.#batch.dictionary;
    if (locations.length >= this.#limits.tableRowsMax) {
      throw limitAt(line, "distinct frames", locations.length + 1, this.#limits.tableRowsMax);
    }
    const isKernel = frame.endsWith(KERNEL_SUFFIX);
    const name = escapeControl(isKernel ? frame.slice(0, -KERNEL_SUFFIX.length) : frame);
    const fn = functions.intern(strings.intern(name || UNKNOWN_FRAME), 0, 0, 0);
    const attributeSet = isKernel ? this.#kernelFrames : 0;
    const location = locations.intern(0, 0, 0, [fn, 0, 0], attributeSet);
    this.#locations.set(frame, location);
    return location;
  }
}

function limitAt(line: number, what: string, actual: number, limit: number): Error {
  return limitExceeded(`${INPUT}, line ${line}`, what, actual, limit);
}
