import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { describe, it } from "node:test";
import { pprofSums, readPprof } from "../../../test/support/pprof-message.ts";
import { requirement } from "../../../test/support/requirements.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { checked } from "../../config/check.ts";
import type { ComponentContext } from "../../pipeline/component.ts";
import { testContext } from "../../pipeline/testing/context.ts";
import { intValue } from "../../profiles/attribute-value.ts";
import { emptyProfile, ProfileBatch } from "../../profiles/profile.ts";
import { systemClock } from "../../support/clock.ts";
import { type ErrorCode, isCollectorError } from "../../support/errors.ts";
import { createLogger } from "../../support/logger.ts";
import { MetricRegistry } from "../../support/metrics.ts";
import { pprofConfig } from "./config.ts";
import { PprofExporter } from "./exporter.ts";

const START_NS = 1_795_563_340_000_000_000n;
const SECOND_NS = 1_000_000_000n;

/** On-CPU samples and blocked time of two processes in a window that begins at `second`. */
function batchAt(second: number, value = 3): ProfileBatch {
  const batch = new ProfileBatch();
  const { strings, functions, locations, stacks } = batch.dictionary;
  const line = [functions.intern(strings.intern("main"), 0, 0, 0), 0, 0];
  const stack = stacks.intern([locations.intern(0, 0, 0, line, 0)]);
  for (const pid of [100, 200]) {
    const profiles = ["samples/count", "off_cpu/nanoseconds"].map((text) => {
      const [type = "", unit = ""] = text.split("/");
      const profile = emptyProfile();
      profile.sampleType = { type: strings.intern(type), unit: strings.intern(unit) };
      profile.timeUnixNano = START_NS + BigInt(second) * SECOND_NS;
      profile.samples.push(stack, 0, 0, value);
      return profile;
    });
    const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
    const attributes = [{ key: "process.pid", value: intValue(pid) }];
    batch.resourceProfiles.push({
      resource: { attributes, droppedAttributesCount: 0 },
      schemaUrl: "",
      scopeProfiles: [{ scope, schemaUrl: "", profiles }],
    });
  }
  return batch;
}

/** A clock that stands still until it is moved. */
function movedClock(): { readonly unixNanos: () => bigint; move(seconds: number): void } {
  let now = systemClock.unixNanos();
  return {
    unixNanos: () => now,
    move: (seconds) => {
      now += BigInt(seconds) * SECOND_NS;
    },
  };
}

async function exporterTo(
  directory: string,
  options: Record<string, unknown> = {},
  context: Partial<ComponentContext> = {},
): Promise<PprofExporter> {
  const config = checked(pprofConfig, { directory, file_name: "cpu-{time}.pb.gz", ...options });
  const exporter = new PprofExporter(config, testContext(context));
  await exporter.start();
  return exporter;
}

function failure(code: ErrorCode, says: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isCollectorError(error, code), String(error));
    assert.match(error.message, says);
    return true;
  };
}

/** Compressed it is still larger than a page. */
function largeBatch(): ProfileBatch {
  const batch = batchAt(0);
  const { strings, functions, locations, stacks } = batch.dictionary;
  const { profile } = [...batch.profiles()][0] ?? assert.fail();
  for (let index = 0; index < 2000; index++) {
    const fn = functions.intern(strings.intern(randomUUID()), 0, 0, 0);
    profile.samples.push(stacks.intern([locations.intern(0, 0, 0, [fn, 0, 0], 0)]), 0, 0, 1);
  }
  return batch;
}

/** A file system of its own at the path; undefined where none may be mounted. */
function mountedAt(path: string, options: string): Disposable | undefined {
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]);
  if (mounted.status !== 0) return undefined;
  return {
    [Symbol.dispose]: () => {
      execFileSync("umount", [path]);
    },
  };
}

