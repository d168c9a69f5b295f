import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { ResolvedSample } from "../../src/profiles/resolved.ts";
import { sleep } from "../../src/support/clock.ts";
import { buildProgram } from "../support/build-program.ts";
import { attributeOf, CollectingSink, runReceiver } from "../support/receiver-run.ts";
import { requirement } from "../support/requirements.ts";
import { runCommand, startCommand } from "../support/run-command.ts";
import { type TemporaryFolder, temporaryFolder } from "../support/temporary-folder.ts";

const BUILD_ID = "-Wl,--build-id";

/** Names of functions that would be there were the wrong file read. */
const WRONG = ["-Dspin=wrong_spin", "-Dwork=wrong_work"];

/** A copy of a test program under a name of its own, which a test may delete or replace. */
function copied(folder: TemporaryFolder, name: string, built: string): string {
  const path = folder.file(name);
  copyFileSync(built, path);
  return path;
}

/** The samples of one program, taken with names while `work` ran. */
async function samplesOf(path: string, work: () => Promise<unknown>): Promise<ResolvedSample[]> {
  const sink = new CollectingSink();
  await runReceiver({ sink, symbolize: true, work });
  return sink.samples.filter(
    ({ resource }) => attributeOf(resource, "process.executable.path") === path,
  );
}

/** The share of samples with a frame of that name. */
function shareWith(samples: readonly ResolvedSample[], name: string): number {
  const sum = (each: readonly ResolvedSample[]): number =>
    each.reduce((total, { value }) => total + value, 0);
  return sum(samples.filter(({ stack }) => stack.includes(name))) / sum(samples);
}

const threads = (): string => buildProgram("threads.c", [BUILD_ID]);
const otherThreads = (): string => buildProgram("threads.c", [BUILD_ID, ...WRONG]);

const staticThreads = (): string => buildProgram("threads.c", ["-static", BUILD_ID]);

const PROGRAM = "/program";

/** What a container's image is to its processes: folders that are laid over one another. */
class Overlay implements Disposable {
  readonly merged: string;
  readonly #folder = temporaryFolder();

