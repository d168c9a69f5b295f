/** The only place that reads a clock, so that tests can put another one in its place. */
export interface Clock {
  /** Wall clock, nanoseconds since 1970. May jump. */
  unixNanos(): bigint;
  /** CLOCK_MONOTONIC, nanoseconds; the clock that the kernel stamps samples with. Never jumps. */
  monotonicNanos(): bigint;
}

const originUnixNanos = BigInt(Math.round(performance.timeOrigin * 1e6));

export const systemClock: Clock = {
  unixNanos: () => BigInt(Date.now()) * 1_000_000n,
  monotonicNanos: () => process.hrtime.bigint(),
};

/** When this process started, wall clock in nanoseconds. */
export function processStartUnixNanos(): bigint {
  return originUnixNanos;
}

/** Resolves after `delayMs`, or at once when `signal` aborts. Never rejects. */
export function sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal?.addEventListener("abort", done);
  });
}
