import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { malformed } from "../../support/errors.ts";
import { bytesAccess, type RandomAccess } from "./random-access.ts";
import { READS_MAX, ReadRecorder, repeats } from "./read-recorder.ts";

const SIZE = 1_000_000;
const bytes = Uint8Array.from({ length: SIZE }, (_, index) => (index * 7) ^ (index >> 8));
const access = bytesAccess(bytes, "recorded");

function recorded(...reads: readonly (readonly [number, number])[]): ReadRecorder {
  const recorder = new ReadRecorder(access);
  for (const [offset, length] of reads) recorder.read(offset, length);
  return recorder;
}

function changedAt(offset: number): RandomAccess {
  const changed = bytes.slice();
  changed[offset] = (changed[offset] as number) ^ 1;
  return bytesAccess(changed, "changed");
}

describe("ReadRecorder", () => {
  it("passes reads on, into a target too", () => {
    const recorder = new ReadRecorder(access);
    const target = new Uint8Array(5);
    recorder.readInto(target, 20);
    assert.deepEqual([recorder.size, recorder.name], [SIZE, "recorded"]);
    assert.deepEqual(target, bytes.subarray(20, 25));
    assert.deepEqual(recorder.read(30, 4), bytes.subarray(30, 34));
    assert.deepEqual([...(recorder.record()?.reads ?? [])], [20, 5, 30, 4]);
  });

  it("takes neighbours together, and notes what is read again", () => {
    const record = recorded([0, 10], [10, 5], [5, 0], [0, 10]).record();
    assert.deepEqual([...(record?.reads ?? [])], [0, 15, 0, 10]);
  });

  it("is repeated by the same bytes and by no others", () => {
    const record = recorded([0, 64], [400_000, 300_000], [100, 3]).record();
    assert.ok(record !== undefined);
    assert.ok(repeats(access, record));
    for (const read of [0, 63, 100, 102, 400_000, 699_999]) {
      assert.ok(!repeats(changedAt(read), record), `changed at ${read}`);
    }
    for (const unread of [64, 99, 103, 399_999, 700_000]) {
      assert.ok(repeats(changedAt(unread), record), `changed at ${unread}`);
    }
  });

  it("keeps what the reader got of an input that changes meanwhile", () => {
    const inputs = [access, changedAt(10)];
    const changing: RandomAccess = {
      ...access,
      read: (offset, length) => (inputs.shift() ?? access).read(offset, length),
    };
    const recorder = new ReadRecorder(changing);
    recorder.read(0, 20);
    recorder.read(0, 20);
    const record = recorder.record();
    assert.ok(record !== undefined);
    assert.ok(!repeats(access, record) && !repeats(changedAt(10), record));
  });

  it("has no record once a read failed, whatever the reader made of it", () => {
    const failures = [malformed("recorded", "was cut")];
    const failing: RandomAccess = {
      ...access,
      read: (offset, length) => {
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
        return access.read(offset, length);
      },
    };
    const recorder = new ReadRecorder(failing);
    assert.throws(() => recorder.read(0, 1), /was cut/);
    assert.equal(recorder.read(0, 1).length, 1);
    assert.equal(recorder.record(), undefined);
  });

  for (const [count, isKept] of [
    [READS_MAX - 1, true],
    [READS_MAX, true],
    [READS_MAX + 1, false],
  ] as const) {
    it(`${isKept ? "keeps" : "does not keep"} ${count} reads`, () => {
      const recorder = new ReadRecorder(access);
      for (let index = 0; index < count; index++) recorder.read(index * 2, 1);
      assert.equal(recorder.record() !== undefined, isKept);
    });
  }
});
