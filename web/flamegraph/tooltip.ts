import type { FrameDescription } from "./describe.ts";

/** Pixels between the pointer and the tooltip. */
const DISTANCE = 14;

/** What the pointer is on, in words. For the mouse only: the keyboard's frame is spoken. */
export class Tooltip {
  readonly #element: HTMLDivElement;

  constructor(host: HTMLElement) {
    this.#element = host.ownerDocument.createElement("div");
    this.#element.className = "flame-graph-tooltip";
    this.#element.setAttribute("aria-hidden", "true");
    this.#element.hidden = true;
    Object.assign(this.#element.style, {
      position: "fixed",
      zIndex: "10",
      pointerEvents: "none",
      maxWidth: "min(560px, 90vw)",
      overflowWrap: "anywhere",
    });
    host.append(this.#element);
  }

  show(frame: FrameDescription, x: number, y: number): void {
    const element = this.#element;
    const document = element.ownerDocument;
    const name = document.createElement("strong");
    name.textContent = frame.name;
    const lines = [frame.place, ...frame.values].filter((text) => text !== "");
    element.replaceChildren(
      name,
      ...lines.map((text) => {
        const line = document.createElement("div");
        line.textContent = text;
        return line;
      }),
    );
    element.hidden = false;
    const { innerWidth, innerHeight } = document.defaultView ?? window;
    const left = Math.min(x + DISTANCE, innerWidth - element.offsetWidth - 4);
    const below = y + DISTANCE;
    const fits = below + element.offsetHeight + 4 <= innerHeight;
    const top = fits ? below : y - DISTANCE - element.offsetHeight;
    element.style.left = `${Math.max(4, left)}px`;
    element.style.top = `${Math.max(4, top)}px`;
  }

  hide(): void {
    this.#element.hidden = true;
  }

  remove(): void {
    this.#element.remove();
  }
}
