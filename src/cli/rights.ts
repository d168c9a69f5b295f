import { CollectorError, isCollectorError } from "../support/errors.ts";

/** Adds to a refusal for want of rights how to get them, where it does not say so yet. */
export function withRights(error: unknown): unknown {
  if (!isCollectorError(error, "PERMISSION") || error.message.includes("root")) return error;
  const mend =
    "run as root (sudo obsforge …), or with CAP_BPF and CAP_PERFMON; `obsforge doctor` says more";
  return new CollectorError("PERMISSION", `${error.message}: ${mend}`, { cause: error });
}
