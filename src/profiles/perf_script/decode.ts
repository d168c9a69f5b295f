import { limitExceeded, malformed } from "../../support/errors.ts";
import type { ProfileLimits } from "../../support/limits.ts";
import type { ProfileBatch } from "../profile.ts";
import { type TextLine, textLines } from "../text/lines.ts";
import { BatchBuilder } from "./builder.ts";
import { type FrameLine, type Header, parseFrame, parseHeader, parseSourceLine } from "./lines.ts";

const INPUT = "perf script";

/** A frame with the source line that may stand below it. */
export interface SourcedFrame extends FrameLine {
  sourceFile: string;
  sourceLine: number;
}

/**
 * Reads the text of `perf script`: one resource for each process, one profile for each event,
 * one sample for each stack, thread and CPU. Times are perf's own clock, so only how long the
 * recording took is kept.
 *
 * @throws INPUT_MALFORMED  a line that is neither a sample's first nor a frame; names its number
 * @throws LIMIT_EXCEEDED   more than the limits allow
 */
export function decodePerfScript(bytes: Uint8Array, limits: ProfileLimits): ProfileBatch {
  const decoder = new PerfScriptDecoder(limits);
  for (const line of textLines(bytes, limits, INPUT)) decoder.read(line);
  return decoder.finish();
}

class PerfScriptDecoder {
  readonly #limits: ProfileLimits;
  readonly #builder: BatchBuilder;
  #header: Header | undefined;
  #frames: SourcedFrame[] = [];
  #sampleCount = 0;

  constructor(limits: ProfileLimits) {
    this.#limits = limits;
    this.#builder = new BatchBuilder(limits);
  }

  read(line: TextLine): void {
    const { text } = line;
    if (text.trim() === "") this.#endSample();
    else if (this.#header && /^\s/.test(text) && this.#readInside(line)) return;
    else if (!isAside(text)) this.#beginSample(line);
  }

  finish(): ProfileBatch {
    this.#endSample();
    return this.#builder.build();
  }

  #beginSample({ text, number }: TextLine): void {
    this.#endSample();
    const header = parseHeader(text);
    if (!header) {
      throw malformed(
        `${INPUT}, line ${number}`,
        "it is neither a sample's first line nor a frame",
      );
    }
    const { samplesMax } = this.#limits;
    if (++this.#sampleCount > samplesMax) {
      throw limitExceeded(`${INPUT}, line ${number}`, "samples", this.#sampleCount, samplesMax);
    }
    this.#header = header;
    const frame = header.rest === "" ? undefined : parseFrame(header.rest);
    if (!frame) return;
    this.#addFrame(frame, number);
    this.#endSample();
  }

  /** A frame or its source line; false when the line belongs to no open sample. */
  #readInside({ text, number }: TextLine): boolean {
    const frame = parseFrame(text);
    if (frame) {
      this.#addFrame(frame, number);
      return true;
    }
    if (parseHeader(text)?.event) return false;
    const last = this.#frames.at(-1);
    const source = last && parseSourceLine(text);
    if (source) {
      last.sourceFile = source.file;
      last.sourceLine = source.line;
      return true;
    }
    if (last && last.address !== 0n) return true;
    this.#addFrame({ address: 0n, symbol: text.trim(), file: "", isInlined: false }, number);
    return true;
  }

  #addFrame(frame: FrameLine, line: number): void {
    const { stackDepthMax } = this.#limits;
    if (this.#frames.length >= stackDepthMax) {
      const depth = this.#frames.length + 1;
      throw limitExceeded(`${INPUT}, line ${line}`, "frames", depth, stackDepthMax);
    }
    this.#frames.push({ ...frame, sourceFile: "", sourceLine: 0 });
  }

  #endSample(): void {
    if (!this.#header) return;
    this.#builder.add(this.#header, this.#frames);
    this.#header = undefined;
    this.#frames = [];
  }
}

/** Comments of `--header`, and events that are no samples. */
function isAside(text: string): boolean {
  return text.startsWith("#") || text.slice(0, 256).includes("PERF_RECORD_");
}
