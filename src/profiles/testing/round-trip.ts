import assert from "node:assert/strict";
import { FILE_LIMITS } from "../../support/limits.ts";
import { formatNamed, formatOfContent } from "../formats.ts";
import type { ProfileBatch } from "../profile.ts";
import { type MultisetOptions, resolvedSamples, sampleMultiset } from "../resolved.ts";

/**
 * What every format must do, for tests: bytes that were written are recognised without a name,
 * come back as the batch that they were written from, and are written again just so.
 *
 * @param held  what the format holds of a batch; the rest is not compared
 * @returns the bytes
 */
export function checkProfileRoundTrip(
  formatName: string,
  batch: ProfileBatch,
  held: MultisetOptions = {},
): Uint8Array {
  const { encode, decode } = formatNamed(formatName);
  assert.ok(encode, `${formatName} cannot be written`);
  const bytes = encode(batch);
  assert.equal(formatOfContent(bytes)?.name, formatName, "recognised by its content");
  const back = decode(bytes, FILE_LIMITS);
  assert.deepEqual(
    withoutZeros(sampleMultiset(back, held)),
    withoutZeros(sampleMultiset(batch, held)),
  );
  const again = decode(encode(back), FILE_LIMITS);
  assert.deepEqual(resolvedSamples(again), resolvedSamples(back), "the same when written again");
  return bytes;
}

/** A sum of 0 says nothing, and formats with columns have it where others have no sample. */
function withoutZeros(sums: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...sums].filter(([, value]) => value !== 0));
}
