import type { Canvas } from "./painter.ts";
import { ROW_HEIGHT } from "./painter.ts";

/** Device pixels a canvas may have: 8K. Beyond it the picture is drawn coarser, not at all. */
const CANVAS_PIXELS_MAX = 7680 * 4320;

/**
 * The elements of a graph: a box that scrolls, in it a content as tall as the whole graph, and in
 * that a canvas of the size of the box, which stays in sight. The canvas never grows with the
 * depth of the stacks.
 */
export class Stage {
  readonly canvas: HTMLCanvasElement;
  readonly scroller: HTMLDivElement;
  readonly #content: HTMLDivElement;
  readonly #speech: HTMLDivElement;
  readonly #observer: ResizeObserver;
  #contentHeight = 0;

  /** @param resized called after the box has another size */
  constructor(host: HTMLElement, label: string, resized: () => void) {
    const document = host.ownerDocument;
    this.scroller = document.createElement("div");
    this.#content = document.createElement("div");
    this.canvas = document.createElement("canvas");
    this.#speech = document.createElement("div");
    style(this.scroller, {
      position: "relative",
      overflowX: "hidden",
      overflowY: "auto",
      height: "100%",
      width: "100%",
      overscrollBehavior: "contain",
    });
    style(this.#content, { position: "relative", minHeight: "100%" });
    style(this.canvas, { position: "sticky", top: "0", display: "block", outlineOffset: "-2px" });
    style(this.#speech, {
      position: "absolute",
      width: "1px",
      height: "1px",
      overflow: "hidden",
      clipPath: "inset(50%)",
      whiteSpace: "nowrap",
    });
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-roledescription", "flame graph");
    this.canvas.setAttribute("aria-label", label);
    this.#speech.setAttribute("role", "status");
    this.#speech.setAttribute("aria-live", "polite");
    this.#content.append(this.canvas);
    this.scroller.append(this.#content);
    host.append(this.scroller, this.#speech);
    this.#observer = new ResizeObserver(resized);
    this.#observer.observe(this.scroller);
  }

  /** The canvas's size in device pixels, after it was given the box's. */
  fit(): Canvas {
    const { clientWidth, clientHeight } = this.scroller;
    let ratio = this.canvas.ownerDocument.defaultView?.devicePixelRatio ?? 1;
    const pixels = clientWidth * clientHeight * ratio ** 2;
    if (pixels > CANVAS_PIXELS_MAX) ratio *= Math.sqrt(CANVAS_PIXELS_MAX / pixels);
    const width = Math.max(1, Math.round(clientWidth * ratio));
    const height = Math.max(1, Math.round(clientHeight * ratio));
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      style(this.canvas, { width: `${clientWidth}px`, height: `${clientHeight}px` });
    }
    return { width, height, ratio };
  }

  /** Makes the content as tall as this many levels, and never less than the box. */
  setLevels(levels: number): void {
    const height = levels * ROW_HEIGHT;
    if (height === this.#contentHeight) return;
    this.#contentHeight = height;
    style(this.#content, { height: `${height}px` });
  }

  /** Scrolls no farther than needed to show a row, in CSS pixels from the content's top. */
  reveal(top: number): void {
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + ROW_HEIGHT > scrollTop + clientHeight) {
      this.scroller.scrollTop = top + ROW_HEIGHT - clientHeight;
    }
  }

  /** Lets a screen reader say a sentence. */
  say(sentence: string): void {
    this.#speech.textContent = sentence;
  }

  remove(): void {
    this.#observer.disconnect();
    this.scroller.remove();
    this.#speech.remove();
  }
}

/** Through the object model, which a strict Content-Security-Policy allows. */
function style(element: HTMLElement, values: Partial<CSSStyleDeclaration>): void {
  Object.assign(element.style, values);
}
