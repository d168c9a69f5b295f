import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { describe, it } from "node:test";
import { silentLogger } from "../support/logger.ts";
import { type ExecutableFile, isMissing } from "./executable-file.ts";
import { Symbolizer } from "./symbolizer.ts";

/** Shorter than any worker needs to start, so that every question oversteps it. */
const NO_TIME_MS = 1;
/** More workers than are replaced in a minute. */
const QUESTIONS = 20;

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

describe("Symbolizer", () => {
  it("opens a file once for many questions, and closes it", async () => {
    await using symbolizer = new Symbolizer({ logger: silentLogger });
    const before = opened;
    const file = nodeFile("node");
    const info = await symbolizer.identify(file, true);
    assert.ok(!isMissing(info));
    const frames = await symbolizer.symbolize(file, BigUint64Array.of(0n, 1n), true);
    assert.deepEqual(frames, [[], []]);
    assert.equal(opened - before, 1);
    assert.equal(closed, opened);
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
    await using symbolizer = new Symbolizer({ logger: silentLogger, deadlineMs: NO_TIME_MS });
    const questions = Array.from({ length: QUESTIONS }, (_, n) =>
      symbolizer.identify(nodeFile(`file ${n}`)),
    );
    const answers = await Promise.all(questions);
    assert.ok(answers.every(isMissing));
    assert.ok(symbolizer.counters.restarts > 0);
    assert.ok(symbolizer.counters.restarts < QUESTIONS);
    assert.equal(closed, opened);
  });

  it("answers what is asked after its end", async () => {
    const symbolizer = new Symbolizer({ logger: silentLogger });
    await symbolizer[Symbol.asyncDispose]();
    assert.ok(isMissing(await symbolizer.identify(nodeFile("late"))));
  });
});
