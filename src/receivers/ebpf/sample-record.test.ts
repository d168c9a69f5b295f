import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isCollectorError } from "../../support/errors.ts";
import {
  KERNEL_FRAMES_MAX,
  SampleDecoder,
  sampleFlag,
  sampleResult,
  stackResultFrame,
  USER_FRAMES_MAX,
} from "./sample-record.ts";

/** They are numbered from 0 on. */
const RESULTS = Object.keys(sampleResult).length;

interface Given {
  user?: bigint[];
  kernel?: bigint[];
  thread?: string;
  process?: string;
  result?: number;
}

/** A record as the BPF program writes it. */
function recordOf({ user = [], kernel = [], thread = "t", process = "p", result = 0 }: Given) {
  const frames = [...user, ...kernel];
  const bytes = new Uint8Array(80 + 8 * frames.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, 12_345_678_901_234n, true);
  view.setBigUint64(8, 2n ** 40n + 5n, true);
  view.setBigUint64(16, 2n ** 33n + 7n, true);
  for (const [index, word] of [4242, 4243, 3].entries()) view.setUint32(24 + 4 * index, word, true);
  view.setUint8(37, result);
  view.setUint16(38, sampleFlag.userMode, true);
  view.setUint16(40, user.length, true);
  view.setUint16(42, kernel.length, true);
  bytes.set(new TextEncoder().encode(thread), 48);
  bytes.set(new TextEncoder().encode(process), 64);
  for (const [index, frame] of frames.entries()) view.setBigUint64(80 + 8 * index, frame, true);
  return new Uint32Array(bytes.buffer);
}

function framesOf(words: Uint32Array, count: number): bigint[] {
  return [...new BigUint64Array(words.buffer, 0, count)];
}

describe("SampleDecoder", () => {
  it("reads every field", () => {
    const user = [0x4011d0n, 0x7fff_1234_5678n];
    const kernel = [0xffff_ffff_8100_0000n];
    const words = recordOf({ user, kernel, thread: "worker", process: "server" });
    const {
      user: userWords,
      kernel: kernelWords,
      ...rest
    } = new SampleDecoder().decode(words, 0, words.byteLength);
    assert.deepEqual(rest, {
      timeNs: 12_345_678_901_234n,
      cpu: 3,
      pid: 4242,
      tid: 4243,
      cgroupId: 2n ** 40n + 5n,
      kind: 0,
      value: 2 ** 33 + 7,
      result: sampleResult.complete,
      flags: sampleFlag.userMode,
      threadName: "worker",
      processName: "server",
      userCount: 2,
      kernelCount: 1,
    });
    assert.deepEqual(framesOf(userWords, 2), user);
    assert.deepEqual(framesOf(kernelWords, 1), kernel);
  });

  for (const { name, comm, read } of [
    { name: "of 16 bytes without an end", comm: "0123456789abcdef", read: "0123456789abcdef" },
    { name: "that is empty", comm: "", read: "" },
    { name: "in UTF-8", comm: "späher", read: "späher" },
    { name: "with a rest behind its end", comm: "sh\0old", read: "sh" },
  ]) {
    it(`reads a name ${name}, also from the cache`, () => {
      const decoder = new SampleDecoder();
      const words = recordOf({ process: comm });
      for (let turn = 0; turn < 3; turn++) {
        assert.equal(decoder.decode(words, 0, words.byteLength).processName, read);
      }
    });
  }

  it("keeps 5000 names apart", () => {
    const decoder = new SampleDecoder();
    for (let turn = 0; turn < 5000; turn++) {
      const words = recordOf({ thread: `kworker/${turn}`, process: `p${turn}` });
      const sample = decoder.decode(words, 0, words.byteLength);
      assert.equal(sample.threadName, `kworker/${turn}`);
      assert.equal(sample.processName, `p${turn}`);
    }
  });

  it("reads the largest record", () => {
    const user = new Array<bigint>(USER_FRAMES_MAX).fill(1n);
    const kernel = new Array<bigint>(KERNEL_FRAMES_MAX).fill(2n);
    const words = recordOf({ user, kernel });
    const sample = new SampleDecoder().decode(words, 0, words.byteLength);
    assert.deepEqual(framesOf(sample.user, sample.userCount), user);
    assert.deepEqual(framesOf(sample.kernel, sample.kernelCount), kernel);
  });

  it("reads every result", () => {
    for (const result of Object.values(sampleResult)) {
      const words = recordOf({ result });
      assert.equal(new SampleDecoder().decode(words, 0, words.byteLength).result, result);
    }
  });

  for (const { name, words, byteLength } of [
    { name: "too short", words: recordOf({}), byteLength: 72 },
    { name: "longer than its counts", words: recordOf({ user: [1n] }), byteLength: 80 },
    { name: "beyond its memory", words: recordOf({}).subarray(0, 19), byteLength: 80 },
    { name: "of an unknown result", words: recordOf({ result: RESULTS }), byteLength: 80 },
    {
      name: "with too many frames",
      words: recordOf({ kernel: new Array(KERNEL_FRAMES_MAX + 1).fill(1n) }),
      byteLength: 80 + 8 * (KERNEL_FRAMES_MAX + 1),
    },
  ]) {
    it(`refuses a record ${name}`, () => {
      assert.throws(
        () => new SampleDecoder().decode(words, 0, byteLength),
        (error) => isCollectorError(error, "INPUT_MALFORMED"),
      );
    });
  }
});

describe("stackResultFrame", () => {
  it("marks every stack of which something is missing, each kind with its own words", () => {
    const entries = Object.entries(sampleResult);
    const unmarked = entries.filter(([, code]) => stackResultFrame(code) === undefined);
    assert.deepEqual(
      unmarked.map(([name]) => name),
      ["complete", "kernelThread"],
    );
    const marks = entries.map(([, code]) => stackResultFrame(code)).filter(Boolean);
    assert.equal(new Set(marks).size, entries.length - unmarked.length);
  });
});
