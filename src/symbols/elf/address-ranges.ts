/**
 * Around each of a few addresses: the widest range in which no function begins or ends, so that
 * the same functions cover every address of it and an answer for one is the answer for all.
 */
export class AddressRanges {
  /** Ascending, each once. */
  readonly places: Float64Array;
  readonly #lows: Float64Array;
  readonly #highs: Float64Array;
  #isSettled = false;

  /** @param places  integers from 0 to 2^53, in any order */
  constructor(places: Iterable<number>) {
    this.places = Float64Array.from(new Set(places)).sort();
    this.#lows = new Float64Array(this.places.length).fill(Number.NEGATIVE_INFINITY);
    this.#highs = new Float64Array(this.places.length).fill(Number.POSITIVE_INFINITY);
  }

  /** Notes that something lies from `start` to before `end`. True when it covers a place. */
  note(start: number, end: number): boolean {
    const from = this.#firstFrom(start);
    const to = this.#firstFrom(end);
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

  #firstFrom(address: number): number {
    const { places } = this;
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((places[middle] as number) < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
