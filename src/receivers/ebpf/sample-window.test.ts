import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SampleWindow } from "./sample-window.ts";
import { imageWith, PERIOD_NS, rawSample } from "./testing/fakes.ts";

function windowOf(keepTimes = false): SampleWindow {
  return new SampleWindow({ keepTimes, periodNs: PERIOD_NS });
}

/** Each row as "thread name, cpu, value". */
function rowsOf(window: SampleWindow): string[] {
  return window.rows.map((row, index) => `${row.threadName} ${row.cpu} ${window.values.at(index)}`);
}

describe("SampleWindow", () => {
  it("sums equal samples in one row", () => {
    const window = windowOf();
    const image = imageWith([]);
    for (let i = 0; i < 5; i++) window.add(rawSample());
    window.settle(() => image);
    for (let i = 0; i < 2; i++) window.add(rawSample({ timeNs: 2000n }));
    window.settle(() => image);
    assert.deepEqual(rowsOf(window), ["worker 0 7"]);
    assert.equal(window.total, 7);
  });

  const others = {
    thread: { tid: 101 },
    "name of a thread": { threadName: "other" },
    cpu: { cpu: 1 },
    "user stack": { user: [0x2000n] },
    "kernel stack": { kernel: [0xffffffff81000000n] },
    result: { result: 4 },
  } as const;
  for (const [name, other] of Object.entries(others)) {
    it(`keeps samples apart that differ in ${name}`, () => {
      const window = windowOf();
      window.add(rawSample());
      window.add(rawSample(other as object));
      window.settle(() => image);
      assert.deepEqual(
        [0, 1].map((row) => window.values.at(row)),
        [1, 1],
      );
    });
  }
  const image = imageWith([]);

  it("keeps different programs of one pid apart, by the time of the sample", () => {
    const window = windowOf();
    const shell = imageWith([], { processName: "sh" });
    const program = imageWith([], { processName: "true" });
    for (const timeNs of [10n, 20n, 30n]) window.add(rawSample({ timeNs }));
    window.settle((sample) => (sample.timeNs < 20n ? shell : program));
    assert.deepEqual(
      window.rows.map((row, index) => [row.image.processName, window.values.at(index)]),
      [
        ["sh", 1],
        ["true", 2],
      ],
    );
  });

  it("gives the new rows of each settling once", () => {
    const window = windowOf();
    window.add(rawSample());
    assert.equal(window.settle(() => image).length, 1);
    window.add(rawSample());
    window.add(rawSample({ cpu: 1 }));
    assert.deepEqual(
      window.settle(() => image).map((row) => row.cpu),
      [1],
    );
    assert.deepEqual(
      window.settle(() => image),
      [],
    );
  });

  it("counts a sample that waits as something to send", () => {
    const window = windowOf();
    assert.equal(window.isEmpty, true);
    window.add(rawSample());
    assert.equal(window.isEmpty, false);
  });

  it("counts a sample that stands for several ticks as that many", () => {
    const window = windowOf();
    window.add(rawSample({ value: 3 * PERIOD_NS }));
    window.settle(() => image);
    assert.equal(window.total, 3);
  });

  it("keeps the time of every sample only when asked", () => {
    for (const keepTimes of [false, true]) {
      const window = windowOf(keepTimes);
      for (const timeNs of [5n, 6n]) window.add(rawSample({ timeNs }));
      window.settle(() => image);
      assert.deepEqual(window.times, keepTimes ? [5n, 6n] : []);
      assert.equal(window.timedRows.length, keepTimes ? 2 : 0);
    }
  });

  it("spans the times that it keeps, also those just outside of it", () => {
    const window = windowOf(true);
    assert.deepEqual(window.span(10n, 20n), { startNs: 10n, endNs: 20n });
    for (const timeNs of [8n, 12n, 20n]) window.add(rawSample({ timeNs }));
    window.settle(() => image);
    assert.deepEqual(window.span(10n, 20n), { startNs: 8n, endNs: 21n });
  });

  it("does not keep the memory of the sample that it was given", () => {
    const window = windowOf();
    const sample = rawSample({ user: [0x1234n] });
    window.add(sample);
    sample.user.fill(0);
    window.settle(() => image);
    assert.deepEqual([...window.userStacks.row(window.rows[0]?.userStack ?? 0)], [0x1234, 0]);
  });

  const full = [
    { name: "rows", samples: [{ tid: 1 }, { tid: 2 }, { tid: 3 }] },
    { name: "frames", samples: [{ user: [1n, 2n] }, { user: [3n, 4n, 5n] }] },
    { name: "kernel frames", samples: [{ kernel: [1n] }, { kernel: [1n, 2n, 3n, 4n] }] },
    { name: "times, however few the rows", samples: [{}, {}, {}, {}] },
  ];
  for (const { name, samples } of full) {
    it(`is full at its limit of ${name}`, () => {
      const limits = { rows: 3, frames: 5, times: 4 };
      const window = new SampleWindow({ keepTimes: true, periodNs: PERIOD_NS, limits });
      const wasFull = samples.map((sample) => {
        const before = window.isFull;
        window.add(rawSample(sample));
        window.settle(() => image);
        return before;
      });
      assert.equal(wasFull.includes(true), false);
      assert.equal(window.isFull, true);
    });
  }
});
