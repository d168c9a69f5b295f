import type { LineCounter } from "yaml";

/** Where a text came from, for the places of its values and the messages about it. */
export interface TextSource {
  /** What the user called it: a path, "env:NAME", a URL. */
  readonly label: string;
  /** The text was asked for from here (by `${file:…}`): all its values then have this place. */
  readonly askedFrom?: string;
}

/** From offsets of a text to what is printed of them. */
export class Positions {
  readonly #source: TextSource;
  readonly #lines: LineCounter;
  readonly #hasLines: boolean;

  constructor(source: TextSource, text: string, lines: LineCounter) {
    this.#source = source;
    this.#lines = lines;
    // The only line of a variable or of an argument needs no number.
    this.#hasLines = isFileLike(source.label) || text.trimEnd().includes("\n");
  }

  /** The place that a value at this offset gets. */
  place(offset: number): string {
    return this.#source.askedFrom ?? this.#at(offset);
  }

  /** For a message about the text itself: who asked for it, and the line in it. */
  faultPlace(offset: number): string {
    const { askedFrom } = this.#source;
    return askedFrom === undefined ? this.#at(offset) : `${askedFrom}: ${this.#at(offset)}`;
  }

  /** As `faultPlace`, with the column. */
  exact(offset: number): string {
    return `${this.faultPlace(offset)}: column ${this.#lines.linePos(offset).col}`;
  }

  /** Counted from 1. */
  line(offset: number): number {
    return this.#lines.linePos(offset).line;
  }

  /** The text as a whole. */
  get root(): string {
    return this.#source.askedFrom ?? this.#source.label;
  }

  #at(offset: number): string {
    const { label } = this.#source;
    return this.#hasLines ? `${label}:${this.line(offset)}` : label;
  }
}

function isFileLike(label: string): boolean {
  return !/^(?:env:|yaml:|--set )/.test(label);
}
