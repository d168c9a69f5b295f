import type { FlameGraphColumns } from "../../src/profiles/flamegraph/columns.ts";
import { describeFrame, type FrameDescription, sentenceOf } from "./describe.ts";
import { presenceOf } from "./difference.ts";
import { type ColourMode, FrameColours } from "./frame-colours.ts";
import { type Layout, layoutOf, levelOf } from "./layout.ts";
import { type MeasureName, measureToPaint } from "./measures.ts";
import { type FrameLook, Painter } from "./painter.ts";
import { type Palette, paletteOf, type Theme } from "./palette.ts";
import { Stage } from "./stage.ts";
import { svgOf } from "./svg.ts";
import { Tooltip } from "./tooltip.ts";
import { Viewport } from "./viewport.ts";
import { VisibleFrames } from "./visible-frames.ts";
import { nextMatch, pathTo, type Step, stepFrom } from "./walk.ts";
import { weightsOf } from "./weights.ts";

/** A tree to show, and what its values are. */
export interface FlameTree {
  readonly columns: FlameGraphColumns;
  /** Name of the sample type, as cpu. */
  readonly sampleType: string;
  /** Unit of the values, as nanoseconds, bytes or count. */
  readonly unit: string;
  /** Made by layoutOf over weightsOf, perhaps in a worker; made here when it is not given. */
  readonly layout?: Layout;
  /** In a difference: what values before are multiplied by to be compared with those after. */
  readonly beforeScale?: number;
  /** Total of the whole profile, where the tree is a part of it. */
  readonly whole?: number;
  /** Whether stacks were cut short because the tree was full. */
  readonly isCut?: boolean;
}

/** What a graph tells those around it. Nodes are indices into the columns. */
export interface FlameGraphEvents {
  /** Another frame fills the width. */
  readonly zoomed?: (node: number) => void;
  /** Another frame has the focus. */
  readonly selected?: (node: number) => void;
  /** The first frame of a new tree is painted. */
  readonly ready?: () => void;
  /** The first frame that shows a search is painted. */
  readonly searched?: () => void;
}

export interface FlameGraphOptions extends FlameGraphEvents {
  /** What a screen reader calls the graph. */
  readonly label?: string;
  readonly theme?: Theme;
  readonly colourBy?: ColourMode;
  /** The root stands at the bottom and its callees grow upwards; it stands on top otherwise. */
  readonly rootAtBottom?: boolean;
}

/** Up and down are as they look where the root is at the bottom. */
const turnedSteps: Partial<Record<Step, Step>> = { up: "down", down: "up" };

/**
 * A flame graph on a canvas of the size of its element, for trees of a million frames: it looks
 * only at frames that cover a pixel. Names are drawn as text, never as markup.
 */
export class FlameGraph {
  readonly #stage: Stage;
  readonly #painter: Painter;
  readonly #tooltip: Tooltip;
  readonly #frames = new VisibleFrames();
  readonly #viewport: Viewport;
  readonly #options: FlameGraphOptions;
  readonly #abort = new AbortController();
  /** Measures to end with the next painted frame. */
  #pending: { name: MeasureName; sinceMs: number }[] = [];
  #tree: FlameTree | undefined;
  #layout: Layout | undefined;
  #colours: FrameColours | undefined;
  #palette: Palette;
  #colourBy: ColourMode;
  #matches: Uint8Array | undefined;
  #zoomed = 0;
  /** Frames that were zoomed before, for the way back. */
  #history: number[] = [];
  #selected = 0;
  #hovered = -1;
  #request = 0;

  /** Builds its elements inside `host`, whose size it takes on; `destroy` removes them. */
  constructor(host: HTMLElement, options: FlameGraphOptions = {}) {
    this.#options = options;
    this.#palette = paletteOf(options.theme ?? "light");
    this.#colourBy = options.colourBy ?? "package";
    this.#stage = new Stage(host, options.label ?? "Flame graph", () => this.#draw());
    this.#viewport = new Viewport(this.#stage, options.rootAtBottom === true);
    const context = this.#stage.canvas.getContext("2d", { alpha: false });
    if (context === null) throw new Error("this browser draws no canvas");
    this.#painter = new Painter(context);
    this.#tooltip = new Tooltip(host);
    this.#listen();
  }

  /** The element that takes the keyboard. */
  get element(): HTMLElement {
    return this.#stage.canvas;
  }

  get tree(): FlameTree | undefined {
    return this.#tree;
  }

  get zoomed(): number {
    return this.#zoomed;
  }

  get selected(): number {
    return this.#selected;
  }

  /** Name of the frame with the focus. */
  get selectedName(): string {
    return this.#nameOf(this.#selected);
  }

