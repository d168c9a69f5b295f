import { encodePprof } from "../../profiles/pprof/encode.ts";
import { halves } from "../../profiles/split.ts";
import type { Series } from "./series.ts";

/** Samples of one profile that Pyroscope takes. */
export const PROFILE_SAMPLES_MAX = 16_000;
/** Bytes of one profile, before compression, that it takes. */
export const PROFILE_BYTES_MAX: number = 4 * 1024 * 1024;
/**
 * Bytes of all profiles of one request, before compression: of a tenant at once Pyroscope takes no
 * more than its burst, 2 MB where nothing is configured. One sample may need more.
 */
export const PUSH_BYTES_MAX: number = 1536 * 1024;

export interface PprofPart {
  /** pprof without gzip. */
  readonly bytes: Uint8Array;
  /** How many rows of the batch that was exported are in it. */
  readonly rows: number;
}

/**
 * A series as pprof profiles, as few as the limits allow; their sums are those of the series. A
 * sample that is too large alone is left out, and `onTooLarge` told how many rows it stands for.
 *
 * @throws CollectorError LIMIT_EXCEEDED  a sum is not exact any more
 */
export function* pprofParts(
  { batch, rows }: Pick<Series, "batch" | "rows">,
  onTooLarge: (rows: number) => void,
): Generator<PprofPart> {
  const { sampleCount } = batch;
  if (sampleCount <= PROFILE_SAMPLES_MAX) {
    const bytes = encodePprof(batch, { gzip: false });
    const bytesMax = sampleCount > 1 ? PUSH_BYTES_MAX : PROFILE_BYTES_MAX;
    if (bytes.length <= bytesMax) return yield { bytes, rows: sumOf(rows) };
    if (sampleCount <= 1) return onTooLarge(sumOf(rows));
  }
  for (const { batch: half, origins } of halves(batch)) {
    const rowsOfHalf = origins.map((sample) => rows[sample] as number);
    yield* pprofParts({ batch: half, rows: rowsOfHalf }, onTooLarge);
  }
}

function sumOf(rows: readonly number[]): number {
  return rows.reduce((sum, count) => sum + count, 0);
}
