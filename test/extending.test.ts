import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { component as exampleComponent } from "../docs/examples/drop-processes.ts";
import { loadComponent } from "../src/cli/external-components.ts";
import { checked } from "../src/config/check.ts";
import type { Processor, ProcessorDefinition } from "../src/pipeline/component.ts";
import { testContext } from "../src/pipeline/testing/context.ts";
import { stringValue } from "../src/profiles/attribute-value.ts";
import { decodePprof } from "../src/profiles/pprof/decode.ts";
import { emptyProfile, ProfileBatch } from "../src/profiles/profile.ts";
import { resolvedSamples, sampleMultiset } from "../src/profiles/resolved.ts";
import { sleep } from "../src/support/clock.ts";
import { CollectorError } from "../src/support/errors.ts";
import { FILE_LIMITS } from "../src/support/limits.ts";
import { MetricRegistry } from "../src/support/metrics.ts";
import { packageRoot } from "../src/support/package-root.ts";
import { CollectingSink } from "./support/receiver-run.ts";
import { requirement } from "./support/requirements.ts";
import { runObsforge, startCommand, startObsforge } from "./support/run-command.ts";
import { type TemporaryFolder, temporaryFolder } from "./support/temporary-folder.ts";

const EXAMPLE = join(packageRoot(), "docs/examples/drop-processes.ts");

/** For each program its samples, each in a function that is called as the program is. */
function batchOf(programs: Readonly<Record<string, readonly number[]>>): ProfileBatch {
  const batch = new ProfileBatch();
  const { dictionary } = batch;
  for (const [name, values] of Object.entries(programs)) {
    const profile = emptyProfile();
    const text = dictionary.strings.intern(name);
    const line = [dictionary.functions.intern(text, text, 0, 0), 0, 0];
    const location = dictionary.locations.intern(0, 0, 0, line, 0);
    const stack = dictionary.stacks.intern(Int32Array.of(location));
    for (const value of values) profile.samples.push(stack, 0, 0, value);
    const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
    const attributes = [{ key: "process.executable.name", value: stringValue(name) }];
    batch.resourceProfiles.push({
      resource: { attributes, droppedAttributesCount: 0 },
      schemaUrl: "",
      scopeProfiles: [{ scope, schemaUrl: "", profiles: [profile] }],
    });
  }
  return batch;
}

/** What an editor sees of the definition is what is loaded. */
type Example = ReturnType<typeof exampleComponent>;

async function exampleProcessor(names: readonly string[], sink: CollectingSink) {
  const definition = (await loadComponent(EXAMPLE)) as ProcessorDefinition as Example;
  const registry = new MetricRegistry();
  const context = { ...testContext({ metrics: registry.metrics() }), next: sink };
  const processor: Processor = await definition.create(
    checked(definition.config, { names }),
    context,
  );
  const dropped = (): number =>
    Number(/^obsforge_processor_dropped_samples_total\{.*\} (\d+)$/m.exec(registry.text())?.[1]);
  return { processor, dropped };
}

describe("docs/examples/drop-processes.ts", () => {
  it("drops by name, and counts what it dropped", async () => {
    const sink = new CollectingSink();
    const { processor, dropped } = await exampleProcessor(["noisy"], sink);
    const given = batchOf({ quiet: [3, 4], noisy: [5, 6, 7] });
    const before = sampleMultiset(given);
    await processor.start();
    await processor.start();
    await processor.consume(given);
    await processor.stop();
    await processor.stop();
    const [passed] = sink.batches;
    assert.ok(passed !== undefined);
    assert.deepEqual(sampleMultiset(passed), sampleMultiset(batchOf({ quiet: [3, 4] })));
    assert.equal(passed.sampleCount + dropped(), given.sampleCount);
    assert.deepEqual(sampleMultiset(given), before, "others see the same batch");
    const texts = Array.from({ length: passed.dictionary.strings.length }, (_, row) =>
      passed.dictionary.strings.at(row),
    );
    assert.ok(!texts.includes("noisy"), texts.join());
  });

  it("passes on the batch itself when nothing is to be dropped", async () => {
    const sink = new CollectingSink();
    const { processor, dropped } = await exampleProcessor(["noisy"], sink);
    const given = batchOf({ quiet: [1] });
    await processor.consume(given);
    assert.equal(sink.batches[0], given);
    assert.equal(dropped(), 0);
  });

  it("passes on nothing when all is dropped", async () => {
    const sink = new CollectingSink();
    const { processor, dropped } = await exampleProcessor(["noisy"], sink);
    await processor.consume(batchOf({ noisy: [1, 2] }));
    assert.equal(sink.batches.length, 0);
    assert.equal(dropped(), 2);
  });

  it("rejects with what stands behind it rejects with", async () => {
    const refusal = new CollectorError("REFUSED_BACKPRESSURE", "full");
    const sink = new CollectingSink(() => Promise.reject(refusal));
    const { processor } = await exampleProcessor(["noisy"], sink);
    await assert.rejects(processor.consume(batchOf({ quiet: [1] })), refusal);
  });
});

