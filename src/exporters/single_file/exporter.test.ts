import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { checked } from "../../config/check.ts";
import { testContext } from "../../pipeline/testing/context.ts";
import { type EncodableFormat, formatOfPath, isEncodable } from "../../profiles/formats.ts";
import { emptyProfile, ProfileBatch } from "../../profiles/profile.ts";
import { sampleMultiset } from "../../profiles/resolved.ts";
import { isCollectorError } from "../../support/errors.ts";
import { FILE_LIMITS } from "../../support/limits.ts";
import { singleFileConfig } from "./config.ts";
import { SingleFileExporter } from "./exporter.ts";

const folder = mkdtempSync(join(tmpdir(), "single-file-"));
after(() => rmSync(folder, { recursive: true }));

function formatOf(path: string): EncodableFormat {
  const format = formatOfPath(path);
  assert.ok(format !== undefined && isEncodable(format));
  return format;
}

function exporterTo(path: string): SingleFileExporter {
  return new SingleFileExporter(
    checked(singleFileConfig, { path, format: formatOf(path).name }),
    testContext(),
  );
}

/** One sample of each value, in a function of that name. */
function batchOf(values: Record<string, number>): ProfileBatch {
  const batch = new ProfileBatch();
  const { strings, functions, locations, stacks } = batch.dictionary;
  const profile = emptyProfile();
  profile.sampleType = { type: strings.intern("samples"), unit: strings.intern("count") };
  for (const [name, value] of Object.entries(values)) {
    const line = [functions.intern(strings.intern(name), 0, 0, 0), 0, 0];
    profile.samples.push(stacks.intern([locations.intern(0, 0, 0, line, 0)]), 0, 0, value);
  }
  const scope = { name: "", version: "", attributes: [], droppedAttributesCount: 0 };
  batch.resourceProfiles.push({
    resource: { attributes: [], droppedAttributesCount: 0 },
    schemaUrl: "",
    scopeProfiles: [{ scope, schemaUrl: "", profiles: [profile] }],
  });
  return batch;
}

async function exported(path: string, ...batches: ProfileBatch[]): Promise<void> {
  const exporter = exporterTo(path);
  await exporter.start();
  for (const batch of batches) await exporter.consume(batch);
  await exporter.stop();
}

describe("single_file", () => {
  it("sums what all batches of a run hold", async () => {
    const path = join(folder, "sum.folded");
    await exported(path, batchOf({ main: 2, other: 1 }), batchOf({ main: 3 }));
    const lines = readFileSync(path, "utf8").trim().split("\n").sort();
    assert.deepEqual(lines, ["main 5", "other 1"]);
  });

  for (const extension of [".otlp.pb", ".otlp.json"]) {
    it(`keeps every sample in ${extension} [R18]`, async () => {
      const path = join(folder, `all${extension}`);
      const given = batchOf({ main: 2, other: 1 });
      await exported(path, given);
      const written = formatOf(path).decode(readFileSync(path), FILE_LIMITS);
      assert.deepEqual(sampleMultiset(written), sampleMultiset(given));
    });
  }

  it("writes an empty profile when nothing came", async () => {
    const path = join(folder, "empty.pb.gz");
    await exported(path);
    assert.equal(formatOf(path).decode(readFileSync(path), FILE_LIMITS).sampleCount, 0);
  });

  it("has no file before the stop", async () => {
    const path = join(folder, "late.folded");
    const exporter = exporterTo(path);
    await exporter.start();
    await exporter.consume(batchOf({ main: 1 }));
    assert.equal(existsSync(path), false);
    await exporter.stop();
    assert.equal(existsSync(path), true);
  });

  it("fails with the path and leaves nothing where it cannot write", async () => {
    const path = join(folder, "missing", "x.folded");
    const before = readdirSync(folder);
    await assert.rejects(exported(path, batchOf({ main: 1 })), (error) => {
      assert.ok(isCollectorError(error));
      assert.match(error.message, /missing/);
      return true;
    });
    assert.deepEqual(readdirSync(folder), before);
  });
});
