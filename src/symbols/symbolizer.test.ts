import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { createLogger, silentLogger } from "../support/logger.ts";
import { type ExecutableFile, isMissing } from "./executable-file.ts";
import type { JitMapFile } from "./jit/jit-maps.ts";
import { Symbolizer } from "./symbolizer.ts";

/** Shorter than the odd worker needs to start. */
const DEADLINE_MS = 100;
const BUSY_MS = 1500;
const oddWorker = {
  workerUrl: new URL("./testing/odd-worker.ts", import.meta.url),
  deadlineMs: DEADLINE_MS,
  logger: silentLogger,
};
/** More workers than are replaced in a minute. */
const QUESTIONS = 8;
const RESTARTS_MAX = 3;

const NAMING = { demangle: true, lines: true, inlines: true };

let opened = 0;
let closed = 0;

function nodeFile(key: string, buildId = ""): ExecutableFile {
  return {
    key,
    buildId,
    open() {
      const fd = openSync(process.execPath, "r");
      opened++;
      return {
        fd,
        [Symbol.dispose]: () => {
          closed++;
          closeSync(fd);
        },
      };
    },
  };
}

const JIT_NAMING = { demangle: true, source_maps: false };

function jitMap(key: string): JitMapFile {
  const owner = "process 1, program 1";
  const scripts = (): undefined => undefined;
  return { key, fd: -1, kind: "perf_map", owner, scripts, [Symbol.dispose]: () => {} };
}

