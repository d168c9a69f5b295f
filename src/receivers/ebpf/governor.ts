/** What the program used is judged over this time, so that a burst changes nothing. */
const PERIOD_NS = 60_000_000_000n;
/** Share of the limit that a new frequency aims at: room for the next burst. */
const TARGET_SHARE = 0.8;
/** Below this share of the limit the frequency goes up again. */
const RAISE_BELOW_SHARE = 0.6;
/** It at most doubles at a time, because the cost grows less evenly than the frequency. */
const RAISE_FACTOR_MAX = 2;

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
    const { configuredHz } = this.#options;
    const current = this.#frequencyHz;
    if (shareOfLimit > 1) {
      return Math.min(current, evenPace((current * TARGET_SHARE) / shareOfLimit));
    }
    if (current === configuredHz || shareOfLimit > RAISE_BELOW_SHARE) return current;
    const factor = Math.min(RAISE_FACTOR_MAX, TARGET_SHARE / Math.max(shareOfLimit, 0.01));
    const raised = Math.ceil(current * factor);
    return raised >= configuredHz ? configuredHz : Math.max(current, evenPace(raised));
  }
}

/** A whole frequency that does not beat in step with timers that tick by tens. */
function evenPace(frequencyHz: number): number {
  const whole = Math.max(1, Math.floor(frequencyHz));
  return whole > 1 && whole % 5 === 0 ? whole - 1 : whole;
}
