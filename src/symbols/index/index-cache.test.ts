import assert from "node:assert/strict";
import {
  closeSync,
  copyFileSync,
  globSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { buildProgram } from "../../../test/support/build-program.ts";
import { requirement } from "../../../test/support/requirements.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { readElf } from "../elf/elf-file.ts";
import { fileAccess } from "../elf/random-access.ts";
import { isMissing } from "../executable-file.ts";
import { indexFile } from "../native/index-file.ts";
import { type IndexCache, openIndexCache } from "./index-cache.ts";

describe("IndexCache", { skip: requirement("binutils") }, () => {
  const folder = temporaryFolder();
  after(() => folder[Symbol.dispose]());
  const program = folder.file("program");
  const debug = folder.file("debug");
  const fds: number[] = [];
  after(() => fds.forEach((fd) => void closeSync(fd)));
  let cache: IndexCache;

  beforeEach((test) => {
    copyFileSync(buildProgram("three_paths.cpp"), program);
    writeFileSync(debug, "told by its inode");
    const opened = openIndexCache(folder.file(`cache of ${test.name}`));
    assert.ok(!isMissing(opened));
    cache = opened;
  });

  function open(path: string): number {
    const fd = openSync(path, "r");
    fds.push(fd);
    return fd;
  }

  async function keep(others: readonly (number | undefined)[] = []): Promise<void> {
    const kept = await indexFile({ fd: open(program), name: program, others }, cache);
    assert.ok(!isMissing(kept));
  }

  function isFound(others: readonly (number | undefined)[] = []): boolean {
    const elf = readElf(fileAccess(open(program), program));
    const found = cache.find({ elf, others });
    found?.[Symbol.dispose]();
    return found !== undefined;
  }

  function entryPath(): string {
    return globSync(join(cache.path, "*.symbols"))[0] ?? assert.fail();
  }

  it("finds what it has kept, for the same contents anywhere", async () => {
    assert.equal(isFound(), false);
    await keep();
    assert.equal(isFound(), true);
    copyFileSync(program, folder.file("moved"));
    copyFileSync(folder.file("moved"), program);
    assert.equal(isFound(), true);
  });

  it("finds nothing for a file with the same headers and other contents", async () => {
    await keep();
    const bytes = readFileSync(program);
    const { sections } = readElf(fileAccess(open(program), program));
    const names = sections.find(({ name }) => name === ".strtab") ?? assert.fail();
    bytes[names.offset + 1] = (bytes[names.offset + 1] as number) ^ 1;
    writeFileSync(program, bytes);
    assert.equal(isFound(), false);
  });

  it("finds nothing when the debug file is another one", async () => {
    await keep([open(debug)]);
    assert.equal(isFound([open(debug)]), true);
    assert.equal(isFound(), false);
    copyFileSync(program, debug);
    assert.equal(isFound([open(debug)]), false);
  });

  it("takes an entry that was cut or overwritten for none", async () => {
    await keep();
    const path = entryPath();
    truncateSync(path, 5000);
    assert.equal(isFound(), false);
    truncateSync(path, 10);
    assert.equal(isFound(), false);
    writeFileSync(path, Buffer.alloc(10_000, 0xff));
    assert.equal(isFound(), false);
  });

  it("takes an entry of which any byte has changed for none", async () => {
    await keep();
    const path = entryPath();
    const bytes = readFileSync(path);
    for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / 50)) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 4;
      writeFileSync(path, changed);
      assert.equal(isFound(), false, `byte ${at}`);
    }
    writeFileSync(path, bytes);
    assert.equal(isFound(), true);
  });

  it("keeps nothing when the debug file is written to meanwhile", async () => {
    const fd = open(program);
    const elf = readElf(fileAccess(fd, program));
    const others = [open(debug)];
    const kept = await cache.keep({ elf, others }, async () => {
      writeFileSync(debug, "of another time");
      return [];
    });
    assert.deepEqual(kept, { missing: "its debug file has changed meanwhile" });
    assert.deepEqual(globSync(join(cache.path, "*")), []);
  });

  it("leaves no copy of a file behind, also of one that has no index", async () => {
    await keep();
    writeFileSync(program, "no program");
    await assert.rejects(keep());
    assert.deepEqual(globSync(join(cache.path, "*")), [entryPath()]);
  });
});
