import type { Palette } from "./palette.ts";
import { COLOUR_COUNT, DIMMED, RUN } from "./palette.ts";
import { TextFit } from "./text-fit.ts";
import type { VisibleFrames } from "./visible-frames.ts";

/** What the painter asks about the tree. */
export interface FrameLook {
  /** The frame's place in the palette. */
  colour(node: number): number;
  /** A run's place in the palette: RUN, or MATCH when a search found something in it. */
  runColour(node: number): number;
  label(node: number): string;
  /** Where a line marks the frame: new ones are underlined, vanished ones struck through. */
  mark(node: number): "none" | "under" | "through";
}

/** Sizes in device pixels. */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly ratio: number;
}

/** What frames are painted on and with. */
export interface Scene {
  readonly canvas: Canvas;
  readonly palette: Palette;
  /** Top of a level in device pixels. */
  readonly yOf: (level: number) => number;
}

/** Heights and widths in CSS pixels, multiplied by the screen's ratio when painted. */
export const ROW_HEIGHT = 20;
const FONT_SIZE = 12;
const LABEL_PADDING = 4;
const LABEL_WIDTH_MIN = 22;

/** Labels painted in one frame at most: 4K full of them, and a bound on what a frame may cost. */
const LABELS_MAX = 6000;

/** Paints visible frames: first all boxes, colour by colour, then all labels. */
export class Painter {
  readonly #context: CanvasRenderingContext2D;
  #font = "";
  #fit: TextFit | undefined;
  /** Visible frames sorted by colour, and the end of each colour among them. */
  #order: Int32Array = new Int32Array(1024);
  readonly #ends: Int32Array = new Int32Array(COLOUR_COUNT);
  #colours: Uint8Array = new Uint8Array(1024);

  constructor(context: CanvasRenderingContext2D) {
    this.#context = context;
    // The font is found and measured before the first frame has to be painted.
    this.#textFit(devicePixelRatio);
  }

  paint(frames: VisibleFrames, look: FrameLook, scene: Scene): void {
    const { canvas, palette, yOf } = scene;
    const context = this.#context;
    context.fillStyle = palette.background;
    context.fillRect(0, 0, canvas.width, canvas.height);
    this.#sort(frames, look);
    const height = ROW_HEIGHT * canvas.ratio - 1;
    let place = 0;
    for (let colour = 0; colour < COLOUR_COUNT; colour++) {
      const end = this.#ends[colour] ?? 0;
      if (place === end) continue;
      context.fillStyle = palette.frames[colour] ?? palette.background;
      for (; place < end; place++) {
        const at = this.#order[place] ?? 0;
        const left = Math.round(frames.x[at] ?? 0);
        const right = Math.round((frames.x[at] ?? 0) + (frames.width[at] ?? 0));
        // A line of background parts a frame from its neighbour where there is room for it.
        const width = right - left > 3 ? right - left - 1 : Math.max(1, right - left);
        context.fillRect(left, Math.round(yOf(frames.level[at] ?? 0)), width, height);
      }
    }
    this.#paintMarks(frames, look, scene);
    this.#paintLabels(frames, look, scene);
  }

  #paintMarks(frames: VisibleFrames, look: FrameLook, { canvas, palette, yOf }: Scene): void {
    const context = this.#context;
    context.fillStyle = palette.text;
    const line = Math.max(1, Math.round(1.5 * canvas.ratio));
    for (let at = 0; at < frames.count; at++) {
      const mark = frames.isRun[at] === 1 ? "none" : look.mark(frames.node[at] ?? 0);
      if (mark === "none") continue;
      const down = markPlace(mark) * canvas.ratio;
      const top = Math.round(yOf(frames.level[at] ?? 0) + down);
      const left = Math.round(frames.x[at] ?? 0);
      context.fillRect(left, top, Math.max(1, Math.round(frames.width[at] ?? 0) - 1), line);
    }
  }

  /** Draws a line around a frame. */
  outline(box: { x: number; y: number; width: number }, colour: string, canvas: Canvas): void {
    const context = this.#context;
    const line = 2 * canvas.ratio;
    context.strokeStyle = colour;
    context.lineWidth = line;
    const width = Math.max(line, Math.round(box.width));
    context.strokeRect(
      Math.round(box.x) + line / 2,
      Math.round(box.y) + line / 2,
      Math.max(1, width - line),
      ROW_HEIGHT * canvas.ratio - 1 - line,
    );
  }

  #sort(frames: VisibleFrames, look: FrameLook): void {
    const { count } = frames;
    if (this.#order.length < count) {
      this.#order = new Int32Array(count * 2);
      this.#colours = new Uint8Array(count * 2);
    }
    const ends = this.#ends.fill(0);
    for (let at = 0; at < count; at++) {
      const node = frames.node[at] ?? 0;
      const colour = frames.isRun[at] === 1 ? look.runColour(node) : look.colour(node);
      this.#colours[at] = colour;
      ends[colour] = (ends[colour] ?? 0) + 1;
    }
    let sum = 0;
    for (let colour = 0; colour < COLOUR_COUNT; colour++) {
      const size = ends[colour] ?? 0;
      ends[colour] = sum;
      sum += size;
    }
    for (let at = 0; at < count; at++) {
      const colour = this.#colours[at] ?? 0;
      const place = ends[colour] ?? 0;
      ends[colour] = place + 1;
      this.#order[place] = at;
    }
  }

  #paintLabels(frames: VisibleFrames, look: FrameLook, { canvas, palette, yOf }: Scene): void {
    const context = this.#context;
    const { ratio } = canvas;
    const fit = this.#textFit(ratio);
    context.textBaseline = "middle";
    const padding = LABEL_PADDING * ratio;
    const middle = (ROW_HEIGHT * ratio) / 2;
    let labels = 0;
    let colour = "";
    for (let at = 0; at < frames.count && labels < LABELS_MAX; at++) {
      const width = frames.width[at] ?? 0;
      if (width < LABEL_WIDTH_MIN * ratio || frames.isRun[at] === 1) continue;
      const text = fit.fit(look.label(frames.node[at] ?? 0), width - 2 * padding);
      if (text === "") continue;
      const place = this.#colours[at] ?? 0;
      const wanted = place === DIMMED || place === RUN ? palette.dimmedText : palette.text;
      if (wanted !== colour) context.fillStyle = colour = wanted;
      context.fillText(
        text,
        Math.round((frames.x[at] ?? 0) + padding),
        Math.round(yOf(frames.level[at] ?? 0) + middle),
      );
      labels++;
    }
  }

  /** A canvas forgets its font when it is resized, so it is set for each frame. */
  #textFit(ratio: number): TextFit {
    const font = `${Math.round(FONT_SIZE * ratio)}px system-ui, "Liberation Sans", sans-serif`;
    this.#context.font = font;
    if (this.#fit === undefined || this.#font !== font) {
      this.#font = font;
      this.#fit = new TextFit(this.#context);
    }
    return this.#fit;
  }
}

/** Pixels from a frame's top to the line that marks it. */
export function markPlace(mark: "under" | "through"): number {
  return mark === "under" ? ROW_HEIGHT - 4 : ROW_HEIGHT / 2 - 1;
}
