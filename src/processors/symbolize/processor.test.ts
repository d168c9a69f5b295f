import assert from "node:assert/strict";
import { closeSync, openSync, readSync } from "node:fs";
import { describe, it } from "node:test";
import { checked } from "../../config/check.ts";
import type { SourceContext } from "../../pipeline/component.ts";
import { SharedServices } from "../../pipeline/shared-services.ts";
import { testContext } from "../../pipeline/testing/context.ts";
import { emptyProfile, ProfileBatch } from "../../profiles/profile.ts";
import { silentLogger } from "../../support/logger.ts";
import type { MappedFile } from "../../symbols/executables.ts";
import { symbolServices } from "../../symbols/services.ts";
import { type SymbolizeConfig, symbolizeConfig } from "./config.ts";
import { type SymbolizeCounters, SymbolizeProcessor } from "./processor.ts";

/** The running Node: it has a symbol table, a build id and code at fixed addresses. */
const NODE: MappedFile = {
  path: process.execPath,
  buildId: "",
};

const NONE_UNNAMED = { no_symbol: 0, no_file: 0, other_build: 0, kernel_hidden: 0, given_up: 0 };

function openNode(): { fd: number } & Disposable {
  const fd = openSync(process.execPath, "r");
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

/** One stack of two frames, sampled three times with different values. */
function batchOf(buildId: string, addresses: readonly bigint[]): ProfileBatch {
  const batch = new ProfileBatch();
  const { dictionary } = batch;
  const id = dictionary.internStringAttribute("process.executable.build_id.gnu", buildId);
  const native = dictionary.internStringAttribute("profile.frame.type", "native");
  const mapping = dictionary.mappings.intern({
    memoryStart: 0n,
    memoryLimit: 1n << 32n,
    fileOffset: 0n,
    filename: dictionary.strings.intern(process.execPath),
    attributeSet: dictionary.attributeSets.intern([id]),
  });
  const frameType = dictionary.attributeSets.intern([native]);
  const locations = addresses.map((address) =>
    dictionary.locations.intern(mapping, Number(address), 0, [], frameType),
  );
  const stack = dictionary.stacks.intern(locations);
  const profile = emptyProfile();
  for (const value of [5, 1, 3]) profile.samples.push(stack, 0, 0, value);
  const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
  batch.resourceProfiles.push({
    resource: { attributes: [], droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [{ scope, schemaUrl: "", profiles: [profile] }],
  });
  return batch;
}

function namesIn({ dictionary }: ProfileBatch): string[] {
  const { locations, functions, strings } = dictionary;
  const names: string[] = [];
  for (let row = 1; row < locations.length; row++) {
    for (let line = locations.lineStart(row); line < locations.lineEnd(row); line++) {
      names.push(strings.at(functions.name.at(locations.lineFunction.at(line))));
    }
  }
  return names;
}

async function symbolized(options: {
  config?: Partial<SymbolizeConfig>;
  buildId?: string;
}): Promise<{ batch: ProfileBatch; counters: SymbolizeCounters }> {
  await using shared = new SharedServices(silentLogger);
  const received: ProfileBatch[] = [];
  const context: SourceContext = {
    ...testContext({ shared }),
    next: { consume: async (batch) => void received.push(batch) },
  };
  const { executables } = shared.get(symbolServices);
  const processor = new SymbolizeProcessor(checked(symbolizeConfig, options.config), context);
  await processor.start();
  executables.meet(NODE, () => Object.assign(openNode(), { identity: NODE.path, path: NODE.path }));
  await executables.settled();
  const info = executables.infoOf(NODE);
  assert.ok(!("missing" in info), "the running Node can be read");
  // The entry point, and the ELF header, which no function covers.
  const entry = nodeEntry();
  const header = info.segments[0]?.address ?? 0n;
  await processor.consume(batchOf(options.buildId ?? info.buildId, [entry, header]));
  await processor.stop();
  const batch = received[0];
  assert.ok(batch !== undefined && received.length === 1);
  return { batch, counters: processor.counters };
}

/** e_entry of the running Node, where its `_start` is. */
function nodeEntry(): bigint {
  using file = openNode();
  const bytes = new DataView(new ArrayBuffer(64));
  readSync(file.fd, bytes, 0, 64, 0);
  return bytes.getBigUint64(24, true);
}

describe("symbolize", () => {
  it("names what a symbol covers, and gives the rest its place in the file", async () => {
    const { batch, counters } = await symbolized({});
    const [named, unnamed] = namesIn(batch);
    assert.equal(named, "_start");
    assert.match(unnamed ?? "", /^[^/]+\+0x[0-9a-f]+$/);
    const unnamedByReason = { ...NONE_UNNAMED, no_symbol: 9 };
    const unnamedShare = 0.5;
    const samples = { samples: 9, incompleteSamples: 0 };
    const frames = { frames: 18, unnamedFrames: 9, unnamedByReason, unnamedShare };
    assert.deepEqual(counters, { ...samples, ...frames });
  });

  it("keeps order and values of samples [R18]", async () => {
    const { batch } = await symbolized({});
    const samples = [...batch.profiles()][0]?.profile.samples;
    assert.deepEqual(
      [0, 1, 2].map((row) => samples?.value.at(row)),
      [5, 1, 3],
    );
    assert.equal(samples?.total(), 9);
  });

  it("gives no name for a file of another build", async () => {
    const { batch, counters } = await symbolized({ buildId: "00ff00ff" });
    assert.equal(counters.unnamedShare, 1);
    assert.deepEqual(counters.unnamedByReason, { ...NONE_UNNAMED, no_file: 18 });
    assert.ok(!namesIn(batch).includes("_start"));
  });

  it("leaves frames without lines when the user wants them so", async () => {
    const { batch } = await symbolized({ config: { name_unresolved: false } });
    assert.deepEqual(namesIn(batch), ["_start"]);
  });
});
