import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AgentState } from "./agent-state.ts";
import type { SoakRun } from "./soak.ts";
import { barsOf } from "./verdict.ts";

const STATE: AgentState = {
  atMs: 0,
  rssMib: 100,
  anonymousMib: 60,
  peakMib: 110,
  threads: 9,
  fds: { sockets: 5, files: 1, lasting: 40 },
};
const SENT = { sent: 70, sendFailed: 20, enqueueFailed: 10, inFlight: 0 };
const received = (samples: number) => ({ samples, valueByWindow: new Map([[1n, 9]]) });

const GOOD: SoakRun = {
  quietBefore: STATE,
  quietAfter: STATE,
  states: statesGrowing(0),
  samples: { taken: 120, delivered: 119, lost: 1, dropped: 0, accepted: 100 },
  exporters: new Map([
    ["pprof", { sent: 100, sendFailed: 0, enqueueFailed: 0, inFlight: 0 }],
    ["otlp_http", SENT],
    ["otlp_grpc", SENT],
  ]),
  received: { pyroscope: received(0), otlp_http: received(70), otlp_grpc: received(70) },
  files: { written: 600, removed: 570, folderBytes: 500_000 },
  newFiles: 3000,
  mapBytes: 0,
  knownPrograms: 80,
  cpuSeconds: 30,
  stopMs: 50,
  end: { code: 0, signal: null, stdout: "", stderr: "" },
  log: [{ level: "error", msg: "not sent" }],
};

/** A state every three seconds for ten minutes. */
function statesGrowing(mibPerMinute: number): AgentState[] {
  return Array.from({ length: 200 }, (_, index) => {
    const atMs = index * 3000;
    return { ...STATE, atMs, rssMib: STATE.rssMib + (mibPerMinute * atMs) / 60_000 };
  });
}

const bad: readonly { name: string; run: Partial<SoakRun>; bar: RegExp }[] = [
  { name: "memory", run: { states: statesGrowing(1) }, bar: /growth of RSS/ },
  {
    name: "a thread that stays",
    run: { quietAfter: { ...STATE, threads: 10 } },
    bar: /^threads, after/,
  },
  {
    name: "open files",
    run: { quietAfter: { ...STATE, fds: { ...STATE.fds, files: 30 } } },
    bar: /open files/,
  },
  {
    name: "a sample that is nowhere",
    run: { samples: { ...GOOD.samples, taken: 121 } },
    bar: /^taken/,
  },
  {
    name: "a batch that is neither sent nor failed",
    run: { exporters: new Map([...GOOD.exporters, ["otlp_http", { ...SENT, sendFailed: 19 }]]) },
    bar: /^otlp_http: accepted/,
  },
  {
    name: "what was sent and did not arrive",
    run: { received: { ...GOOD.received, otlp_grpc: received(69) } },
    bar: /^otlp_grpc: received/,
  },
  {
    name: "two sums of one window",
    run: {
      received: {
        ...GOOD.received,
        pyroscope: { samples: 0, valueByWindow: new Map([[1n, 8]]) },
      },
    },
    bar: /windows/,
  },
  { name: "an error", run: { log: [{ level: "error", msg: "x" }] }, bar: /errors in the log/ },
  { name: "an end by a signal", run: { end: { ...GOOD.end, code: null } }, bar: /^SIGTERM/ },
];

describe("the verdict on a run under churn", () => {
  it("has nothing against a good run", () => {
    assert.deepEqual(
      barsOf(GOOD).filter(({ isMet }) => !isMet),
      [],
    );
  });

  for (const { name, run, bar } of bad) {
    it(`does not let pass: ${name}`, () => {
      const notMet = barsOf({ ...GOOD, ...run }).filter(({ isMet }) => !isMet);
      assert.equal(notMet.length, 1, JSON.stringify(notMet));
      assert.match(notMet[0]?.name ?? "", bar);
    });
  }
});
