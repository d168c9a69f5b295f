import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { runCommand } from "../../../test/support/run-command.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { checked } from "../../config/check.ts";
import type { ComponentContext } from "../../pipeline/component.ts";
import { testContext } from "../../pipeline/testing/context.ts";
import { intValue, stringValue } from "../../profiles/attribute-value.ts";
import { emptyProfile, ProfileBatch } from "../../profiles/profile.ts";
import { systemClock } from "../../support/clock.ts";
import { isCollectorError } from "../../support/errors.ts";
import { createLogger } from "../../support/logger.ts";
import { packageRoot } from "../../support/package-root.ts";
import { LINE_CHARACTERS_MAX, LINES_MAX } from "./batch-lines.ts";
import { debugConfig } from "./config.ts";
import { DebugExporter } from "./exporter.ts";

/** One process whose samples have a stack of two frames each. */
function batchOf(names: readonly string[], process = "shop"): ProfileBatch {
  const batch = new ProfileBatch();
  const { strings, functions, locations, stacks, attributes, attributeSets } = batch.dictionary;
  const locationOf = (name: string): number => {
    const fn = functions.intern(strings.intern(name), 0, strings.intern("shop.c"), 0);
    return locations.intern(0, 0, 0, [fn, 12, 0], 0);
  };
  const thread = attributes.intern(strings.intern("thread.id"), intValue(7), 0);
  const profile = emptyProfile();
  profile.sampleType = { type: strings.intern("samples"), unit: strings.intern("count") };
  profile.periodType = { type: strings.intern("cpu"), unit: strings.intern("nanoseconds") };
  profile.period = 10_000_000;
  profile.timeUnixNano = 1_795_563_340_000_000_000n;
  profile.durationNano = 10_000_000_000n;
  for (const name of names) {
    const stack = stacks.intern([locationOf(name), locationOf("main")]);
    profile.samples.push(stack, attributeSets.intern([thread]), 0, 3);
  }
  const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
  const resource = [{ key: "process.executable.name", value: stringValue(process) }];
  batch.resourceProfiles.push({
    resource: { attributes: resource, droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [{ scope, schemaUrl: "", profiles: [profile] }],
  });
  return batch;
}

/** Writes to standard output until long after nobody reads it any more. */
const WRITER = `
import { setTimeout } from "node:timers/promises";
import { checked } from "${packageRoot()}/src/config/check.ts";
import { debugConfig } from "${packageRoot()}/src/exporters/debug/config.ts";
import { DebugExporter } from "${packageRoot()}/src/exporters/debug/exporter.ts";
import { testContext } from "${packageRoot()}/src/pipeline/testing/context.ts";
import { ProfileBatch } from "${packageRoot()}/src/profiles/profile.ts";
import { createLogger } from "${packageRoot()}/src/support/logger.ts";
const logger = createLogger("info", (line) => process.stderr.write(line));
const config = checked(debugConfig, { use_internal_logger: false });
const exporter = new DebugExporter(config, testContext({ logger }));
await exporter.start();
for (let batch = 0; batch < 20; batch++) {
  await exporter.consume(new ProfileBatch());
  await setTimeout(20);
}
await exporter.stop();
process.stderr.write("stopped\\n");
`;

/** The lines of the log after these batches. */
async function logged(
  options: Record<string, unknown>,
  batches: readonly ProfileBatch[],
  context: Partial<ComponentContext> = {},
): Promise<string[]> {
  const lines: string[] = [];
  const logger = createLogger("info", (line) => lines.push(line.trimEnd()));
  const exporter = new DebugExporter(
    checked(debugConfig, options),
    testContext({ logger, ...context }),
  );
  await exporter.start();
  for (const batch of batches) await exporter.consume(batch);
  await exporter.stop();
  return lines;
}

const BASIC = "INFO Profiles resource_profiles=1 profiles=1 samples=1";
const PROFILE =
  "INFO   Profile samples/count period=10000000 cpu/nanoseconds " +
  "start=2026-11-24T23:35:40.000Z duration=10s samples=1 sum=3";

describe("debug exporter", () => {
  const batch = batchOf(["pay"]);
  const verbosities = {
    basic: [BASIC],
    normal: [BASIC, "INFO Resource process.executable.name=shop", PROFILE],
    detailed: [
      BASIC,
      "INFO Resource process.executable.name=shop",
      PROFILE,
      "INFO     Sample 3 thread.id=7",
      "INFO       pay shop.c:12",
      "INFO       main shop.c:12",
    ],
  };
  for (const [verbosity, lines] of Object.entries(verbosities)) {
    it(`shows a batch at verbosity ${verbosity}`, async () => {
      assert.deepEqual(await logged({ verbosity }, [batch]), lines);
    });
  }

  it("bounds a batch, and says what it leaves out", async () => {
    const names = Array.from({ length: 1000 }, (_, index) => `function_${index}`);
    const [, ...lines] = await logged({ verbosity: "detailed" }, [batchOf(names)]);
    assert.equal(lines.length, LINES_MAX);
    const shown = lines.filter((line) => line.includes("Sample 3")).length;
    assert.equal(lines.at(-1), `INFO … ${1000 - shown} more samples`);
  });

  it("escapes and bounds names from processes [S18]", async () => {
    const hostile = `\u001b[2J\nERROR forged\r${"\u0000".repeat(10_000)}`;
    const lines = await logged({ verbosity: "detailed" }, [batchOf([hostile], hostile)]);
    assert.equal(lines.length, 6);
    for (const line of lines) {
      assert.match(line, /^INFO [^\p{Cc}]*$/u);
      assert.ok(line.length <= LINE_CHARACTERS_MAX + "INFO ".length);
    }
    assert.match(lines[1] ?? "", /name=\\x1b\[2J\\x0aERROR forged\\x0d\\x00.*…$/);
  });

  it("leaves out batches of a second as it is told", async () => {
    let now = 0n;
    const clock = { ...systemClock, monotonicNanos: () => now };
    const many = Array.from({ length: 10 }, () => batch);
    const options = { sampling_initial: 3, sampling_thereafter: 5 };
    assert.equal((await logged(options, many, { clock })).length, 4);
    const none = { sampling_initial: 1, sampling_thereafter: 0 };
    assert.equal((await logged(none, many, { clock })).length, 1);
    const ticking = {
      ...systemClock,
      monotonicNanos: () => {
        now += 1_000_000_000n;
        return now;
      },
    };
    assert.equal((await logged(none, many, { clock: ticking })).length, 10);
  });

  it("appends to files in place of the log", async () => {
    using folder = temporaryFolder();
    const options = { use_internal_logger: false, output_paths: [folder.file("out.txt")] };
    for (let run = 0; run < 2; run++) {
      assert.deepEqual(await logged({ ...options, verbosity: "normal" }, [batch]), []);
    }
    const text = readFileSync(folder.file("out.txt"), "utf8");
    assert.equal(text.split("\n").length, 7);
    assert.ok(text.startsWith("Profiles resource_profiles=1 profiles=1 samples=1\nResource "));
  });

  it("lives on when the reader of its output goes away, and says so once", async () => {
    const shell = 'exec 3>&1; "$0" --input-type=module -e "$1" | head -n 1 >&3';
    const { stdout, stderr } = await runCommand("sh", ["-c", shell, process.execPath, WRITER]);
    assert.equal(stdout, "Profiles resource_profiles=0 profiles=0 samples=0\n");
    assert.equal(
      stderr.match(/WARN output ended: its reader went away output=stdout\n/g)?.length,
      1,
    );
    assert.match(stderr, /\nstopped\n$/);
  });

  it("says which file cannot be opened, at the start", async () => {
    const options = { use_internal_logger: false, output_paths: ["/proc/nowhere/out.txt"] };
    await assert.rejects(logged(options, []), (error) => {
      assert.ok(isCollectorError(error));
      assert.match(error.message, /\/proc\/nowhere\/out\.txt/);
      return true;
    });
  });

  it("refuses paths that nothing would be written to", async () => {
    await assert.rejects(logged({ output_paths: ["stdout"] }, []), /use_internal_logger is false/);
  });
});
