import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { valueText } from "../../src/profiles/attribute-value.ts";
import { decodeOtlp } from "../../src/profiles/otlp/decode.ts";
import { encodeOtlp } from "../../src/profiles/otlp/encode.ts";
import { profcheck } from "../../src/profiles/profcheck.ts";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import { resolvedSamples, sampleMultiset } from "../../src/profiles/resolved.ts";
import { FILE_LIMITS } from "../../src/support/limits.ts";
import { attributeOf, CollectingSink, keepBusy, runReceiver } from "../support/receiver-run.ts";
import { requirement } from "../support/requirements.ts";

const BUSY_MS = 2000;

/** The batches of the whole host, with and without names. */
async function hostBatches(timestamps: boolean, symbolize: boolean): Promise<ProfileBatch[]> {
  const sink = new CollectingSink();
  await runReceiver({
    config: { samples_per_second: 99, timestamps, reporter_interval: 1000 },
    sink,
    symbolize,
    work: () => keepBusy(BUSY_MS),
  });
  assert.ok(sink.batches.length >= 2);
  return sink.batches;
}

/** Every address of a kernel begins so; a distance from its start never does. */
const KERNEL_HALF = 1n << 63n;

describe("a batch of this host", { skip: requirement("root", "bpf") }, () => {
  for (const timestamps of [false, true]) {
    for (const symbolize of [false, true]) {
      const title = `timestamps ${timestamps}, symbolize ${symbolize}`;
      it(`breaks no rule of profcheck and survives OTLP: ${title}`, async () => {
        for (const batch of await hostBatches(timestamps, symbolize)) {
          assert.deepEqual(profcheck(batch), []);
          const decoded = decodeOtlp(encodeOtlp(batch), FILE_LIMITS);
          assert.deepEqual(sampleMultiset(decoded), sampleMultiset(batch));
          assertKernelHidden(batch);
          assertAttributes(batch);
        }
      });
    }
  }
});

function assertKernelHidden({ dictionary }: ProfileBatch): void {
  const { locations } = dictionary;
  for (let row = 1; row < locations.length; row++) {
    const type = dictionary.findAttribute(locations.attributeSet.at(row), "profile.frame.type");
    assert.ok(type !== undefined);
    if (valueText(type) !== "kernel") continue;
    assert.ok(locations.address.bigint(row) < KERNEL_HALF);
  }
}

function assertAttributes(batch: ProfileBatch): void {
  for (const { resource, attributes, period, type, unit } of resolvedSamples(batch)) {
    assert.notEqual(attributeOf(resource, "process.pid"), "");
    for (const key of ["thread.name", "thread.id", "cpu.logical_number"]) {
      assert.notEqual(attributeOf(attributes, key), "", `${key}: ${attributes}`);
    }
    assert.equal(`${type}/${unit} of ${period}`, "samples/count of cpu/nanoseconds 10101010");
  }
}
