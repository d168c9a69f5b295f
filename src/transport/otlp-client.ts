import type { ComponentContext } from "../pipeline/component.ts";
import { limitExceeded } from "../support/errors.ts";
import type { Counter } from "../support/metrics.ts";
import { type SecretHeaders, serverText } from "./headers.ts";
import type { PartialSuccess } from "./otlp-response.ts";

/** What OTLP clients have in common, by HTTP and by gRPC. */

/** OTLP: the largest request that a server should take, before compression. */
export const OTLP_REQUEST_BYTES_MAX: number = 64 * 1024 * 1024;

/** @throws CollectorError LIMIT_EXCEEDED  no server would take the request */
export function checkRequestSize(where: string, byteCount: number): void {
  if (byteCount <= OTLP_REQUEST_BYTES_MAX) return;
  throw limitExceeded(where, "bytes of one request", byteCount, OTLP_REQUEST_BYTES_MAX);
}

/** Ends the sentence about a request that the server found too large. */
export function tooLargeMend(byteCount: number): string {
  return ` (the request has ${byteCount} bytes before compression, and batches are not split)`;
}

/** Reservations are said once in this time, however often they come. */
const SAID_EVERY_NS = 60_000_000_000n;

/** Counts the profiles that a server rejected of a batch that it took, and says so. */
export class PartialSuccessReport {
  readonly #context: ComponentContext;
  readonly #rejected: Counter;
  #saidNs: bigint | undefined;
  #rejectedSince = 0;

  constructor(context: ComponentContext) {
    this.#context = context;
    this.#rejected = context.metrics.counter(
      "obsforge_exporter_rejected_profiles",
      "Profiles that the server rejected from batches that it took otherwise.",
    );
  }

  /**
   * Takes the answer to a batch that was taken. One that cannot be read has no reservation.
   *
   * @param sent  headers whose values must not be shown when the server repeats them [S14]
   */
  read(readAnswer: () => PartialSuccess | undefined, sent: SecretHeaders): void {
    const partial = readIfPossible(readAnswer);
    if (partial !== undefined) this.#add(partial, serverText(partial.errorMessage, sent));
  }

  #add({ rejectedProfiles }: PartialSuccess, message: string): void {
    this.#rejected.add(rejectedProfiles);
    this.#rejectedSince += rejectedProfiles;
    const nowNs = this.#context.clock.monotonicNanos();
    if (this.#saidNs !== undefined && nowNs - this.#saidNs < SAID_EVERY_NS) return;
    this.#saidNs = nowNs;
    const what = this.#rejectedSince === 0 ? "the server warns" : "the server rejected profiles";
    this.#context.logger.warn(what, { rejected_profiles: this.#rejectedSince, message });
    this.#rejectedSince = 0;
  }
}

function readIfPossible(readAnswer: () => PartialSuccess | undefined): PartialSuccess | undefined {
  try {
    return readAnswer();
  } catch {
    return undefined;
  }
}
