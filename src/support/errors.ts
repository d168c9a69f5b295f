/**
 * The one error type of the program. A code says what kind of failure it is and
 * therefore what may be done about it; the message says what, where, and the mend.
 */

export const errorCodes = [
  /** The user's command line or configuration is wrong. */
  "CONFIG_INVALID",
  /** Foreign bytes do not follow their format. */
  "INPUT_MALFORMED",
  /** A named limit was reached; the message gives the limit and what was found. */
  "LIMIT_EXCEEDED",
  /** May work later: the caller may try again. */
  "UNAVAILABLE_RETRYABLE",
  /** Not accepted now because what stands behind is full. */
  "REFUSED_BACKPRESSURE",
  /** A right or capability is missing. */
  "PERMISSION",
  /** What was asked for does not exist (a process, a file). */
  "NOT_FOUND",
  /** This kernel or machine cannot do it. */
  "UNSUPPORTED",
  /** Our own bug. */
  "INTERNAL",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export class CollectorError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "CollectorError";
    this.code = code;
  }
}

/** Foreign bytes are broken. `where` names the input and the offset or path inside it. */
export function malformed(where: string, what: string): CollectorError {
  return new CollectorError("INPUT_MALFORMED", `${where}: ${what}`);
}

/** A named limit was reached. */
export function limitExceeded(
  where: string,
  what: string,
  actual: number | bigint,
  limit: number,
): CollectorError {
  return new CollectorError(
    "LIMIT_EXCEEDED",
    `${where}: ${what}: ${actual} is over the limit of ${limit}`,
  );
}

/** True for an error of ours with one of the codes (any code when none is given). */
export function isCollectorError(error: unknown, ...codes: ErrorCode[]): error is CollectorError {
  return error instanceof CollectorError && (codes.length === 0 || codes.includes(error.code));
}

/** What a person should read of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