describe("pprof exporter", () => {
  it("writes a file a batch into a folder that it makes, and says so", async () => {
    using folder = temporaryFolder();
    const lines: string[] = [];
    const logger = createLogger("info", (line) => lines.push(line));
    const exporter = await exporterTo(folder.file("a/b"), {}, { logger });
    await exporter.consume(batchAt(0));
    await exporter.consume(batchAt(10));
    await exporter.stop();
    const names = readdirSync(folder.file("a/b")).sort();
    assert.deepEqual(names, ["cpu-20261124T233540Z.pb.gz", "cpu-20261124T233550Z.pb.gz"]);
    const bytes = readFileSync(folder.file(`a/b/${names[0]}`));
    assert.deepEqual(
      pprofSums(readPprof(bytes)),
      new Map([
        ["samples/count", 6],
        ["off_cpu/nanoseconds", 6],
      ]),
    );
    assert.match(
      lines[0] ?? "",
      new RegExp(
        `path=.*cpu-.* samples=8 processes=2 lost=0 unnamed_frames=0.0% bytes=${bytes.length}`,
      ),
    );
  });

  it("is read by go tool pprof", { skip: requirement("go") }, async () => {
    using folder = temporaryFolder();
    const exporter = await exporterTo(folder.path);
    await exporter.consume(batchAt(0));
    const [name = ""] = readdirSync(folder.path);
    const arguments_ = ["tool", "pprof", "-top", "-sample_index=off_cpu", folder.file(name)];
    assert.match(execFileSync("go", arguments_, { encoding: "utf8" }), /6ns.*main/);
  });

  it("writes nothing for a batch without samples", async () => {
    using folder = temporaryFolder();
    const exporter = await exporterTo(folder.path);
    await exporter.consume(new ProfileBatch());
    assert.deepEqual(readdirSync(folder.path), []);
  });

  it("keeps what is there when names collide, its own and others'", async () => {
    using folder = temporaryFolder();
    const [one, other] = [await exporterTo(folder.path), await exporterTo(folder.path)];
    await Promise.all([one, other, one, other].map((exporter) => exporter.consume(batchAt(0))));
    assert.deepEqual(readdirSync(folder.path).sort(), [
      "cpu-20261124T233540Z-1.pb.gz",
      "cpu-20261124T233540Z-2.pb.gz",
      "cpu-20261124T233540Z-3.pb.gz",
      "cpu-20261124T233540Z.pb.gz",
    ]);
  });

  it("goes on counting after the files of an earlier run", async () => {
    using folder = temporaryFolder();
    for (let run = 0; run < 2; run++) {
      const exporter = await exporterTo(folder.path, { file_name: "{sequence}.pb.gz" });
      await exporter.consume(batchAt(0));
      await exporter.stop();
    }
    assert.deepEqual(readdirSync(folder.path).sort(), ["1.pb.gz", "2.pb.gz"]);
  });

  it("removes own files by age, those of an earlier run too, and no others", async () => {
    using folder = temporaryFolder();
    const clock = { ...systemClock, ...movedClock() };
    const own = ["cpu-20200101T000000Z.pb.gz", "cpu-20200101T000001Z.pb.gz.77.partial"];
    const others = ["notes.txt", "cpu-old.pb.gz", "mem-20200101T000000Z.pb.gz"];
    for (const name of [...own, ...others]) {
      writeFileSync(folder.file(name), name);
      utimesSync(folder.file(name), 1e9, 1e9);
    }
    mkdirSync(folder.file("cpu-20200102T000000Z.pb.gz"));
    symlinkSync(folder.file("notes.txt"), folder.file("cpu-20200103T000000Z.pb.gz"));
    const kept = [...others, "cpu-20200102T000000Z.pb.gz", "cpu-20200103T000000Z.pb.gz"];
    const exporter = await exporterTo(folder.path, { max_age: "1m" }, { clock });
    assert.deepEqual(readdirSync(folder.path).sort(), kept.toSorted());
    await exporter.consume(batchAt(0));
    clock.move(61);
    await exporter.consume(batchAt(61));
    assert.deepEqual(
      readdirSync(folder.path).sort(),
      [...kept, "cpu-20261124T233641Z.pb.gz"].sort(),
    );
  });

  it("removes the oldest when there are too many bytes, never the newest", async () => {
    using folder = temporaryFolder();
    const registry = new MetricRegistry();
    const old = ["cpu-20200101T000000Z.pb.gz", "cpu-20200101T000010Z.pb.gz"];
    for (const [index, name] of old.entries()) {
      writeFileSync(folder.file(name), Buffer.alloc(700_000));
      utimesSync(folder.file(name), 1e9 + index, 1e9 + index);
    }
    const options = { max_megabytes: 1, max_age: "0s" };
    const exporter = await exporterTo(folder.path, options, { metrics: registry.metrics() });
    assert.deepEqual(readdirSync(folder.path), [old[1]]);
    await exporter.consume(batchAt(0));
    assert.deepEqual(readdirSync(folder.path).sort(), [old[1], "cpu-20261124T233540Z.pb.gz"]);
    assert.equal(registry.value("obsforge_exporter_removed_files_total"), 1);
  });

  it("keeps everything when nothing limits it", async () => {
    using folder = temporaryFolder();
    writeFileSync(folder.file("cpu-20200101T000000Z.pb.gz"), "");
    utimesSync(folder.file("cpu-20200101T000000Z.pb.gz"), 1e9, 1e9);
    const exporter = await exporterTo(folder.path, { max_age: 0, max_megabytes: 0 });
    await exporter.consume(batchAt(0));
    assert.equal(readdirSync(folder.path).length, 2);
  });

  it("fails with the path while its folder is away, and goes on when it is back", async () => {
    using folder = temporaryFolder();
    const exporter = await exporterTo(folder.file("out"));
    renameSync(folder.file("out"), folder.file("away"));
    await assert.rejects(
      exporter.consume(batchAt(0)),
      failure("NOT_FOUND", /out\/cpu-.*folder .*out does not exist/),
    );
    writeFileSync(folder.file("out"), "");
    await assert.rejects(
      exporter.consume(batchAt(0)),
      failure("NOT_FOUND", /out\/cpu-.* not a folder/),
    );
    rmSync(folder.file("out"));
    renameSync(folder.file("away"), folder.file("out"));
    await exporter.consume(batchAt(0));
    assert.equal(readdirSync(folder.file("out")).length, 1);
  });

  const fileSystems: readonly [options: string, code: ErrorCode, says: RegExp][] = [
    ["size=4k", "UNAVAILABLE_RETRYABLE", /no space left for .*cpu-/],
    ["ro", "PERMISSION", /cpu-.* not permitted \(EROFS\)/],
  ];
  for (const [options, code, says] of fileSystems) {
    it(`tells that a file system with ${options} takes nothing, and leaves nothing`, async (t) => {
      using folder = temporaryFolder();
      using mount = mountedAt(folder.path, options);
      if (mount === undefined) return t.skip("no file system may be mounted here");
      const exporter = await exporterTo(folder.path);
      for (let attempt = 0; attempt < 2; attempt++) {
        await assert.rejects(exporter.consume(largeBatch()), failure(code, says));
      }
      assert.deepEqual(readdirSync(folder.path), []);
    });
  }

  it("does not start where no folder can be", async () => {
    using folder = temporaryFolder();
    writeFileSync(folder.file("file"), "");
    await assert.rejects(
      exporterTo(folder.file("file/profiles")),
      failure("NOT_FOUND", /file\/profiles/),
    );
  });

  it("ends where a folder's parent is there and takes none", async () => {
    // Node's own recursive mkdir never comes back from here.
    await assert.rejects(exporterTo("/proc/none/profiles"), failure("NOT_FOUND", /\/proc\/none/));
  });

  it("makes all parents that are missing", async () => {
    using folder = temporaryFolder();
    const exporter = await exporterTo(folder.file("a/b/c"));
    await exporter.consume(batchAt(0));
    assert.equal(readdirSync(folder.file("a/b/c")).length, 1);
  });
});
