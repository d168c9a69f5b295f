/** Random numbers that a seed repeats (mulberry32), and mutations of bytes by them. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** An integer from 0 to before `limit`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }
}

/** Bytes that parsers stumble over: ends of varints, lengths and signs. */
const ODD_BYTES: readonly number[] = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x08, 0x0a, 0x12, 0x1a, 0x22];
const MUTATIONS_MAX = 6;
const SPLICE_BYTES_MAX = 64;

/** A changed copy: flipped bits, odd bytes, cut ends, pieces moved within or from another input. */
export function mutated(bytes: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let result = Uint8Array.from(bytes);
  const count = 1 + random.below(MUTATIONS_MAX);
  for (let i = 0; i < count && result.length > 0; i++) result = mutatedOnce(result, other, random);
  return result;
}

function mutatedOnce(
  bytes: Uint8Array<ArrayBuffer>,
  other: Uint8Array,
  random: Random,
): Uint8Array<ArrayBuffer> {
  const at = random.below(bytes.length);
  switch (random.below(8)) {
    case 0:
    case 1:
      bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
      return bytes;
    case 2:
      bytes[at] = random.pick(ODD_BYTES);
      return bytes;
    case 3:
      // A length lie, more often than not: the byte after a tag is a length.
      bytes[at] = (bytes[at] as number) + random.pick([-1, 1, 2, 64]);
      return bytes;
    case 4:
      return random.below(4) === 0 ? bytes.slice(0, at) : bytes;
    case 5:
      return joined(
        bytes.subarray(0, at),
        bytes.subarray(Math.min(bytes.length, at + 1 + random.below(4))),
      );
    case 6:
      return joined(bytes.subarray(0, at), piece(other, random), bytes.subarray(at));
    default:
      return joined(bytes.subarray(0, at), piece(bytes, random), bytes.subarray(at));
  }
}

function piece(bytes: Uint8Array, random: Random): Uint8Array {
  const start = random.below(bytes.length);
  return bytes.subarray(start, start + 1 + random.below(SPLICE_BYTES_MAX));
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

/** Bytes without any sense. */
export function noise(random: Random, lengthMax: number): Uint8Array {
  return Uint8Array.from({ length: random.below(lengthMax) }, () =>
    random.below(2) === 0 ? random.pick(ODD_BYTES) : random.below(256),
  );
}
