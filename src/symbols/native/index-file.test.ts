import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, globSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { requirement } from "../../../test/support/requirements.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { readElf } from "../elf/elf-file.ts";
import { fileAccess } from "../elf/random-access.ts";
import { sectionData } from "../elf/section-data.ts";
import { isMissing } from "../executable-file.ts";
import { type IndexCache, openIndexCache } from "../index/index-cache.ts";
import { indexFile } from "./index-file.ts";

const INSTRUCTIONS = 3000;

describe("indexFile and what one index may take [S5]", { skip: requirement("binutils") }, () => {
  const folder = temporaryFolder();
  after(() => folder[Symbol.dispose]());
  const program = folder.file("program");
  let cache: IndexCache;
  let fd: number;
  after(() => closeSync(fd));

  /** Each instruction has a line of its own, and so a range. */
  before(() => {
    const source = folder.file("lines.s");
    const nops = "nop\n".repeat(INSTRUCTIONS);
    writeFileSync(source, `.globl _start\n.type _start,@function\n_start:\n${nops}`);
    execFileSync("as", ["-g", "-o", `${program}.o`, source]);
    execFileSync("ld", ["-o", program, `${program}.o`]);
    fd = openSync(program, "r");
    const opened = openIndexCache(folder.file("cache"));
    assert.ok(!isMissing(opened));
    cache = opened;
  });

  function limited(bytesMax: number): ReturnType<typeof indexFile> {
    return indexFile({ fd, name: "program", others: [] }, cache, { bytesMax });
  }

  function sectionBytes(name: string): number {
    return sectionData(readElf(fileAccess(fd, program)), name)?.size ?? assert.fail();
  }

  it("refuses debug information that is too large", async () => {
    const bytes = sectionBytes(".debug_info");
    assert.deepEqual(await limited(bytes - 1), { missing: `it has ${bytes} bytes of .debug_info` });
  });

  it("refuses a line table that is too large", async () => {
    const bytes = sectionBytes(".debug_line");
    assert.ok(bytes > sectionBytes(".debug_info"));
    assert.deepEqual(await limited(bytes - 1), { missing: `it has ${bytes} bytes of .debug_line` });
  });

  it("ends when there are too many ranges", async () => {
    const bytesMax = 4 * INSTRUCTIONS;
    await assert.rejects(limited(bytesMax), { code: "LIMIT_EXCEEDED", message: /ranges: 1501 / });
    assert.deepEqual(globSync(join(cache.path, "*")), []);
  });

  it("makes one within its limits", async () => {
    const kept = await limited(16 * INSTRUCTIONS);
    assert.ok(!isMissing(kept) && kept.bytes > 0);
  });
});
