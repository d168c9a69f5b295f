import type { ProfileBatch } from "../profiles/profile.ts";
import { Complaints } from "../support/complaints.ts";
import { messageOf } from "../support/errors.ts";
import type { Counter, Metrics } from "../support/metrics.ts";
import {
  type ComponentContext,
  DeliveryError,
  type DeliveryResult,
  type Exporter,
  type ProfileConsumer,
} from "./component.ts";

/** Batches that one exporter may be busy with: as many as otelcol's consumers of a queue. */
export const IN_FLIGHT_MAX = 10;

/**
 * Stands in front of an exporter, so that a slow or dead destination holds up nothing else:
 * `consume` hands the batch over and resolves. A failed batch, or one that comes while
 * IN_FLIGHT_MAX are on their way, is counted in samples and said once a minute.
 */
export class Delivery implements ProfileConsumer {
  readonly #exporter: Pick<Exporter, "consume">;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #sent: Counter;
  readonly #sendFailed: Counter;
  readonly #enqueueFailed: Counter;
  readonly #complaints: Complaints;

  constructor(exporter: Pick<Exporter, "consume">, context: ComponentContext) {
    this.#exporter = exporter;
    this.#complaints = new Complaints("not sent", context);
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
      this.#complaints.add(samples, `${IN_FLIGHT_MAX} batches are on their way`);
      return;
    }
    const delivery = this.#deliver(batch, samples).finally(() => this.#inFlight.delete(delivery));
    this.#inFlight.add(delivery);
  }

  /** Resolves when nothing is on its way any more. */
  async drained(): Promise<void> {
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
    this.#complaints.flush();
  }

  async #deliver(batch: ProfileBatch, samples: number): Promise<void> {
    try {
      const result = (await this.#exporter.consume(batch)) as DeliveryResult | undefined;
      this.#sent.add(result?.delivered ?? samples);
    } catch (error) {
      const { delivered, dropped } = error instanceof DeliveryError ? error.result : NOTHING;
      const failed = samples - delivered - dropped;
      this.#sent.add(delivered);
      this.#sendFailed.add(failed);
      this.#complaints.add(failed, messageOf(error));
    }
  }
}

const NOTHING: DeliveryResult = { delivered: 0, dropped: 0 };

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
