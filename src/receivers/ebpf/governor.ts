/** What the program used is judged over this time, so that a burst changes nothing. */
const PERIOD_NS = 60_000_000_000n;
/** Share of the limit that a new frequency aims at: room for the next burst. */
const TARGET_SHARE = 0.8;
/** Below this share of the limit the frequency goes up at once, at most doubled. */
const RAISE_BELOW_SHARE = 0.6;
const RAISE_FACTOR_MAX = 2;
/**
 * Up to this share a higher frequency is only tried: what the program costs without samples is not
 * known, so that room cannot be told from the share alone.
 */
const TRY_BELOW_SHARE = 0.9;
const TRY_FACTOR = 1.25;
/** A try that failed is repeated after one period, then 2, 4 … up to an hour. */
const TRY_WAIT_MAX = 60;

export interface GovernorOptions {
  /** Percent of one CPU; 0 turns the governor off. */
  readonly limitPercent: number;
  /** Never above this, and back to it when there is room. */
  readonly configuredHz: number;
  /** CPU time of the whole program since its start, in seconds. */
  readonly cpuSeconds: () => number;
}

export interface Adjustment {
  readonly frequencyHz: number;
  /** What was used over the last period, in percent of one CPU. */
  readonly usedPercent: number;
}

/** Keeps the program's CPU time below a limit by the frequency of its samples. */
export class Governor {
  readonly #options: GovernorOptions;
  #frequencyHz: number;
  /** Whether the last change was a try. */
  #isTrying = false;
  #tryWait = 1;
  #periodsWaited = 0;
  #periodStart: { readonly timeNs: bigint; readonly cpuSeconds: number } | undefined;

  constructor(options: GovernorOptions) {
    this.#options = options;
    this.#frequencyHz = options.configuredHz;
  }

  /** Asked from time to time; the frequency from now on, or undefined to go on as it is. */
  adjust(nowNs: bigint): Adjustment | undefined {
    const { limitPercent } = this.#options;
    if (limitPercent === 0) return undefined;
    const used = this.#usedPercent(nowNs);
    if (used === undefined) return undefined;
    const frequencyHz = this.#frequencyFor(used / limitPercent);
    if (frequencyHz === this.#frequencyHz) return undefined;
    this.#frequencyHz = frequencyHz;
    return { frequencyHz, usedPercent: used };
  }

  /** Over the period that ended now, which begins another; undefined while it lasts. */
  #usedPercent(nowNs: bigint): number | undefined {
    const start = this.#periodStart;
    if (start !== undefined && nowNs - start.timeNs < PERIOD_NS) return undefined;
    const cpuSeconds = this.#options.cpuSeconds();
    this.#periodStart = { timeNs: nowNs, cpuSeconds };
    if (start === undefined) return undefined;
    const seconds = Number(nowNs - start.timeNs) / 1e9;
    return (100 * (cpuSeconds - start.cpuSeconds)) / seconds;
  }

  #frequencyFor(shareOfLimit: number): number {
    const current = this.#frequencyHz;
    if (shareOfLimit > 1) {
      if (this.#isTrying) this.#tryWait = Math.min(2 * this.#tryWait, TRY_WAIT_MAX);
      this.#isTrying = false;
      this.#periodsWaited = 0;
      return Math.min(current, evenPace((current * TARGET_SHARE) / shareOfLimit));
    }
    if (this.#isTrying) this.#tryWait = 1;
    this.#isTrying = false;
    if (current === this.#options.configuredHz) return current;
    if (shareOfLimit <= RAISE_BELOW_SHARE) {
      const factor = TARGET_SHARE / Math.max(shareOfLimit, 0.01);
      return this.#raisedBy(Math.min(RAISE_FACTOR_MAX, factor));
    }
    this.#periodsWaited++;
    if (shareOfLimit > TRY_BELOW_SHARE || this.#periodsWaited < this.#tryWait) return current;
    this.#periodsWaited = 0;
    this.#isTrying = true;
    return this.#raisedBy(TRY_FACTOR);
  }

  #raisedBy(factor: number): number {
    const { configuredHz } = this.#options;
    const raised = Math.ceil(this.#frequencyHz * factor);
    if (raised >= configuredHz) return configuredHz;
    // One less, to keep out of step with other timers, may be no raise at all.
    const paced = evenPace(raised);
    return paced > this.#frequencyHz ? paced : raised + 1;
  }
}

/** A whole frequency that does not beat in step with timers that tick by tens. */
function evenPace(frequencyHz: number): number {
  const whole = Math.max(1, Math.floor(frequencyHz));
  return whole > 1 && whole % 5 === 0 ? whole - 1 : whole;
}

/** CPU time of this program's threads, in seconds. */
export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
