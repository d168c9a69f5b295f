import { getSystemErrorMap } from "node:util";
import { CollectorError, type ErrorCode } from "../support/errors.ts";

export const EPERM = 1;
export const ENOENT = 2;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EEXIST = 17;
export const ENODEV = 19;
export const E2BIG = 7;
export const ELOOP = 40;
export const ENOTDIR = 20;
export const EXDEV = 18;

/** "EPERM: operation not permitted" for 1 and for -1; kernel-only numbers are given as they are. */
export function errnoText(errno: number): string {
  const known = getSystemErrorMap().get(-Math.abs(errno));
  return known === undefined ? `errno ${Math.abs(errno)}` : `${known[0]}: ${known[1]}`;
}

/** The code that says what may be done about a failed call. */
export function errnoCode(errno: number): ErrorCode {
  switch (Math.abs(errno)) {
    case EPERM:
    case EACCES:
      return "PERMISSION";
    case ENOENT:
      return "NOT_FOUND";
    case EAGAIN:
    case ENOMEM:
      return "UNAVAILABLE_RETRYABLE";
    default:
      return "UNSUPPORTED";
  }
}

/** Passes a result on; a negative one becomes an error that says what was tried. */
export function checked(result: number, what: string): number {
  if (result >= 0) return result;
  throw new CollectorError(errnoCode(result), `${what}: ${errnoText(result)}`);
}

/** "ENOENT" and the like for an error that node:fs threw, "" for any other value. */
export function systemErrorName(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === "string" ? code : "";
}
