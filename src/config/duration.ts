/**
 * Durations as Go's `time.ParseDuration` reads them: a sign, then numbers with units
 * ("1h30m", "1.5s", "200ms", "100us"), or a bare zero.
 */

/** Nanoseconds of each unit; microseconds may have either letter mu. */
const UNIT_NS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  "\u00b5s": 1000n,
  "\u03bcs": 1000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

const NS_PER_MS = 1_000_000n;
/** Go counts nanoseconds in 64 bits with a sign: about 292 years. */
const DURATION_NS_MAX = 2n ** 63n - 1n;
/** Digits behind these are below a nanosecond even in hours. */
const FRACTION_DIGITS_MAX = 18;
/** The longest useful text is far shorter; this bounds what the pattern reads. */
const DURATION_TEXT_MAX = 256;

const PART = /(\d*)(?:\.(\d*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y;

export interface DurationOptions {
  /** Read a leading minus as well; without it a negative duration is refused. */
  readonly allowNegative?: boolean;
}

/**
 * Milliseconds, with what is below one as a fraction, exact to the nanosecond;
 * undefined when the text is no duration, is negative, or is longer than 292 years.
 */
export function parseDuration(text: string, options: DurationOptions = {}): number | undefined {
  if (text.length > DURATION_TEXT_MAX) return undefined;
  const negative = text.startsWith("-");
  const unsigned = /^[-+]/.test(text) ? text.slice(1) : text;
  const ns = unsigned === "0" ? 0n : sumOfParts(unsigned);
  if (ns === undefined || ns > DURATION_NS_MAX) return undefined;
  if (!negative || ns === 0n) return millisecondsOf(ns);
  return options.allowNegative === true ? -millisecondsOf(ns) : undefined;
}

function sumOfParts(text: string): bigint | undefined {
  if (text === "") return undefined;
  let ns = 0n;
  PART.lastIndex = 0;
  for (let end = 0; end < text.length; end = PART.lastIndex) {
    const [, whole = "", fraction = "", unit = ""] = PART.exec(text) ?? [];
    const unitNs = UNIT_NS[unit];
    if (unitNs === undefined || whole + fraction === "") return undefined;
    const digits = fraction.slice(0, FRACTION_DIGITS_MAX);
    ns += BigInt(whole) * unitNs;
    ns += (BigInt(digits) * unitNs) / 10n ** BigInt(digits.length);
  }
  return ns;
}

function millisecondsOf(ns: bigint): number {
  return Number(ns / NS_PER_MS) + Number(ns % NS_PER_MS) / Number(NS_PER_MS);
}

/** The shortest usual text ("1m30s", "1.5ms", "0s"), rounded to nanoseconds; parses back. */
export function formatDuration(milliseconds: number): string {
  const ns = nanosecondsOf(Math.abs(milliseconds));
  if (ns === 0n) return "0s";
  const sign = milliseconds < 0 ? "-" : "";
  const small = (["ns", "us", "ms"] as const).findLast((unit) => ns >= unitNsOf(unit)) ?? "ns";
  return sign + (ns < unitNsOf("s") ? inUnit(ns, small) : clockText(ns));
}

function nanosecondsOf(milliseconds: number): bigint {
  const whole = Math.floor(milliseconds);
  return BigInt(whole) * NS_PER_MS + BigInt(Math.round((milliseconds - whole) * 1e6));
}

function clockText(ns: bigint): string {
  const hours = ns / unitNsOf("h");
  const minutes = (ns % unitNsOf("h")) / unitNsOf("m");
  const rest = ns % unitNsOf("m");
  const parts = [
    hours > 0n ? `${hours}h` : "",
    minutes > 0n ? `${minutes}m` : "",
    rest > 0n ? inUnit(rest, "s") : "",
  ];
  return parts.join("");
}

function inUnit(ns: bigint, unit: "ns" | "us" | "ms" | "s"): string {
  const unitNs = unitNsOf(unit);
  const digits = String(ns % unitNs).padStart(String(unitNs).length - 1, "0");
  const fraction = digits.replace(/0+$/, "");
  return `${ns / unitNs}${fraction === "" ? "" : `.${fraction}`}${unit}`;
}

function unitNsOf(unit: "ns" | "us" | "ms" | "s" | "m" | "h"): bigint {
  return UNIT_NS[unit] as bigint;
}
