/** Values as people read them. */

const nanoUnits: readonly Step[] = [
  [60e9 * 60, "h"],
  [60e9, "min"],
  [1e9, "s"],
  [1e6, "ms"],
  [1e3, "µs"],
  [1, "ns"],
];
const byteUnits: readonly Step[] = [
  [2 ** 40, "TiB"],
  [2 ** 30, "GiB"],
  [2 ** 20, "MiB"],
  [2 ** 10, "KiB"],
  [1, "B"],
];

type Step = readonly [size: number, unit: string];

const timeFactors: Readonly<Record<string, number>> = {
  nanoseconds: 1,
  ns: 1,
  microseconds: 1e3,
  us: 1e3,
  milliseconds: 1e6,
  ms: 1e6,
  seconds: 1e9,
  s: 1e9,
};

/** A value in its unit: "1.25 s", "3.5 MiB", "1,234 samples". */
export function valueText(value: number, unit: string): string {
  const factor = timeFactors[unit];
  if (factor !== undefined) return scaled(value * factor, nanoUnits);
  if (unit === "bytes" || unit === "byte") return scaled(value, byteUnits);
  const amount = exactText(value);
  return unit === "" || unit === "count" ? amount : `${amount} ${unit}`;
}

/** All digits, in groups of three: "1,234,567". */
export function exactText(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 2 });
}

function scaled(value: number, steps: readonly Step[]): string {
  const size = Math.abs(value);
  const step = steps.find(([least]) => size >= least) ?? steps[steps.length - 1];
  if (step === undefined) return String(value);
  const amount = value / step[0];
  const digits = Math.abs(amount) >= 100 || Number.isInteger(amount) ? 0 : 2;
  return `${amount.toFixed(digits)} ${step[1]}`;
}

/** A part of a whole: "12.3 %", "< 0.01 %". */
export function shareText(part: number, whole: number): string {
  if (whole === 0) return "0 %";
  const percent = (100 * part) / whole;
  if (percent !== 0 && Math.abs(percent) < 0.01) return "< 0.01 %";
  return `${percent.toFixed(Math.abs(percent) >= 99.95 || percent === 0 ? 0 : 2)} %`;
}

/** A change with its sign: "+1.25 s", "−3 MiB", "±0". */
export function changeText(change: number, unit: string): string {
  if (change === 0) return "±0";
  return `${change > 0 ? "+" : "−"}${valueText(Math.abs(change), unit)}`;
}

interface Part {
  readonly part: number;
  readonly whole: number;
}

/** By how many percent points a share changed: "+1.25 points". */
export function pointsText(before: Part, after: Part): string {
  const share = ({ part, whole }: Part): number => (whole === 0 ? 0 : (100 * part) / whole);
  const points = share(after) - share(before);
  if (Math.abs(points) < 0.005) return "±0 points";
  return `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(2)} points`;
}