  /** @param program  stands in the lower folder, as `/program` */
  constructor(program: string) {
    const [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map((name) => {
      const path = this.#folder.file(name);
      mkdirSync(path);
      return path;
    }) as [string, string, string, string];
    copyFileSync(program, join(lower, PROGRAM));
    const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    execFileSync("mount", ["-t", "overlay", "overlay", "-o", options, merged]);
    this.merged = merged;
  }

  [Symbol.dispose](): void {
    // Its processes may still be on their way out.
    execFileSync("umount", ["--lazy", this.merged]);
    this.#folder[Symbol.dispose]();
  }
}

describe("a process keeps its names", { skip: requirement("root", "bpf") }, () => {
  it("when its file is deleted before it is first seen", async () => {
    using folder = temporaryFolder();
    const path = copied(folder, "deleted", threads());
    await using command = await startCommand(path, ["1", "30"]);
    await sleep(100);
    rmSync(path);
    const samples = await samplesOf(path, () => sleep(1000));
    assert.equal(command.stdout(), "");
    assert.ok(shareWith(samples, "spin") > 0.95, `${shareWith(samples, "spin")}`);
  });

  it("when another program claims the build id of its file", async () => {
    using folder = temporaryFolder();
    const claimed = "-Wl,--build-id=0x00112233445566778899aabbccddeeff00112233";
    const honest = copied(folder, "honest", buildProgram("threads.c", [claimed]));
    const liar = copied(folder, "liar", buildProgram("threads.c", [claimed, ...WRONG]));
    await using _liar = await startCommand(liar, ["1", "30"]);
    await using _honest = await startCommand(honest, ["1", "30"]);
    const sink = new CollectingSink();
    await runReceiver({ sink, symbolize: true, work: () => sleep(1000) });
    const of = (path: string): ResolvedSample[] =>
      sink.samples.filter(
        ({ resource }) => attributeOf(resource, "process.executable.path") === path,
      );
    assert.ok(shareWith(of(honest), "spin") > 0.95, `${shareWith(of(honest), "spin")}`);
    assert.ok(shareWith(of(liar), "wrong_spin") > 0.95, `${shareWith(of(liar), "wrong_spin")}`);
  });

  it("when its file is replaced by another before it is first seen", async () => {
    using folder = temporaryFolder();
    const path = copied(folder, "replaced", threads());
    await using _command = await startCommand(path, ["1", "30"]);
    await sleep(100);
    renameSync(copied(folder, "other", otherThreads()), path);
    const samples = await samplesOf(path, () => sleep(1000));
    assert.ok(shareWith(samples, "spin") > 0.95, `${shareWith(samples, "spin")}`);
    assert.equal(shareWith(samples, "wrong_spin"), 0);
  });

  it("when it ended before it was first seen", async () => {
    using folder = temporaryFolder();
    const path = copied(folder, "ended", threads());
    const samples = await samplesOf(path, async () => {
      // Nothing else runs in this process meanwhile: the receiver sees it only afterwards.
      execFileSync(path, ["1", "0.2"]);
    });
    assert.ok(shareWith(samples, "spin") > 0.8, `${shareWith(samples, "spin")}`);
  });

  it("in each of its threads", async () => {
    using folder = temporaryFolder();
    const path = copied(folder, "threads", threads());
    const told = new Map<string, string>();
    const samples = await samplesOf(path, async () => {
      const { stdout } = await runCommand(path, ["4", "0.3"]);
      const said = JSON.parse(stdout) as { threads: { tid: number; name: string }[] };
      for (const { tid, name } of said.threads) told.set(String(tid), name);
    });
    const seen = new Map<string, string>();
    for (const { stack, attributes } of samples) {
      if (!stack.includes("spin")) continue;
      seen.set(attributeOf(attributes, "thread.id"), attributeOf(attributes, "thread.name"));
    }
    assert.equal(told.size, 4);
    assert.deepEqual(new Map([...seen].sort()), new Map([...told].sort()));
  });

  it("on both sides of an exec", async () => {
    using folder = temporaryFolder();
    const first = copied(folder, "first", buildProgram("exec_over.c"));
    const second = copied(folder, "second", buildProgram("exec_over.c"));
    const sink = new CollectingSink();
    await runReceiver({ sink, symbolize: true, work: () => runCommand(first, ["0.5", second]) });
    for (const [path, here, elsewhere] of [
      [first, "before", "after"],
      [second, "after", "before"],
    ] as const) {
      const samples = sink.samples.filter(
        ({ resource }) => attributeOf(resource, "process.executable.path") === path,
      );
      assert.ok(shareWith(samples, here) > 0.9, `${path}: ${shareWith(samples, here)}`);
      assert.equal(shareWith(samples, elsewhere), 0);
    }
  });

  it("in a library that it loads late", async () => {
    const library = buildProgram("late_library.c", ["-DLIBRARY", "-shared", "-fPIC"]);
    const program = buildProgram("late_library.c");
    const samples = await samplesOf(program, () => runCommand(program, ["0.5", library]));
    assert.ok(shareWith(samples, "late_work") > 0.9, `${shareWith(samples, "late_work")}`);
  });
});

describe("a process of a container keeps its names", { skip: requirement("root", "bpf") }, () => {
  it("from a lower folder of an overlay, whose inodes are not those of its mappings", async () => {
    using overlay = new Overlay(staticThreads());
    await using _command = await startCommand("chroot", [overlay.merged, PROGRAM, "1", "30"]);
    const path = join(overlay.merged, PROGRAM);
    const samples = await samplesOf(path, () => sleep(1000));
    assert.ok(shareWith(samples, "spin") > 0.95, `${shareWith(samples, "spin")}`);
  });

  it("when an upgrade has put another program over its own", async () => {
    using overlay = new Overlay(staticThreads());
    await using _command = await startCommand("chroot", [overlay.merged, PROGRAM, "1", "30"]);
    await sleep(100);
    const other = join(overlay.merged, "other");
    copyFileSync(buildProgram("threads.c", ["-static", BUILD_ID, ...WRONG]), other);
    renameSync(other, join(overlay.merged, PROGRAM));
    const path = join(overlay.merged, PROGRAM);
    const samples = await samplesOf(path, () => sleep(1000));
    assert.equal(shareWith(samples, "wrong_spin"), 0);
    assert.ok(shareWith(samples, "spin") > 0.95, `${shareWith(samples, "spin")}`);
  });
});

describe("a wrong name is never given", { skip: requirement("root", "bpf") }, () => {
  it("by a file that took the place of the one that ran", async () => {
    using folder = temporaryFolder();
    const path = copied(folder, "gone", threads());
    const other = copied(folder, "other", otherThreads());
    const samples = await samplesOf(path, async () => {
      execFileSync(path, ["1", "0.2"]);
      renameSync(other, path);
    });
    assert.ok(samples.length > 0);
    for (const { stack } of samples) {
      assert.ok(!stack.some((name) => name.startsWith("wrong_")), stack.join(";"));
    }
    const unnamed = samples.filter(({ stack }) => /^gone\+0x[0-9a-f]+$/.test(stack[0] ?? ""));
    assert.ok(unnamed.length > 0, JSON.stringify(samples.slice(0, 3)));
  });
});
