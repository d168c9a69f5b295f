import { Camera } from "./camera.ts";
import { depthBetween, type Layout, levelOf, nodeAt } from "./layout.ts";
import { type Canvas, ROW_HEIGHT } from "./painter.ts";
import type { Stage } from "./stage.ts";
import type { VisibleFrames } from "./visible-frames.ts";

/** Where a frame lies on the canvas, in device pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

/** Which part of a layout is on screen, and where on it things are. */
export class Viewport {
  readonly camera: Camera = new Camera();
  size: Canvas = { width: 1, height: 1, ratio: 1 };
  readonly #stage: Stage;
  readonly #rootAtBottom: boolean;
  #layout: Layout | undefined;
  #levels = 0;

  constructor(stage: Stage, rootAtBottom: boolean) {
    this.#stage = stage;
    this.#rootAtBottom = rootAtBottom;
  }

  /** Shows another layout, from the frame given and from its first level on. */
  begin(layout: Layout, node: number): void {
    this.#layout = layout;
    const { start, end } = this.#edges(node);
    this.camera.jump(start, end);
    this.#setLevels(start, end);
    this.#stage.scroller.scrollTop = this.#rootAtBottom ? this.#height() : 0;
  }

  /** Lets a frame fill the width, at once or in a movement that began with the event. */
  goTo(node: number, sinceMs: number, isMoving: boolean): void {
    const { start, end } = this.#edges(node);
    if (isMoving) this.camera.moveTo(start, end, sinceMs);
    else this.camera.jump(start, end);
    this.#setLevels(start, end);
  }

  /** Fits the canvas to its box and puts the camera where it is now. */
  update(): void {
    this.size = this.#stage.fit();
    this.camera.step(performance.now());
  }

  collect(frames: VisibleFrames): void {
    if (this.#layout === undefined) return;
    const { scrollTop, clientHeight } = this.#stage.scroller;
    const levels = Math.ceil(clientHeight / ROW_HEIGHT) + 1;
    const hidden = this.#rootAtBottom ? this.#height() - scrollTop - clientHeight : scrollTop;
    const firstLevel = Math.max(0, Math.floor(hidden / ROW_HEIGHT));
    const { start, end } = this.camera;
    frames.collect(this.#layout, { start, end, width: this.size.width, firstLevel, levels });
  }

  /** The frame at a place of the window, -1 where there is none. */
  nodeAt(clientX: number, clientY: number): number {
    if (this.#layout === undefined) return -1;
    const box = this.#stage.canvas.getBoundingClientRect();
    const { start, end } = this.camera;
    const place = start + ((clientX - box.left) / box.width) * (end - start);
    const y = clientY - box.top + this.#stage.scroller.scrollTop;
    const depth = this.#rootAtBottom ? this.#height() - y : y;
    return nodeAt(this.#layout, Math.floor(depth / ROW_HEIGHT), place);
  }

  /** Where a frame is on the canvas; undefined when none of it is between the edges. */
  boxOf(node: number): Box | undefined {
    const layout = this.#layout;
    if (layout === undefined) return undefined;
    const { start, end } = this.camera;
    const scale = this.size.width / (end - start);
    const left = (layout.offset[node] ?? 0) - start;
    const x = Math.max(0, left * scale);
    const right = Math.min(this.size.width, (left + (layout.weight[node] ?? 0)) * scale);
    if (right <= 0 || x >= this.size.width) return undefined;
    return { x, y: this.yOf(levelOf(layout, node)), width: right - x };
  }

  /** Top of a level on the canvas, in device pixels. */
  yOf(level: number): number {
    return (this.#topOf(level) - this.#stage.scroller.scrollTop) * this.size.ratio;
  }

  /** Scrolls a frame's level into sight. */
  reveal(node: number): void {
    if (this.#layout !== undefined) this.#stage.reveal(this.#topOf(levelOf(this.#layout, node)));
  }

  /** Whether a frame is, or will be, between the edges. */
  shows(node: number): boolean {
    const { start, end } = this.#edges(node);
    const { target } = this.camera;
    return (start >= target.start && end <= target.end) || this.covers(node);
  }

  /** Whether a frame fills the whole width: the zoomed one and its callers do. */
  covers(node: number): boolean {
    const { start, end } = this.#edges(node);
    const { target } = this.camera;
    return start <= target.start && end >= target.end;
  }

  #edges(node: number): { start: number; end: number } {
    const start = this.#layout?.offset[node] ?? 0;
    // A frame without value has no width, and nothing could be drawn between equal edges.
    const width = this.#layout?.weight[node] || 1;
    return { start, end: start + width };
  }

  #setLevels(start: number, end: number): void {
    if (this.#layout === undefined) return;
    this.#levels = depthBetween(this.#layout, start, end);
    this.#stage.setLevels(this.#levels);
  }

  /** Height of the content in CSS pixels: that of all levels, and at least that of the box. */
  #height(): number {
    return Math.max(this.#levels * ROW_HEIGHT, this.#stage.scroller.clientHeight);
  }

  /** Top of a level in the content, in CSS pixels. */
  #topOf(level: number): number {
    if (this.#rootAtBottom) return this.#height() - (level + 1) * ROW_HEIGHT;
    return level * ROW_HEIGHT;
  }
}
