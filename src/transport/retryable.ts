import type { ErrorCode } from "../support/errors.ts";

/**
 * Which answers of a server may be followed by the same request again, and what the others mean.
 *
 * Source: OTLP specification, "Failures" of OTLP/gRPC and OTLP/HTTP.
 */

const RETRYABLE_STATUSES: readonly number[] = [429, 502, 503, 504];

/** The numbers of google.rpc.Code that the tables below speak of. */
export const grpcCode = {
  OK: 0,
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

const RETRYABLE_CODES: readonly number[] = [
  grpcCode.CANCELLED,
  grpcCode.DEADLINE_EXCEEDED,
  grpcCode.ABORTED,
  grpcCode.OUT_OF_RANGE,
  grpcCode.UNAVAILABLE,
  grpcCode.DATA_LOSS,
];

export function isRetryableStatus(status: number): boolean {
  return RETRYABLE_STATUSES.includes(status);
}

/** @param hasRetryInfo  the server said when it will have room again */
export function isRetryableGrpcCode(code: number, hasRetryInfo: boolean): boolean {
  return RETRYABLE_CODES.includes(code) || (code === grpcCode.RESOURCE_EXHAUSTED && hasRetryInfo);
}

/** The kind of failure that an HTTP status other than 2xx is. */
export function errorCodeOfStatus(status: number): ErrorCode {
  if (isRetryableStatus(status)) return "UNAVAILABLE_RETRYABLE";
  if (status === 400 || status === 422) return "INPUT_MALFORMED";
  if (status === 401 || status === 403) return "PERMISSION";
  if (status === 404) return "NOT_FOUND";
  if (status === 413) return "LIMIT_EXCEEDED";
  return "UNSUPPORTED";
}

/** The kind of failure that a gRPC status other than OK is. */
export function errorCodeOfGrpc(code: number, hasRetryInfo: boolean): ErrorCode {
  if (isRetryableGrpcCode(code, hasRetryInfo)) return "UNAVAILABLE_RETRYABLE";
  switch (code) {
    case grpcCode.INVALID_ARGUMENT:
      return "INPUT_MALFORMED";
    case grpcCode.PERMISSION_DENIED:
    case grpcCode.UNAUTHENTICATED:
      return "PERMISSION";
    case grpcCode.NOT_FOUND:
      return "NOT_FOUND";
    case grpcCode.RESOURCE_EXHAUSTED:
      return "LIMIT_EXCEEDED";
    default:
      return "UNSUPPORTED";
  }
}

/** A wait longer than a day is no wait. */
const RETRY_AFTER_MAX_MS = 24 * 3_600_000;

/**
 * Milliseconds of a Retry-After header, which holds seconds or an HTTP date; undefined when it
 * holds neither.
 *
 * @param nowUnixMs  what a date is counted from
 */
export function retryAfterMs(header: string | undefined, nowUnixMs: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowUnixMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), RETRY_AFTER_MAX_MS);
}