function configuration(options: string): string {
  return `yaml:
receivers: { ebpf: { reporter_interval: 1s, samples_per_second: 199 } }
processors: { drop_processes: ${options} }
exporters: { pprof: { directory: out } }
service:
  telemetry: { metrics: { level: none } }
  pipelines:
    profiles: { receivers: [ebpf], processors: [drop_processes], exporters: [pprof] }
`;
}

const NOISY = configuration("{ names: [noisy] }");

/** The example as its author would publish it. */
function installPackage(folder: TemporaryFolder, exports: unknown): void {
  const home = folder.file("node_modules/obsforge-drop-processes");
  mkdirSync(home, { recursive: true });
  const manifest = { name: "obsforge-drop-processes", type: "module", exports };
  writeFileSync(join(home, "package.json"), JSON.stringify(manifest));
  const source = readFileSync(EXAMPLE, "utf8");
  writeFileSync(join(home, "drop-processes.js"), stripTypeScriptTypes(source));
  writeFileSync(join(home, "drop-processes.ts"), source);
}

describe("obsforge --component", () => {
  it("takes a module's path from the working directory", async () => {
    using folder = temporaryFolder();
    // Alone in a folder: it needs no file of the program.
    copyFileSync(EXAMPLE, folder.file("mine.ts"));
    const args = ["--component", "./mine.ts"];
    const listed = await runObsforge(["components", ...args], { cwd: folder.path });
    assert.match(listed.stdout, /^processors:\n(?: .*\n)* {2}- name: drop_processes\n/m);
    const { code, stderr } = await runObsforge(["validate", ...args, "--config", NOISY], {
      cwd: folder.path,
    });
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  });

  for (const { name, options, says } of [
    { name: "a key that it does not know", options: "{ nam: [a] }", says: "no known key" },
    { name: "an option that is wrong", options: "{ names: a }", says: "must be a list, not" },
    { name: "an option that is not set", options: "{}", says: "names must name at least 1" },
  ]) {
    it(`refuses ${name}, with its place`, async () => {
      const config = configuration(options);
      const args = ["validate", "--component", EXAMPLE, "--config", config];
      const { code, stderr } = await runObsforge(args);
      assert.notEqual(code, 0);
      assert.match(stderr, /:3: processors::drop_processes::nam/);
      assert.ok(stderr.includes(says), stderr);
    });
  }

  it("takes a package of the working directory", async () => {
    using folder = temporaryFolder();
    installPackage(folder, "./drop-processes.js");
    const args = ["validate", "--component", "obsforge-drop-processes", "--config", NOISY];
    const { code, stderr } = await runObsforge(args, { cwd: folder.path });
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  });

  it("says in one line that a package must be JavaScript", async () => {
    using folder = temporaryFolder();
    installPackage(folder, "./drop-processes.ts");
    const args = ["components", "--component", "obsforge-drop-processes"];
    const { code, stderr } = await runObsforge(args, { cwd: folder.path });
    assert.notEqual(code, 0);
    assert.match(
      stderr,
      /^.*--component obsforge-drop-processes cannot be loaded: .*node_modules.*\n$/,
    );
  });

  it("says which package is not there", async () => {
    using folder = temporaryFolder();
    const args = ["components", "--component", "no-such-component"];
    const { code, stderr } = await runObsforge(args, { cwd: folder.path });
    assert.notEqual(code, 0);
    assert.match(stderr, /--component no-such-component cannot be loaded: .*no-such-component/);
  });
});

describe("obsforge run --component", { skip: requirement("root", "bpf") }, () => {
  it("runs the component between receiver and exporter", async () => {
    using folder = temporaryFolder();
    copyFileSync("/bin/sh", folder.file("noisy"));
    copyFileSync("/bin/sh", folder.file("quiet"));
    const loop = ["-c", "while :; do :; done"];
    await using noisy = await startCommand(folder.file("noisy"), loop);
    await using quiet = await startCommand(folder.file("quiet"), loop);
    const args = ["run", "--component", EXAMPLE, "--config", NOISY];
    await using agent = await startObsforge(args, { cwd: folder.path });
    for (let tries = 0; tries < 100 && !/profile written/.test(agent.stderr()); tries++) {
      await sleep(100);
    }
    agent.signal("SIGTERM");
    const { code, stderr } = await agent.ended;
    assert.equal(code, 0, stderr);
    const sampled = new Set(
      readdirSync(folder.file("out")).flatMap((file) => {
        const batch = decodePprof(readFileSync(join(folder.file("out"), file)), FILE_LIMITS);
        return resolvedSamples(batch).map((sample) => JSON.stringify(sample));
      }),
    );
    const has = (name: string) => [...sampled].some((sample) => sample.includes(`/${name}`));
    assert.ok(has("quiet"), stderr);
    assert.ok(!has("noisy"));
    assert.ok(noisy.pid > 0 && quiet.pid > 0);
  });
});
