import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ExecutableFile, type ExecutableInfo, isMissing } from "./executable-file.ts";
import { ExecutableRegistry, type MappedFile } from "./executables.ts";
import type { Symbolizer } from "./symbolizer.ts";

const INFO: ExecutableInfo = { buildId: "aa", goBuildId: "", htlhash: "bb", segments: [] };
const USER = Symbol("first");
const OTHER = Symbol("second");

/** More than any file is kept for. */
const MANY_BATCHES = 200;

/** A registry whose files are all alike but for their identity. */
function registry(forget: (file: ExecutableFile) => void = () => {}): ExecutableRegistry {
  const identify = async (): Promise<ExecutableInfo> => INFO;
  return new ExecutableRegistry({ identify, forget } as unknown as Symbolizer);
}

function fileOf(path: string): MappedFile {
  return { path, buildId: "aa" };
}

async function meet(executables: ExecutableRegistry, file: MappedFile): Promise<void> {
  executables.meet(file, () => ({
    bytes: new Uint8Array(1),
    identity: file.path,
    path: file.path,
  }));
  await executables.settled();
}

function isNamed(executables: ExecutableRegistry, { path, buildId }: MappedFile): boolean {
  return !isMissing(executables.find({ path, buildId, htlhash: INFO.htlhash }));
}

describe("ExecutableRegistry", () => {
  it("keeps a file open until everyone has named the batch that it was met for", async () => {
    const executables = registry();
    executables.addUser(USER);
    executables.addUser(OTHER);
    await meet(executables, fileOf("/tmp/short"));
    const isOpen = (): boolean => executables.heldCount === 1;
    executables.batchNamed(USER);
    executables.batchNamed(USER);
    assert.ok(isOpen());
    executables.batchNamed(OTHER);
    assert.ok(isOpen());
    executables.batchNamed(OTHER);
    assert.ok(!isOpen());
    await meet(executables, fileOf("/tmp/other"));
    executables.removeUser(USER);
    assert.ok(isOpen());
    executables.removeUser(OTHER);
    assert.ok(!isOpen());
  });

  it("forgets a file that was in no batch for long, and none that is", async () => {
    const forgotten = new Set<string>();
    const executables = registry(({ key }) => forgotten.add(key));
    executables.addUser(USER);
    const ended = fileOf("/tmp/ended");
    const running = fileOf("/usr/bin/running");
    for (const file of [ended, running]) {
      await meet(executables, file);
      assert.ok(!isMissing(executables.infoOf(file)));
    }
    for (let batch = 0; batch < MANY_BATCHES; batch++) {
      assert.ok(isNamed(executables, running));
      executables.batchNamed(USER);
    }
    assert.equal(executables.size, 1);
    assert.ok(!isNamed(executables, ended));
    assert.deepEqual(
      [...forgotten],
      [`${ended.path} (${ended.path})`],
      "its names are forgotten too",
    );
    assert.ok(isNamed(executables, running));
  });

  it("reads one file once, whatever its paths, and opens it through who was met last", async () => {
    const reads: string[] = [];
    const identify = async ({ key }: ExecutableFile): Promise<ExecutableInfo> => {
      reads.push(key);
      return INFO;
    };
    const executables = new ExecutableRegistry({ identify } as unknown as Symbolizer);
    const opened: string[] = [];
    const meetBy = async (path: string): Promise<MappedFile> => {
      const file = fileOf(path);
      executables.meet(file, () => {
        opened.push(path);
        return { bytes: new Uint8Array(1), identity: "8:1:77", path };
      });
      await executables.settled();
      return file;
    };
    const first = await meetBy("/usr/lib/libc.so");
    await meetBy("/container/libc.so");
    assert.deepEqual(reads, ["/usr/lib/libc.so (8:1:77)"]);
    const found = await executables.identified(first);
    assert.ok(!isMissing(found) && !isMissing(found.file.open()));
    assert.deepEqual(opened, ["/usr/lib/libc.so", "/container/libc.so", "/container/libc.so"]);
  });

  it("knows a forgotten file again when its process is sampled again", async () => {
    const executables = registry();
    executables.addUser(USER);
    const sleeping = fileOf("/usr/bin/sleeping");
    await meet(executables, sleeping);
    for (let batch = 0; batch < MANY_BATCHES; batch++) executables.batchNamed(USER);
    assert.equal(executables.size, 0);
    assert.ok(!isMissing(executables.infoOf(sleeping)));
    assert.ok(isNamed(executables, sleeping));
    assert.equal(executables.size, 1);
  });
});
