import type { AnyField } from "./field.ts";
import { REDACTED } from "./secret.ts";

/** To the last @ before the path: a password may have one. */
const CREDENTIALS_IN_URL = /\/\/[^/?#]*@/g;

/**
 * A copy of a configuration's value to show, with `[REDACTED]` where its field is a secret, and
 * where no field says what it is.
 */
export function redacted(field: AnyField | undefined, value: unknown): unknown {
  if (value === null || value === undefined) return value;
  if (field === undefined) return REDACTED;
  const { kind, fields, item } = field.info;
  if (kind === "secret") return REDACTED;
  // An endpoint may carry a name and a password.
  if (typeof value === "string" && kind === "text") {
    return value.replace(CREDENTIALS_IN_URL, `//${REDACTED}@`);
  }
  if (kind === "any") return typeof value === "boolean" ? value : REDACTED;
  if (Array.isArray(value) && field.info.alsoPairs) return value.map(redactedPair);
  if (Array.isArray(value)) {
    return value.map((element) => (item === undefined ? element : redacted(item, element)));
  }
  if (typeof value !== "object") return kind === "section" || kind === "map" ? REDACTED : value;
  if (fields === undefined && item === undefined) return REDACTED;
  const copy = Object.create(null) as Record<string, unknown>;
  for (const [key, element] of Object.entries(value)) {
    copy[key] = redacted(fields === undefined ? item : fields[key], element);
  }
  return copy;
}

/** Of a header that is written as a pair, the name is shown. */
function redactedPair(pair: unknown): unknown {
  if (typeof pair !== "object" || pair === null || !("name" in pair)) return REDACTED;
  return { name: pair.name, value: REDACTED };
}
