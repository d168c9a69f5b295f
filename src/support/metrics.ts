/**
 * The program's own telemetry, held until somebody asks for it: counters and gauges with labels,
 * written in the text format 0.0.4 that Prometheus scrapes.
 *
 * Source: Prometheus, "Exposition formats".
 */

export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  /** @param amount  not negative */
  add(amount: number): void;
}

/** Where a part of the program registers its series. */
export interface Metrics {
  /** A sum that only grows. The name is given without `_total`. */
  counter(name: string, help: string, labels?: Labels): Counter;
  /** A sum that is kept elsewhere and read when somebody asks. */
  observedCounter(name: string, help: string, read: () => number, labels?: Labels): void;
  /** A value that comes and goes, read when somebody asks. */
  gauge(name: string, help: string, read: () => number, labels?: Labels): void;
  /** The same, with these labels on every series. */
  with(labels: Labels): Metrics;
}

/**
 * How the Collector's own names, `otelcol_…`, are written: its Prometheus reader has an option for
 * each ending, and writes neither when it is not told. All other names end as Prometheus advises.
 */
export interface MetricSpelling {
  /** Counters do not end with `_total`. */
  readonly without_type_suffix: boolean;
  /** Names do not end with their unit. */
  readonly without_units: boolean;
}

const usualSpelling: MetricSpelling = { without_type_suffix: true, without_units: true };

/** The units that the names do not say already. */
const unitsOfCollector: ReadonlyMap<string, string> = new Map([
  ["otelcol_process_uptime", "seconds"],
  ["otelcol_process_memory_rss", "bytes"],
]);

/** Series of one program: labels come from configuration and from closed lists, not from data. */
const SERIES_MAX = 10_000;

interface Family {
  readonly type: "counter" | "gauge";
  readonly help: string;
  /** By label text, as it is written. Series of one name and labels add up. */
  readonly series: Map<string, (() => number)[]>;
}

/** Holds every series of the program. */
export class MetricRegistry {
  readonly #families = new Map<string, Family>();
  #seriesCount = 0;

  /** The registry as a part of the program sees it. */
  metrics(labels: Labels = {}): Metrics {
    return {
      counter: (name, help, own) => {
        let sum = 0;
        this.#add("counter", counterName(name), help, labelText({ ...labels, ...own }), () => sum);
        return {
          add: (amount) => {
            sum += amount;
          },
        };
      },
      observedCounter: (name, help, read, own) =>
        this.#add("counter", counterName(name), help, labelText({ ...labels, ...own }), read),
      gauge: (name, help, read, own) =>
        this.#add("gauge", name, help, labelText({ ...labels, ...own }), read),
      with: (more) => this.metrics({ ...labels, ...more }),
    };
  }

  /** All series as text, families and series in the order of their names. */
  text(spelling: MetricSpelling = usualSpelling): string {
    const lines: string[] = [];
    for (const [key, { type, help, series }] of sorted(this.#families)) {
      const name = spelled(key, type, spelling);
      lines.push(`# HELP ${name} ${help.replace(/[\\\n]/g, escaped)}`, `# TYPE ${name} ${type}`);
      for (const [labels, reads] of sorted(series)) {
        const value = sumOf(reads);
        if (value !== undefined) lines.push(`${name}${labels} ${value}`);
      }
    }
    return `${lines.join("\n")}\n`;
  }

  /** The value of one series by its usual name, or undefined: for tests. */
  value(name: string, labels: Labels = {}): number | undefined {
    const reads = this.#families.get(name)?.series.get(labelText(labels));
    return reads === undefined ? undefined : sumOf(reads);
  }

  /** A processor that stands in two pipelines is two components, and one series. */
  #add(
    type: Family["type"],
    name: string,
    help: string,
    ...[labels, read]: [string, () => number]
  ): void {
    const family = this.#families.getOrInsertComputed(name, () => ({
      type,
      help,
      series: new Map(),
    }));
    if (this.#seriesCount >= SERIES_MAX) return;
    this.#seriesCount++;
    family.series.getOrInsertComputed(labels, () => []).push(read);
  }
}

/** Undefined when one cannot be read: the others are answered all the same. */
function sumOf(reads: readonly (() => number)[]): number | undefined {
  try {
    return reads.reduce((sum, read) => sum + read(), 0);
  } catch {
    return undefined;
  }
}

function isOfCollector(name: string): boolean {
  return name.startsWith("otelcol_");
}

function counterName(name: string): string {
  return isOfCollector(name) ? name : `${name}_total`;
}

function spelled(name: string, type: Family["type"], spelling: MetricSpelling): string {
  if (!isOfCollector(name)) return name;
  const unit = spelling.without_units ? undefined : unitsOfCollector.get(name);
  const suffix = type === "counter" && !spelling.without_type_suffix ? "_total" : "";
  return `${name}${unit === undefined ? "" : `_${unit}`}${suffix}`;
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, escaped)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(character: string): string {
  return character === "\n" ? "\\n" : `\\${character}`;
}

function sorted<Value>(map: ReadonlyMap<string, Value>): [string, Value][] {
  return Array.from(map).sort(([a], [b]) => (a < b ? -1 : 1));
}
