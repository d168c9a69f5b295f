import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { drainRing, type RingMemory } from "./bpf-ring.ts";

const BUSY = 0x8000_0000;
const DISCARD = 0x4000_0000;

/** What the kernel's side of a ring does, on plain memory. */
class FakeRing implements RingMemory {
  readonly byteLength: number;
  readonly consumer = new BigUint64Array(1);
  readonly producer = new BigUint64Array(1);
  readonly data: Uint32Array<ArrayBuffer>;

  constructor(byteLength: number, start = 0n) {
    this.byteLength = byteLength;
    this.data = new Uint32Array(byteLength / 2);
    this.consumer[0] = start;
    this.producer[0] = start;
  }

  /** False when there is no room. */
  push(words: readonly number[], bits = 0): boolean {
    const position = this.producer[0] as bigint;
    const end = position + BigInt(8 + ((4 * words.length + 7) & ~7));
    if (end - (this.consumer[0] as bigint) > BigInt(this.byteLength)) return false;
    this.#write(position, ((4 * words.length) | bits) >>> 0);
    for (const [index, word] of words.entries())
      this.#write(position + 8n + 4n * BigInt(index), word);
    this.producer[0] = end;
    return true;
  }

  /** Ends the writing of the record at `position`. */
  commit(position: bigint): void {
    const at = Number(position % BigInt(this.byteLength)) / 4;
    this.#write(position, ((this.data[at] as number) & ~BUSY) >>> 0);
  }

  /** Both mappings show what is written. */
  #write(position: bigint, word: number): void {
    const at = Number(position % BigInt(this.byteLength)) / 4;
    this.data[at] = word;
    this.data[at + this.byteLength / 4] = word;
  }
}

function drained(ring: RingMemory): number[][] {
  const records: number[][] = [];
  drainRing(ring, (data, at, byteLength) => {
    records.push([...data.subarray(at, at + byteLength / 4)]);
  });
  return records;
}

describe("drainRing", () => {
  it("gives nothing from an empty ring", () => {
    assert.deepEqual(drained(new FakeRing(4096)), []);
  });

  it("gives records in order and frees them", () => {
    const ring = new FakeRing(4096);
    ring.push([1]);
    ring.push([2, 3, 4]);
    assert.deepEqual(drained(ring), [[1], [2, 3, 4]]);
    assert.equal(ring.consumer[0], ring.producer[0]);
    assert.deepEqual(drained(ring), []);
  });

  it("leaves discarded records out", () => {
    const ring = new FakeRing(4096);
    ring.push([1]);
    ring.push([2], DISCARD);
    ring.push([3]);
    assert.deepEqual(drained(ring), [[1], [3]]);
  });

  it("stops at a record that is being written and goes on once it is", () => {
    const ring = new FakeRing(4096);
    ring.push([1]);
    ring.push([2], BUSY);
    ring.push([3]);
    assert.deepEqual(drained(ring), [[1]]);
    assert.deepEqual(drained(ring), []);
    ring.commit(16n);
    assert.deepEqual(drained(ring), [[2], [3]]);
  });

  for (const { name, start } of [
    { name: "from the start", start: 0n },
    { name: "beyond 32 bits", start: 2n ** 32n - 64n },
    { name: "near 2^52", start: 2n ** 52n - 64n },
  ]) {
    it(`loses and doubles nothing over many turns of the ring, ${name}`, () => {
      const ring = new FakeRing(4096, start);
      const received: number[][] = [];
      const sent: number[][] = [];
      for (let turn = 0; turn < 3000; turn++) {
        const words = Array.from({ length: 1 + (turn % 37) }, (_, index) => turn * 64 + index);
        if (!ring.push(words)) {
          received.push(...drained(ring));
          assert.ok(ring.push(words));
        }
        sent.push(words);
      }
      received.push(...drained(ring));
      assert.deepEqual(received, sent);
    });
  }

  it("uses a record up when its visitor throws", () => {
    const ring = new FakeRing(4096);
    ring.push([1]);
    ring.push([2]);
    assert.throws(() => drainRing(ring, () => assert.fail("visitor")), /visitor/);
    assert.deepEqual(drained(ring), [[2]]);
  });

  it("tells the kernel what is free during a long drain", () => {
    const ring = new FakeRing(1 << 18);
    while (ring.push(new Array(250).fill(7)));
    const freed = new Set<bigint>();
    drainRing(ring, () => freed.add(ring.consumer[0] as bigint));
    assert.ok(freed.size >= 3, `${freed.size} positions`);
  });
});
