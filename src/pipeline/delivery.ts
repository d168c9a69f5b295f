import type { ProfileBatch } from "../profiles/profile.ts";
import { messageOf } from "../support/errors.ts";
import type { Counter, Metrics } from "../support/metrics.ts";
import type { ComponentContext, ProfileConsumer } from "./component.ts";

/** Batches that one exporter may be busy with: as many as otelcol's consumers of a queue. */
export const IN_FLIGHT_MAX = 10;

/** A destination that is down for hours is said once in this time. */
const COMPLAINT_INTERVAL_NS = 60_000_000_000n;

/**
 * Stands in front of an exporter, so that a slow or dead destination holds up nothing else:
 * `consume` hands the batch over and resolves. A failed batch, or one that comes while
 * IN_FLIGHT_MAX are on their way, is counted in samples and said once a minute.
 */
export class Delivery implements ProfileConsumer {
  readonly #exporter: ProfileConsumer;
  readonly #context: ComponentContext;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #sent: Counter;
  readonly #sendFailed: Counter;
  readonly #enqueueFailed: Counter;
  /** What went wrong since the last complaint, which stands at its time. */
  #unsaid = { batches: 0, samples: 0 };
  #saidNs: bigint | undefined;

  constructor(exporter: ProfileConsumer, context: ComponentContext) {
    this.#exporter = exporter;
    this.#context = context;
    const { sent, sendFailed, enqueueFailed } = countersOf(context.metrics);
    this.#sent = sent;
    this.#sendFailed = sendFailed;
    this.#enqueueFailed = enqueueFailed;
    context.metrics.gauge(
      "otelcol_exporter_in_flight_requests",
      "Batches that the exporter is busy with.",
      () => this.#inFlight.size,
      { data_type: "profiles" },
    );
  }

  async consume(batch: ProfileBatch): Promise<void> {
    const samples = batch.sampleCount;
    if (this.#inFlight.size >= IN_FLIGHT_MAX) {
      this.#enqueueFailed.add(samples);
      this.#complain(samples, `${IN_FLIGHT_MAX} batches are on their way`);
      return;
    }
    const delivery = this.#deliver(batch, samples).finally(() => this.#inFlight.delete(delivery));
    this.#inFlight.add(delivery);
  }

  /** Resolves when nothing is on its way any more. */
  async drained(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
    this.#sayUnsaid("the last failure");
  }

  async #deliver(batch: ProfileBatch, samples: number): Promise<void> {
    try {
      await this.#exporter.consume(batch);
      this.#sent.add(samples);
    } catch (error) {
      this.#sendFailed.add(samples);
      this.#complain(samples, messageOf(error));
    }
  }

  #complain(samples: number, reason: string): void {
    this.#unsaid.batches++;
    this.#unsaid.samples += samples;
    const now = this.#context.clock.monotonicNanos();
    const isDue = this.#saidNs === undefined || now - this.#saidNs >= COMPLAINT_INTERVAL_NS;
    if (!isDue) return;
    this.#saidNs = now;
    this.#sayUnsaid(reason);
  }

  #sayUnsaid(reason: string): void {
    const { batches, samples } = this.#unsaid;
    if (batches === 0) return;
    this.#unsaid = { batches: 0, samples: 0 };
    this.#context.logger.error("not sent", { batches, samples, reason });
  }
}

/** otelcol's names for what became of an exporter's samples. */
function countersOf(metrics: Metrics): Record<"sent" | "sendFailed" | "enqueueFailed", Counter> {
  return {
    sent: metrics.counter("otelcol_exporter_sent_profile_samples", "Samples that were delivered."),
    sendFailed: metrics.counter(
      "otelcol_exporter_send_failed_profile_samples",
      "Samples that could not be delivered.",
    ),
    enqueueFailed: metrics.counter(
      "otelcol_exporter_enqueue_failed_profile_samples",
      "Samples that came while too much was on its way.",
    ),
  };
}
