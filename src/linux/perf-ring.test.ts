import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PerfRing } from "./perf-ring.ts";

const PAGE = 4096;
const DATA = 4096;

/** The kernel's side of a ring. */
class Writer {
  readonly memory = new Uint8Array(PAGE + DATA);
  readonly #positions = new BigUint64Array(this.memory.buffer, 0, PAGE / 8);
  readonly #view = new DataView(this.memory.buffer, PAGE);

  startAt(position: bigint): void {
    this.#positions[128] = this.#positions[129] = position;
  }

  get tail(): bigint {
    return this.#positions[129] as bigint;
  }

  write(byteLength: number, fill: number, claimedLength: number = byteLength): void {
    const head = this.#positions[128] as bigint;
    for (let byte = 0; byte < byteLength; byte++) {
      this.#view.setUint8(Number((head + BigInt(byte)) % BigInt(DATA)), fill);
    }
    this.#view.setUint16(Number((head + 6n) % BigInt(DATA)), claimedLength, true);
    this.#positions[128] = head + BigInt(byteLength);
  }
}

function drained(ring: PerfRing): { lengths: number[]; whole: boolean; fills: number[] } {
  const lengths: number[] = [];
  const fills: number[] = [];
  const whole = ring.drain((bytes) => {
    lengths.push(bytes.length);
    assert.equal(new Set(bytes.subarray(8)).size, 1, "the body is one record's");
    fills.push(bytes[8] as number);
  });
  return { lengths, whole, fills };
}

describe("PerfRing", () => {
  it("gives records in order and the room back", () => {
    const writer = new Writer();
    const ring = new PerfRing(writer.memory, PAGE);
    writer.write(16, 1);
    writer.write(48, 2);
    assert.equal(ring.pendingBytes, 64);
    assert.deepEqual(drained(ring), { lengths: [16, 48], whole: true, fills: [1, 2] });
    assert.equal(writer.tail, 64n);
    assert.deepEqual(drained(ring), { lengths: [], whole: true, fills: [] });
  });

  it("joins a record that wraps around, at every place where it can", () => {
    for (let before = 8; before <= 64; before += 8) {
      const writer = new Writer();
      writer.startAt((1n << 40n) - BigInt(before));
      const ring = new PerfRing(writer.memory, PAGE);
      writer.write(64, 7);
      writer.write(24, 8);
      assert.deepEqual(drained(ring), { lengths: [64, 24], whole: true, fills: [7, 8] });
    }
  });

  it("takes a full ring", () => {
    const writer = new Writer();
    writer.startAt(40n);
    const ring = new PerfRing(writer.memory, PAGE);
    for (let record = 0; record < DATA / 64; record++) writer.write(64, record + 1);
    assert.equal(drained(ring).lengths.length, DATA / 64);
  });

  for (const claimed of [0, 7, 65]) {
    it(`skips the rest when a record claims ${claimed} of 64 bytes`, () => {
      const writer = new Writer();
      const ring = new PerfRing(writer.memory, PAGE);
      writer.write(16, 1);
      writer.write(64, 2, claimed);
      assert.deepEqual(drained(ring), { lengths: [16], whole: false, fills: [1] });
      writer.write(16, 3);
      assert.deepEqual(drained(ring), { lengths: [16], whole: true, fills: [3] });
    });
  }

  it("refuses a size that is no power of two", () => {
    assert.throws(() => new PerfRing(new Uint8Array(PAGE + 5000), PAGE), { code: "INTERNAL" });
  });
});
