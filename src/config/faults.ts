import { CollectorError } from "../support/errors.ts";

/** The configuration is wrong at `place`; `what` says how and names the mend. */
export function configInvalid(place: string, what: string, cause?: unknown): CollectorError {
  return new CollectorError("CONFIG_INVALID", `${place}: ${what}`, { cause });
}
