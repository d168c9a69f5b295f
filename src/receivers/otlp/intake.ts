import type { SourceContext } from "../../pipeline/component.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";
import { isCollectorError } from "../../support/errors.ts";
import { NETWORK_LIMITS, type ProfileLimits } from "../../support/limits.ts";
import type { Counter, Metrics } from "../../support/metrics.ts";

export type Transport = "grpc" | "http";

/**
 * Samples of one request. An agent on 128 CPUs that keeps the time of each sample sends 63,000 of
 * them for five seconds at 99 Hz.
 */
const SAMPLES_MAX = 250_000;

/** What a request of at most so many bytes may hold. */
export function requestLimits(bytesMax: number): ProfileLimits {
  const { samplesMax: _, ...others } = NETWORK_LIMITS;
  return {
    ...others,
    wireBytesMax: bytesMax,
    inflatedBytesMax: bytesMax,
    samplesMax: SAMPLES_MAX,
  };
}

/** Takes decoded batches of one transport, and counts what became of them. */
export class Intake {
  readonly #context: SourceContext;
  readonly #accepted: Counter;
  readonly #refused: Counter;
  readonly #failed: Counter;
  readonly #requests: Metrics;
  readonly #refusedRequests = new Map<string, Counter>();

  constructor(context: SourceContext, transport: Transport) {
    this.#context = context;
    const metrics = context.metrics.with({ transport });
    this.#requests = metrics;
    this.#accepted = metrics.counter(
      "otelcol_receiver_accepted_profile_samples",
      "Samples that were passed on.",
    );
    this.#refused = metrics.counter(
      "otelcol_receiver_refused_profile_samples",
      "Samples that what stands behind the receiver refused.",
    );
    this.#failed = metrics.counter(
      "otelcol_receiver_failed_profile_samples",
      "Samples that were lost to a fault of the program's own.",
    );
  }

  /** Passes a batch on. Rejects as what stands behind rejects, when it is counted. */
  async take(batch: ProfileBatch): Promise<void> {
    if (batch.resourceProfiles.length === 0) return;
    const samples = batch.sampleCount;
    try {
      await this.#context.next.consume(batch);
    } catch (error) {
      const isOurs = !isCollectorError(error) || error.code === "INTERNAL";
      (isOurs ? this.#failed : this.#refused).add(samples);
      throw error;
    }
    this.#accepted.add(samples);
  }

  /** Counts a request of which no sample was read. */
  refuse(reason: RefusalReason): void {
    this.#refusedRequests
      .getOrInsertComputed(reason, () =>
        this.#requests.counter(
          "obsforge_receiver_refused_requests",
          "Requests that were refused before their samples were known.",
          { reason },
        ),
      )
      .add(1);
  }
}

export type RefusalReason = "malformed" | "too_large" | "unsupported" | "busy" | "failed";
