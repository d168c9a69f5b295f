import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isCollectorError } from "../../support/errors.ts";
import { arbitraryBatch } from "../testing/arbitrary-batch.ts";
import type { FlameProfile } from "./columns.ts";
import { decodeFlameProfile, encodeFlameProfile, isFlameProfile } from "./encoding.ts";
import { flameProfileOf } from "./from-batch.ts";

const batches = arbitraryBatch({ value: fc.integer({ min: 0, max: 2 ** 20 }) });

/** Columns as plain lists, so that views of different memory compare. */
function plain(profile: FlameProfile): unknown {
  return JSON.parse(
    JSON.stringify(profile, (_, value: unknown) =>
      ArrayBuffer.isView(value) ? [...(value as unknown as number[])] : value,
    ),
  );
}

describe("the bytes of a flame graph", () => {
  it("are read as what was written", () => {
    fc.assert(
      fc.property(batches, (batch) => {
        const profile = flameProfileOf(batch, "título");
        const bytes = encodeFlameProfile(profile);
        assert.ok(isFlameProfile(bytes));
        assert.deepEqual(plain(decodeFlameProfile(bytes)), plain(profile));
      }),
      { numRuns: 200 },
    );
  });

  it("are read wherever they lie in memory", () => {
    const [batch] = fc.sample(batches, { numRuns: 1, seed: 5 });
    assert.ok(batch);
    const profile = flameProfileOf(batch, "");
    const bytes = encodeFlameProfile(profile);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    assert.deepEqual(plain(decodeFlameProfile(shifted.subarray(3))), plain(profile));
  });

  it("are refused in one sentence when they are anything else", () => {
    const [batch] = fc.sample(batches, { numRuns: 1, seed: 7 });
    assert.ok(batch);
    const bytes = encodeFlameProfile(flameProfileOf(batch, "x"));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 })), {
          maxLength: 4,
        }),
        fc.nat(bytes.length),
        fc.boolean(),
        (changes, length, isCut) => {
          const changed = bytes.slice(0, isCut ? length : bytes.length);
          for (const [at, byte] of changes) if (at < changed.length) changed[at] = byte;
          try {
            decodeFlameProfile(changed);
          } catch (error) {
            assert.ok(isCollectorError(error, "INPUT_MALFORMED"), String(error));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