  /** Shows a tree from its root, or from the frame given. Replaces the tree before. */
  show(tree: FlameTree, zoomed = 0): void {
    const sinceMs = performance.now();
    this.#tree = tree;
    this.#layout = tree.layout ?? layoutOf(tree.columns, weightsOf(tree.columns, tree.beforeScale));
    this.#matches = undefined;
    this.#recolour();
    this.#history = [];
    this.#hovered = -1;
    this.#zoomed = this.#valid(zoomed);
    this.#selected = this.#zoomed;
    this.#viewport.begin(this.#layout, this.#zoomed);
    this.#after("flamegraph-render", sinceMs);
  }

  /**
   * Lets a frame fill the width.
   * @param sinceMs  time of the event that asked for it, for the measure
   */
  zoom(node: number, sinceMs: number = performance.now()): void {
    if (this.#layout === undefined) return;
    const target = this.#valid(node);
    if (target !== this.#zoomed) this.#history.push(this.#zoomed);
    this.#goTo(target, sinceMs);
  }

  /** Goes back to the frame that was zoomed before; false when there is none. */
  zoomBack(sinceMs: number = performance.now()): boolean {
    const before = this.#history.pop() ?? (this.#zoomed === 0 ? undefined : 0);
    if (before === undefined) return false;
    this.#goTo(before, sinceMs);
    return true;
  }

  /** Gives a frame the focus: it is outlined, scrolled into sight and spoken. */
  select(node: number): void {
    if (this.#layout === undefined) return;
    this.#selected = this.#valid(node);
    this.#viewport.reveal(this.#selected);
    const described = this.describe(this.#selected);
    if (described !== undefined) {
      this.#stage.say(`${sentenceOf(described)}, ${this.#placeOf(this.#selected)}`);
    }
    this.#options.selected?.(this.#selected);
    this.#draw();
  }

  /** Moves the focus one frame; zooms out as far as it needs to see it. */
  step(step: Step): void {
    if (this.#tree === undefined || this.#layout === undefined) return;
    const turned = this.#options.rootAtBottom ? (turnedSteps[step] ?? step) : step;
    const node = stepFrom(this.#tree.columns, this.#layout, this.#selected, turned);
    this.#show(node);
    this.select(node);
  }

  /** Moves the focus to the next frame that the search found, or the one before it. */
  stepToMatch(direction: 1 | -1): void {
    if (this.#tree === undefined || this.#matches === undefined) return;
    const node = nextMatch(this.#tree.columns, this.#matches, this.#selected, direction);
    if (node < 0) return;
    this.#show(node);
    this.select(node);
  }

  /**
   * Highlights the names that a search found.
   * @param names    1 for each found name; undefined to end the search
   * @param sinceMs  time of the event that asked for it, for the measure
   */
  highlight(names: Uint8Array | undefined, sinceMs: number = performance.now()): void {
    this.#matches = names;
    this.#colours?.highlight(names);
    this.#after("flamegraph-search", sinceMs);
  }

  /** What is known about a frame, in words and numbers. */
  describe(node: number): FrameDescription | undefined {
    return this.#tree === undefined ? undefined : describeFrame(this.#tree, node, this.#zoomed);
  }

  /** The frame and its callers, root first. */
  path(node: number): number[] {
    return this.#tree === undefined ? [] : pathTo(this.#tree.columns, node);
  }

  setTheme(theme: Theme): void {
    this.#palette = paletteOf(theme);
    this.#draw();
  }

  setColourBy(mode: ColourMode): void {
    this.#colourBy = mode;
    this.#recolour();
    this.#draw();
  }

  /** What is on screen, as an SVG document with the size of the graph. */
  toSvg(): string {
    const { ratio, width, height } = this.#viewport.size;
    this.#viewport.collect(this.#frames);
    const look = this.#look();
    return svgOf(this.#frames, look, {
      palette: this.#palette,
      width: width / ratio,
      height: height / ratio,
      ratio,
      yOf: (level) => this.#viewport.yOf(level) / ratio,
      title: (node) => {
        const described = this.describe(node);
        return described === undefined ? "" : sentenceOf(described);
      },
    });
  }

  /** What is on screen, as a PNG image in device pixels. */
  async toPng(): Promise<Blob> {
    const { promise, resolve, reject } = Promise.withResolvers<Blob>();
    this.#stage.canvas.toBlob((blob) => {
      if (blob === null) reject(new Error("the browser could not encode the image"));
      else resolve(blob);
    }, "image/png");
    return await promise;
  }

  /** Removes the elements and listeners. The graph is not used after this. */
  destroy(): void {
    cancelAnimationFrame(this.#request);
    this.#abort.abort();
    this.#tooltip.remove();
    this.#stage.remove();
  }

  #valid(node: number): number {
    const nodes = this.#tree?.columns.name.length ?? 0;
    return Number.isInteger(node) && node >= 0 && node < nodes ? node : 0;
  }

  #recolour(): void {
    if (this.#tree === undefined) return;
    this.#colours = new FrameColours(this.#tree.columns, this.#colourBy, this.#tree.beforeScale);
    this.#colours.highlight(this.#matches);
  }

  #look(): FrameLook {
    const columns = this.#tree?.columns;
    const colours = this.#colours;
    return {
      colour: (node) => colours?.of(node) ?? 0,
      runColour: (node) => colours?.ofRun(node) ?? 0,
      mark: (node) => presenceLine(columns, node),
      label: (node) => presenceMark(columns, node) + this.#nameOf(node),
    };
  }

  /** Where a frame is in the tree, for who does not see it. */
  #placeOf(node: number): string {
    const callees = this.#tree?.columns.childCount[node] ?? 0;
    const level = this.#layout === undefined ? 0 : levelOf(this.#layout, node);
    return `level ${level}, ${callees} ${callees === 1 ? "callee" : "callees"}`;
  }

  #nameOf(node: number): string {
    const columns = this.#tree?.columns;
    return columns?.names[columns.name[node] ?? 0] ?? "";
  }

  #listen(): void {
    const { canvas, scroller } = this.#stage;
    const { signal } = this.#abort;
    canvas.addEventListener("pointermove", (event) => this.#hover(event), { signal });
    canvas.addEventListener("pointerleave", () => this.#unhover(), { signal });
    canvas.addEventListener("click", (event) => this.#click(event), { signal });
    canvas.addEventListener("focus", () => this.select(this.#selected), { signal });
    scroller.addEventListener("scroll", () => this.#draw(), { signal });
  }

  #click(event: MouseEvent): void {
    const node = this.#viewport.nodeAt(event.clientX, event.clientY);
    if (node < 0) return;
    this.zoom(node, event.timeStamp);
    this.select(node);
  }

  #hover(event: PointerEvent): void {
    const node = this.#viewport.nodeAt(event.clientX, event.clientY);
    const described = node < 0 ? undefined : this.describe(node);
    if (described === undefined) this.#tooltip.hide();
    else this.#tooltip.show(described, event.clientX, event.clientY);
    this.#stage.canvas.style.cursor = node < 0 ? "default" : "pointer";
    if (node === this.#hovered) return;
    this.#hovered = node;
    this.#draw();
  }

  #unhover(): void {
    this.#tooltip.hide();
    this.#hovered = -1;
    this.#draw();
  }

  /** Zooms out until a frame is in view and wide enough to see. */
  #show(node: number): void {
    if (this.#viewport.shows(node)) return;
    const around = this.path(node).findLast((at) => this.#viewport.covers(at));
    this.zoom(around ?? 0);
  }

  #goTo(node: number, sinceMs: number): void {
    this.#zoomed = node;
    this.#viewport.goTo(node, sinceMs, !isMotionReduced());
    this.#after("flamegraph-zoom", sinceMs);
    this.#options.zoomed?.(node);
  }

  /** Draws, and ends a measure when that is painted. */
  #after(name: MeasureName, sinceMs: number): void {
    this.#pending.push({ name, sinceMs });
    this.#draw();
  }

  #draw(): void {
    if (this.#request !== 0) return;
    this.#request = requestAnimationFrame(() => {
      this.#request = 0;
      this.#drawNow();
    });
  }

  #drawNow(): void {
    if (this.#layout === undefined) return;
    this.#viewport.update();
    this.#viewport.collect(this.#frames);
    this.#painter.paint(this.#frames, this.#look(), {
      canvas: this.#viewport.size,
      palette: this.#palette,
      yOf: (level) => this.#viewport.yOf(level),
    });
    this.#outline(this.#hovered, this.#palette.hover);
    this.#outline(this.#selected, this.#palette.focus);
    for (const { name, sinceMs } of this.#pending.splice(0)) {
      measureToPaint(name, sinceMs, () => this.#painted(name));
    }
    if (this.#viewport.camera.isMoving) this.#draw();
  }

  #painted(name: MeasureName): void {
    if (name === "flamegraph-render") this.#options.ready?.();
    if (name === "flamegraph-search") this.#options.searched?.();
  }

  #outline(node: number, colour: string): void {
    const box = node < 0 ? undefined : this.#viewport.boxOf(node);
    if (box !== undefined) this.#painter.outline(box, colour, this.#viewport.size);
  }
}

function presenceLine(
  columns: FlameGraphColumns | undefined,
  node: number,
): "none" | "under" | "through" {
  if (columns?.before === undefined) return "none";
  const presence = presenceOf(columns, node);
  if (presence === "both") return "none";
  return presence === "new" ? "under" : "through";
}

/** New and vanished frames are told by more than their colour. */
function presenceMark(columns: FlameGraphColumns | undefined, node: number): string {
  if (columns?.before === undefined) return "";
  const presence = presenceOf(columns, node);
  if (presence === "both") return "";
  return presence === "new" ? "+ " : "− ";
}

function isMotionReduced(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
