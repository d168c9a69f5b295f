const FIRST_CAPACITY = 64 * 1024;
/** UTF-8 needs at most three bytes for one UTF-16 code unit. */
const BYTES_PER_UNIT_MAX = 3;

/**
 * UTF-8 text that grows piece by piece. A whole profile as one JavaScript string would end at
 * 512 Mi characters; this ends at what an array buffer holds.
 */
export class TextWriter {
  readonly #encoder = new TextEncoder();
  #bytes: Uint8Array = new Uint8Array(FIRST_CAPACITY);
  #length = 0;

  write(text: string): void {
    const needed = this.#length + text.length * BYTES_PER_UNIT_MAX;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#length += this.#encoder.encodeInto(text, this.#bytes.subarray(this.#length)).written;
  }

  /** What was written, as a view of the writer's memory: write no more after it. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}
