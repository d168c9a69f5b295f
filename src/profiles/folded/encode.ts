import { limitExceeded } from "../../support/errors.ts";
import { VALUE_MAX } from "../../support/limits.ts";
import { escapeControl } from "../../support/logger.ts";
import type { Dictionary } from "../dictionary.ts";
import type { ProfileBatch } from "../profile.ts";
import {
  type Frame,
  FrameNames,
  type OwnedProfile,
  processName,
  profilesOfOneType,
  UNKNOWN_FRAME,
} from "../text/frames.ts";
import { TextWriter } from "../text/writer.ts";

/** The mark that flame graph tools colour kernel functions by. */
export const KERNEL_SUFFIX = "_[k]";

export interface FoldedOptions {
  /**
   * Whether each stack begins with the name of its process, as `perf script | stackcollapse`
   * writes it. Default true.
   */
  readonly processRoot?: boolean;
}

/**
 * Writes folded stacks: `root;…;leaf value`, one line for each distinct stack of the batch,
 * sorted. Of several sample types the on-CPU samples are written, else the first type.
 *
 * @throws LIMIT_EXCEEDED  a sum is not exact any more
 */
export function encodeFolded(batch: ProfileBatch, options: FoldedOptions = {}): Uint8Array {
  const folder = new Folder(batch.dictionary, options.processRoot ?? true);
  for (const owned of profilesOfOneType(batch)) folder.add(owned);
  return folder.write();
}

class Folder {
  readonly #dictionary: Dictionary;
  readonly #processRoot: boolean;
  readonly #frames: FrameNames;
  readonly #stackTexts = new Map<number, string>();
  readonly #sums = new Map<string, number>();

  constructor(dictionary: Dictionary, processRoot: boolean) {
    this.#dictionary = dictionary;
    this.#processRoot = processRoot;
    this.#frames = new FrameNames(dictionary);
  }

  add({ profile, resource }: OwnedProfile): void {
    const { samples } = profile;
    const process = this.#processRoot ? processName(resource.resource) : "";
    for (let sample = 0; sample < samples.length; sample++) {
      const root = process || this.#threadName(samples.attributeSet.at(sample));
      const stack = this.#stackText(samples.stack.at(sample));
      this.#sum(foldedLine(root, stack), samples.value.at(sample));
    }
  }

  write(): Uint8Array {
    const writer = new TextWriter();
    for (const line of [...this.#sums.keys()].sort()) {
      writer.write(`${line} ${this.#sums.get(line)}\n`);
    }
    return writer.finish();
  }

  /** Kernel threads have a thread name only. */
  #threadName(attributeSet: number): string {
    if (!this.#processRoot) return "";
    const name = this.#dictionary.findAttribute(attributeSet, "thread.name");
    return name?.type === "string" ? name.value : "";
  }

  #stackText(stack: number): string {
    const known = this.#stackTexts.get(stack);
    if (known !== undefined) return known;
    const text = this.#frames.ofStack(stack).reverse().map(foldedFrame).join(";");
    this.#stackTexts.set(stack, text);
    return text;
  }

  #sum(line: string, value: number): void {
    const sum = (this.#sums.get(line) ?? 0) + value;
    if (!Number.isSafeInteger(sum)) {
      throw limitExceeded("folded stacks", "sum of a stack", sum, VALUE_MAX);
    }
    this.#sums.set(line, sum);
  }
}

function foldedLine(root: string, stack: string): string {
  if (root === "") return stack || UNKNOWN_FRAME;
  return stack === "" ? harmless(root) : `${harmless(root)};${stack}`;
}

function foldedFrame({ name, type }: Frame): string {
  return type === "kernel" ? harmless(name) + KERNEL_SUFFIX : harmless(name);
}

/** A name that stays one frame of one line. */
function harmless(name: string): string {
  return escapeControl(name.replaceAll(";", ":"));
}
