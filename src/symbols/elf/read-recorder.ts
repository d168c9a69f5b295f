import { createHash, type Hash } from "node:crypto";
import type { RandomAccess } from "./random-access.ts";

/** Of one record, neighbours counted once. A Rust compiler's library of 146 MB makes 8,400. */
export const READS_MAX = 65_536;
/** Of a digest. */
export const DIGEST_BYTES = 32;
const PIECE_BYTES = 256 * 1024;

/** What was read of an input, in order, and what the bytes were. */
export interface ReadRecord {
  /** Offset and length of each read, by turns. */
  readonly reads: Float64Array<ArrayBuffer>;
  /** SHA-256 of all bytes that the reads gave, one after the other. */
  readonly digest: Uint8Array;
}

/**
 * Passes reads on and notes them. What a function makes of an input by reads alone, it makes
 * again of every input of the same size that answers the same reads with the same bytes: that
 * holds even when the input changes meanwhile, because what is hashed is what the function got.
 */
export class ReadRecorder implements RandomAccess {
  readonly name: string;
  readonly size: number;
  readonly #access: RandomAccess;
  readonly #hash: Hash = createHash("sha256");
  readonly #reads: number[] = [];
  #isComplete = true;

  constructor(access: RandomAccess) {
    this.name = access.name;
    this.size = access.size;
    this.#access = access;
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = this.#passedOn(() => this.#access.read(offset, length));
    this.#note(offset, bytes);
    return bytes;
  }

  readInto(target: Uint8Array, offset: number): void {
    this.#passedOn(() => this.#access.readInto(target, offset));
    this.#note(offset, target);
  }

  /** To be called once, at the end. Undefined when a read failed, or they are over READS_MAX. */
  record(): ReadRecord | undefined {
    if (!this.#isComplete) return undefined;
    return { reads: Float64Array.from(this.#reads), digest: this.#hash.digest() };
  }

  /** A read that fails may have been a passing trouble, which nobody can repeat. */
  #passedOn<Result>(read: () => Result): Result {
    const wasComplete = this.#isComplete;
    this.#isComplete = false;
    const result = read();
    this.#isComplete = wasComplete;
    return result;
  }

  #note(offset: number, bytes: Uint8Array): void {
    if (!this.#isComplete || bytes.length === 0) return;
    this.#hash.update(bytes);
    const reads = this.#reads;
    const lastLength = reads.at(-1) ?? 0;
    if (reads.length > 0 && (reads.at(-2) as number) + lastLength === offset) {
      reads[reads.length - 1] = lastLength + bytes.length;
      return;
    }
    reads.push(offset, bytes.length);
    this.#isComplete = reads.length <= 2 * READS_MAX;
  }
}

/**
 * True when the input answers all reads as the record tells.
 *
 * @throws INPUT_MALFORMED  when the input does not hold what is to be read
 */
export function repeats(access: RandomAccess, { reads, digest }: ReadRecord): boolean {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(PIECE_BYTES);
  let filled = 0;
  for (let index = 0; index < reads.length; index += 2) {
    let offset = reads[index] as number;
    const end = offset + (reads[index + 1] as number);
    while (offset < end) {
      const piece = buffer.subarray(filled, filled + Math.min(end - offset, PIECE_BYTES - filled));
      access.readInto(piece, offset);
      offset += piece.length;
      filled += piece.length;
      if (filled < PIECE_BYTES) continue;
      hash.update(buffer);
      filled = 0;
    }
  }
  hash.update(buffer.subarray(0, filled));
  return hash.digest().equals(digest);
}