describe("Symbolizer", () => {
  it("opens a file once for what it does not know of it, and closes it", async () => {
    await using symbolizer = new Symbolizer({ logger: silentLogger });
    const file = nodeFile("node");
    assert.ok(!isMissing(await symbolizer.identify(file)));
    const before = opened;
    for (const addresses of [BigUint64Array.of(0n, 1n), BigUint64Array.of(1n, 0n)]) {
      assert.deepEqual(await symbolizer.symbolize(file, addresses, NAMING), [[], []]);
    }
    assert.equal(opened - before, 1);
    assert.equal(closed, opened);
  });

  it("keeps the names that it knows when the file is gone, and says why not others", async () => {
    await using symbolizer = new Symbolizer({ logger: silentLogger });
    const file = nodeFile("node");
    await symbolizer.symbolize(file, BigUint64Array.of(1n), NAMING);
    const gone = { ...file, open: () => ({ missing: "gone" }) };
    const far = 1n << 50n;
    const frames = await symbolizer.symbolize(gone, BigUint64Array.of(far, 1n), NAMING);
    assert.deepEqual(frames, [{ missing: "gone" }, []]);
  });

  it("knows no name by another file of the same key that claims another build", async () => {
    await using symbolizer = new Symbolizer({ logger: silentLogger });
    await symbolizer.symbolize(nodeFile("node"), BigUint64Array.of(1n), NAMING);
    const [frames] = await symbolizer.symbolize(
      nodeFile("node", "00ff"),
      BigUint64Array.of(1n),
      NAMING,
    );
    assert.ok(frames !== undefined && isMissing(frames));
  });

  it("refuses a file of another build", async () => {
    await using symbolizer = new Symbolizer({ logger: silentLogger });
    assert.ok(isMissing(await symbolizer.identify(nodeFile("other", "00ff"))));
  });

  it("says that a file is broken, and goes on", async () => {
    await using symbolizer = new Symbolizer({ logger: silentLogger });
    const broken = { key: "broken", buildId: "", open: () => ({ bytes: new Uint8Array(100) }) };
    assert.ok(isMissing(await symbolizer.identify(broken)));
    assert.ok(!isMissing(await symbolizer.identify(nodeFile("node"))));
    assert.equal(symbolizer.counters.restarts, 0);
  });

  it("answers every question when files cost the worker, then is off [S12]", async () => {
    const lines: string[] = [];
    const logger = createLogger("info", (line) => lines.push(line));
    await using symbolizer = new Symbolizer({ ...oddWorker, logger, offMs: 0 });
    const questions = Array.from({ length: QUESTIONS }, (_, n) =>
      symbolizer.identify(nodeFile(`hang ${n}`)),
    );
    const answers = await Promise.all(questions);
    assert.ok(answers.every(isMissing));
    assert.equal(symbolizer.counters.restarts, RESTARTS_MAX + 1);
    assert.equal(closed, opened);
    assert.equal(
      lines.filter((line) => line.includes("symbolization of new files is off")).length,
      1,
    );
    assert.deepEqual(await symbolizer.identify(nodeFile("fine")), { missing: "is odd" });
    assert.equal(lines.filter((line) => line.includes("is tried again")).length, 1);
  });

  it("does not read again the map that cost the worker, and goes on [S12]", async () => {
    await using symbolizer = new Symbolizer(oddWorker);
    let disposed = 0;
    for (let question = 0; question < QUESTIONS; question++) {
      const map = { ...jitMap("hang"), [Symbol.dispose]: () => void disposed++ };
      const found = await symbolizer.symbolizeJit(map, BigUint64Array.of(1n), JIT_NAMING);
      assert.match("missing" in found ? found.missing : "", /took over 100 ms/);
    }
    assert.equal(disposed, QUESTIONS);
    assert.deepEqual(symbolizer.counters, { restarts: 1, refusedFiles: 1 });
    assert.deepEqual(await symbolizer.identify(nodeFile("fine")), { missing: "is odd" });
    assert.deepEqual(
      await symbolizer.symbolizeJit(jitMap("fine"), BigUint64Array.of(1n), JIT_NAMING),
      { missing: "is odd" },
    );
  });

  it("reads one long map to its end before the next, so that none pushes out another", async () => {
    await using symbolizer = new Symbolizer(oddWorker);
    const names = ["long a", "long b", "long c"];
    const answers = names.map((name) =>
      symbolizer.symbolizeJit(jitMap(name), BigUint64Array.of(1n), JIT_NAMING),
    );
    const expected = names.map((name) => ({ missing: `${name}, ${name}, ${name}` }));
    assert.deepEqual(await Promise.all(answers), expected);
  });

  it("takes unwind tables out first, then compiles what is wanted most", async () => {
    await using symbolizer = new Symbolizer(oddWorker);
    const order: string[] = [];
    const target = { slots: -1, slot: 1, bytesMax: 0 };
    const load = async (name: string, demand: number): Promise<void> => {
      await symbolizer.loadUnwindTable(nodeFile(name), target, () => demand);
      order.push(name);
    };
    const drop = async (): Promise<void> => {
      await symbolizer.dropUnwindTables(-1, [7]);
      order.push("drop");
    };
    await Promise.all([load("first", 1), load("rare", 2), load("often", 1000), drop()]);
    assert.deepEqual(order, ["first", "drop", "often", "rare"]);
  });

  it("gives the first unwind table no more time than every other", async () => {
    await using symbolizer = new Symbolizer(oddWorker);
    const target = { slots: -1, slot: 1, bytesMax: 0 };
    const answer = await symbolizer.loadUnwindTable(nodeFile("hang"), target, () => 1);
    assert.match("missing" in answer ? answer.missing : "", /^took over 100 ms$/);
  });

  it("ends the worker when nobody wants what it works at, and blames no file", async () => {
    await using symbolizer = new Symbolizer({ ...oddWorker, deadlineMs: 60_000 });
    const load = (slots: number): Promise<unknown> =>
      symbolizer.loadUnwindTable(nodeFile("hang"), { slots, slot: 1, bytesMax: 0 }, () => 1);
    const [first, second] = [load(-1), load(-1)];
    await symbolizer.cancelUnwindTables(-2);
    await symbolizer.cancelUnwindTables(-1);
    const given = { missing: "nobody wants it any more", kind: "given_up" };
    assert.deepEqual(await Promise.all([first, second]), [given, given]);
    assert.deepEqual(symbolizer.counters, { restarts: 0, refusedFiles: 0 });
    assert.deepEqual(await symbolizer.identify(nodeFile("fine")), { missing: "is odd" });
  });

  it("asks the symbol table alone when debug information costs the worker", async () => {
    await using symbolizer = new Symbolizer(oddWorker);
    const answer = await symbolizer.symbolize(nodeFile("heavy"), BigUint64Array.of(1n), NAMING);
    assert.deepEqual(answer, [{ missing: "is odd" }]);
    assert.equal(symbolizer.counters.restarts, 1);
    const again = await symbolizer.symbolize(nodeFile("heavy"), BigUint64Array.of(2n), NAMING);
    assert.deepEqual(again, [{ missing: "is odd" }]);
    assert.equal(symbolizer.counters.restarts, 1);
  });

  it("gives a file more time where the worker's own start took long", async () => {
    const workerUrl = new URL("./testing/slow-worker.ts", import.meta.url);
    await using symbolizer = new Symbolizer({ ...oddWorker, workerUrl });
    assert.deepEqual(await symbolizer.identify(nodeFile("fine")), { missing: "is slow" });
    assert.equal(symbolizer.counters.restarts, 0);
  });

  it("names the deadline that the kernel's list overstepped", async () => {
    const kernelDeadlineMs = 2 * DEADLINE_MS;
    await using symbolizer = new Symbolizer({ ...oddWorker, kernelDeadlineMs });
    const [answer] = await symbolizer.symbolizeKernel(BigUint64Array.of(0n));
    assert.match(answer && isMissing(answer) ? answer.missing : "", /^took over 200 ms$/);
  });

  it("stays off until its time is over", async () => {
    await using symbolizer = new Symbolizer({ ...oddWorker, offMs: 60_000 });
    for (let n = 0; n <= RESTARTS_MAX; n++) await symbolizer.identify(nodeFile(`hang ${n}`));
    const answer = await symbolizer.identify(nodeFile("fine"));
    assert.match(isMissing(answer) ? answer.missing : "", /is off/);
  });

  it("does not count the worker's start against a file", async () => {
    await using symbolizer = new Symbolizer(oddWorker);
    assert.deepEqual(await symbolizer.identify(nodeFile("fine")), { missing: "is odd" });
    assert.equal(symbolizer.counters.restarts, 0);
  });

  it("takes an answer that waits for no hang, however late this thread is", async () => {
    await using symbolizer = new Symbolizer(oddWorker);
    await symbolizer.identify(nodeFile("first"));
    const answer = symbolizer.identify(nodeFile("second"));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_MS);
    assert.deepEqual(await answer, { missing: "is odd" });
    assert.equal(symbolizer.counters.restarts, 0);
  });

  it("goes on beside a read that does not return, and closes its file after it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "symbolizer-"));
    const path = join(folder, "pipe");
    execFileSync("mkfifo", [path]);
    const fd = openSync(path, "r+");
    try {
      await using symbolizer = new Symbolizer(oddWorker);
      const released = Promise.withResolvers<void>();
      let isClosed = false;
      const dispose = (): void => {
        isClosed = true;
        released.resolve();
      };
      const stuck = { key: "stuck", buildId: "", open: () => ({ fd, [Symbol.dispose]: dispose }) };
      assert.ok(isMissing(await symbolizer.identify(stuck)));
      assert.equal(isClosed, false);
      assert.deepEqual(await symbolizer.identify(nodeFile("fine")), { missing: "is odd" });
      writeSync(fd, "x");
      await released.promise;
    } finally {
      closeSync(fd);
      rmSync(folder, { recursive: true });
    }
  });

  it("answers what is asked after its end", async () => {
    const symbolizer = new Symbolizer({ logger: silentLogger });
    await symbolizer[Symbol.asyncDispose]();
    assert.ok(isMissing(await symbolizer.identify(nodeFile("late"))));
  });
});
