/** Shortens names to the pixels of their frame. */

const ASCII = 128;
const ELLIPSIS = "…";

/** Other characters whose width is kept; a file of CJK names has a few thousand. */
const OTHER_CHARACTERS_MAX = 10_000;

/**
 * Widths of characters in one font. Text is fitted by adding them up, since measuring each label
 * would cost more than drawing it; kerning makes a name a pixel narrower than that, never wider.
 */
export class TextFit {
  readonly #context: CanvasRenderingContext2D;
  readonly #ascii = new Float32Array(ASCII);
  readonly #others = new Map<string, number>();
  readonly #ellipsis: number;

  /** The context's font must be set, and stay what it is. */
  constructor(context: CanvasRenderingContext2D) {
    this.#context = context;
    for (let code = 32; code < ASCII; code++) {
      this.#ascii[code] = context.measureText(String.fromCharCode(code)).width;
    }
    this.#ellipsis = context.measureText(ELLIPSIS).width;
  }

  /** The text, or as much of its beginning as fits with an ellipsis; "" when nothing does. */
  fit(text: string, width: number): string {
    let used = 0;
    let cut = 0;
    for (let at = 0; at < text.length; ) {
      const code = text.codePointAt(at) ?? 0;
      const length = code > 0xffff ? 2 : 1;
      used += code < ASCII ? (this.#ascii[code] ?? 0) : this.#other(text.slice(at, at + length));
      if (used > width) return cut === 0 ? "" : text.slice(0, cut) + ELLIPSIS;
      at += length;
      if (used + this.#ellipsis <= width) cut = at;
    }
    return text;
  }

  #other(character: string): number {
    const known = this.#others.get(character);
    if (known !== undefined) return known;
    if (this.#others.size >= OTHER_CHARACTERS_MAX) this.#others.clear();
    const { width } = this.#context.measureText(character);
    this.#others.set(character, width);
    return width;
  }
}
