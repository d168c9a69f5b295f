interface Step {
  readonly size: number;
  readonly unit: string;
}

const times: readonly Step[] = [
  { size: 3600e9, unit: "h" },
  { size: 60e9, unit: "min" },
  { size: 1e9, unit: "s" },
  { size: 1e6, unit: "ms" },
  { size: 1e3, unit: "µs" },
  { size: 1, unit: "ns" },
];

const sizes: readonly Step[] = ["TiB", "GiB", "MiB", "KiB", "B"].map((unit, step) => ({
  size: 1024 ** (4 - step),
  unit,
}));

/** A value as a person reads it: nanoseconds and bytes in a fitting unit, counts in groups. */
export function valueText(value: number, unit: string): string {
  const steps = unit === "nanoseconds" ? times : unit === "bytes" ? sizes : undefined;
  if (steps === undefined) {
    const grouped = value.toLocaleString("en-US");
    return unit === "" || unit === "count" ? grouped : `${grouped} ${unit}`;
  }
  const step = steps.find(({ size }) => Math.abs(value) >= size) ?? (steps.at(-1) as Step);
  const scaled = value / step.size;
  return `${Number(scaled.toPrecision(4)).toLocaleString("en-US")} ${step.unit}`;
}

/** A part of a whole, as `12.34 %`. */
export function shareText(part: number, whole: number): string {
  return whole === 0 ? "0 %" : `${((100 * part) / whole).toFixed(2)} %`;
}
