import { isCollectorError } from "../../support/errors.ts";
import { grpcCode } from "../../transport/retryable.ts";
import type { Status } from "../../transport/server/rpc-status.ts";
import type { RefusalReason } from "./intake.ts";

/** When to send again what was refused for lack of room: long enough for a batch to leave. */
const RETRY_AFTER_SECONDS = 1;

/** google.rpc.Code INTERNAL and UNIMPLEMENTED, which no client acts on. */
const INTERNAL = 13;
const UNIMPLEMENTED = 12;

/** What a client is answered in place of a success. */
export interface Refusal {
  readonly httpStatus: number;
  readonly status: Status;
  readonly reason: RefusalReason;
}

/** The answer that an error of the codec, the limits or the consumer is. */
export function refusalOf(error: unknown): Refusal {
  if (!isCollectorError(error) || error.code === "INTERNAL") return ownFault;
  const { message } = error;
  switch (error.code) {
    case "UNAVAILABLE_RETRYABLE":
    case "REFUSED_BACKPRESSURE": {
      const code = grpcCode.UNAVAILABLE;
      const status = { code, message, retryAfterSeconds: RETRY_AFTER_SECONDS };
      return { httpStatus: 503, status, reason: "busy" };
    }
    case "LIMIT_EXCEEDED":
      return refusal(413, grpcCode.RESOURCE_EXHAUSTED, message, "too_large");
    case "UNSUPPORTED":
      return refusal(415, UNIMPLEMENTED, message, "unsupported");
    default:
      return refusal(400, grpcCode.INVALID_ARGUMENT, message, "malformed");
  }
}

/** The answer to a batch that what stands behind refused: nothing of it is the codec's. */
export function rejectionOf(error: unknown): Refusal {
  const given = refusalOf(error);
  if (given.reason === "busy" || given.reason === "failed") return given;
  return refusal(400, grpcCode.INVALID_ARGUMENT, given.status.message, "malformed");
}

/** What went wrong inside is told to the log, not to who sends. */
const ownFault: Refusal = {
  httpStatus: 500,
  status: { code: INTERNAL, message: "the receiver failed" },
  reason: "failed",
};

function refusal(
  httpStatus: number,
  code: number,
  message: string,
  reason: RefusalReason,
): Refusal {
  return { httpStatus, status: { code, message }, reason };
}
