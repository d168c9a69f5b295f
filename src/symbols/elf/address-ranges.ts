/** Of the table that finds a place: a few for each address that a window asks about. */
const PARTS = 4096;

/**
 * Around each of a few addresses: the widest range in which no function begins or ends, so that
 * the same functions cover every address of it and an answer for one is the answer for all.
 */
export class AddressRanges {
  /** Ascending, each once. */
  readonly places: Float64Array;
  readonly #first: number;
  readonly #partsPerByte: number;
  readonly #firstOfPart = new Uint32Array(PARTS + 1);
  readonly #lows: Float64Array;
  readonly #highs: Float64Array;
  #isSettled = false;

  /** @param places  integers from 0 to 2^53, in any order */
  constructor(places: Iterable<number>) {
    this.places = Float64Array.from(new Set(places)).sort();
    this.#first = this.places[0] ?? 0;
    const bytes = (this.places.at(-1) ?? 0) - this.#first + 1;
    this.#partsPerByte = PARTS / bytes;
    let part = 0;
    for (const [index, place] of this.places.entries()) {
      const partOfPlace = Math.floor((place - this.#first) * this.#partsPerByte);
      while (part <= partOfPlace) this.#firstOfPart[part++] = index;
    }
    this.#firstOfPart.fill(this.places.length, part);
    this.#lows = new Float64Array(this.places.length).fill(Number.NEGATIVE_INFINITY);
    this.#highs = new Float64Array(this.places.length).fill(Number.POSITIVE_INFINITY);
  }

  /** Notes that something lies from `start` to before `end`. True when it covers a place. */
  note(start: number, end: number): boolean {
    const from = this.#firstFrom(start);
    // Functions are short: mostly the next place is behind this one too.
    const isShort = from === this.places.length || (this.places[from] as number) >= end;
    const to = isShort ? from : this.#firstFrom(end);
    this.#noteBound(from, start);
    this.#noteBound(to, end);
    return from < to;
  }

  /** From the first address of the range to before `high`; nothing is noted after it. */
  around(place: number): { readonly low: number; readonly high: number } {
    if (!this.#isSettled) this.#settle();
    const index = this.#firstFrom(place);
    return { low: this.#lows[index] as number, high: this.#highs[index] as number };
  }

  /** Places without a bound between them share one range. */
  #settle(): void {
    this.#isSettled = true;
    const lows = this.#lows;
    const highs = this.#highs;
    let low = 0;
    for (let index = 0; index < lows.length; index++) {
      low = lows[index] = Math.max(low, lows[index] as number);
    }
    let high = Number.MAX_SAFE_INTEGER;
    for (let index = highs.length - 1; index >= 0; index--) {
      high = highs[index] = Math.min(high, highs[index] as number);
    }
  }

  #noteBound(index: number, bound: number): void {
    const lows = this.#lows;
    const highs = this.#highs;
    if (index < lows.length && bound > (lows[index] as number)) lows[index] = bound;
    if (index > 0 && bound < (highs[index - 1] as number)) highs[index - 1] = bound;
  }

  /** By a table of equal parts of the whole range, each with its first place. */
  #firstFrom(address: number): number {
    const { places } = this;
    const wanted = (address - this.#first) * this.#partsPerByte;
    if (!(wanted > 0)) return 0;
    const part = Math.min(wanted, PARTS - 1) | 0;
    let low = this.#firstOfPart[part] as number;
    let high = this.#firstOfPart[part + 1] as number;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((places[middle] as number) < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
