import { Int32Column } from "../columns.ts";
import type { Dictionary } from "../dictionary.ts";

/** The string table of a pprof file in the making: only the texts that are asked for. */
export class StringIndex {
  readonly texts: string[] = [""];
  readonly #indices = new Map<string, number>([["", 0]]);
  /** Index + 1 by the dictionary's index; 0 where it is not known yet. */
  readonly #ofDictionary = new Int32Column();
  readonly #dictionary: Dictionary;

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary;
  }

  ofText(text: string): number {
    const known = this.#indices.get(text);
    if (known !== undefined) return known;
    const index = this.texts.push(text) - 1;
    this.#indices.set(text, index);
    return index;
  }

  /** The index of a text of the dictionary's. */
  of(string: number): number {
    while (this.#ofDictionary.length <= string) this.#ofDictionary.push(0);
    const known = this.#ofDictionary.data[string] as number;
    if (known > 0) return known - 1;
    const index = this.ofText(this.#dictionary.strings.at(string));
    this.#ofDictionary.data[string] = index + 1;
    return index;
  }
}
