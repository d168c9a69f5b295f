import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { hostileFiles } from "./hostile-files.ts";
import type { ReadReport } from "./read-file.ts";

/** What one file may take [S5]. */
const CPU_MS_MAX = 2000;
const MEMORY_MIB_MAX = 256;
/** As much as the worker of symbols has. */
const HEAP_FLAG = "--max-old-space-size=512";

const reader = fileURLToPath(new URL("./read-file.ts", import.meta.url));
const folder = temporaryFolder();
after(() => folder[Symbol.dispose]());

async function read(path: string): Promise<ReadReport> {
  const result = await runCommand(process.execPath, [HEAP_FLAG, reader, path]);
  assert.equal(
    result.code,
    0,
    `the reader ended: ${/FATAL.*/.exec(result.stderr) ?? result.stderr}`,
  );
  return JSON.parse(result.stdout) as ReadReport;
}

describe("hostile executables [S5]", () => {
  it("are fifty and more, each with a name", () => {
    assert.ok(hostileFiles.length >= 50, `${hostileFiles.length}`);
    assert.equal(new Set(hostileFiles.map(({ name }) => name)).size, hostileFiles.length);
  });

  for (const [index, { name, image }] of hostileFiles.entries()) {
    it(`${name}: runs, and is read in bounds`, async (test) => {
      const path = folder.file(`${index}`);
      try {
        image(0).write(path);
        const run = await runCommand(path);
        assert.equal(run.code, 0, `Linux does not run it: ${run.signal}`);
        const { parts, memoryMib } = await read(path);
        test.diagnostic(`memory: ${Math.round(memoryMib)} MiB`);
        for (const { part, cpuMs, outcome, isFault } of parts) {
          test.diagnostic(`${part}: ${Math.round(cpuMs)} ms, ${outcome}`);
          assert.ok(!isFault, `${part}: ${outcome}`);
          assert.ok(cpuMs <= CPU_MS_MAX, `${part}: ${cpuMs} ms`);
        }
        assert.ok(memoryMib <= MEMORY_MIB_MAX, `${memoryMib} MiB`);
      } finally {
        rmSync(path, { force: true });
      }
    });
  }
});
