import { encodePprof } from "../../profiles/pprof/encode.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";
import { halves } from "../../profiles/split.ts";

/** Samples of one profile that Pyroscope takes. */
export const PROFILE_SAMPLES_MAX = 16_000;
/** Bytes of one profile, before compression, that it takes. */
export const PROFILE_BYTES_MAX: number = 4 * 1024 * 1024;
/**
 * Bytes of all profiles of one request, before compression: of a tenant at once Pyroscope takes no
 * more than its burst, 2 MB where nothing is configured. One sample may need more.
 */
export const PUSH_BYTES_MAX: number = 1536 * 1024;

/**
 * The batch as pprof profiles without gzip, as few as the limits allow; their sums are those of
 * the batch. A sample that is too large alone is left out, and `onTooLarge` told.
 *
 * @throws CollectorError LIMIT_EXCEEDED  a sum is not exact any more
 */
export function* pprofParts(
  batch: ProfileBatch,
  onTooLarge: (samples: number) => void,
): Generator<Uint8Array> {
  const { sampleCount } = batch;
  if (sampleCount <= PROFILE_SAMPLES_MAX) {
    const bytes = encodePprof(batch, { gzip: false });
    const bytesMax = sampleCount > 1 ? PUSH_BYTES_MAX : PROFILE_BYTES_MAX;
    if (bytes.length <= bytesMax) return yield bytes;
    if (sampleCount <= 1) return onTooLarge(sampleCount);
  }
  for (const half of halves(batch)) yield* pprofParts(half, onTooLarge);
}
