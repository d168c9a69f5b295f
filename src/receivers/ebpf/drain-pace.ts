/**
 * While processes come and go, so often: a process that ends soon is met while it lives, and its
 * files are opened through it.
 */
export const DRAIN_BUSY_MS = 100;
/** While none does: each drain wakes the program up, which costs more than what it reads. */
export const DRAIN_QUIET_MS = 500;
/** How full the ring may be at a drain: what comes suddenly has room in the rest. */
const RING_SHARE_MAX = 1 / 4;
/** A ring that fills faster is too small for its host; below this a drain is all overhead. */
const DRAIN_MIN_MS = 20;

/** While few processes are watched that are just starting: each has milliseconds to be known. */
const DRAIN_HURRIED_MS = 10;

/** What a drain found. */
export interface DrainFindings {
  /** The kernel told something of processes. */
  readonly hasProcessNews: boolean;
  /** How full the ring of samples was, from 0 to 1. */
  readonly ringShare: number;
  /** Something is about to happen that is to be known at once. */
  readonly isHurried?: boolean;
}

/** How long to wait between two drains of the rings. */
export class DrainPace {
  #waitMs = DRAIN_BUSY_MS;

  /** Milliseconds to the next drain, after one that found this. */
  next({ hasProcessNews, ringShare, isHurried = false }: DrainFindings): number {
    if (isHurried) return DRAIN_HURRIED_MS;
    const wanted = hasProcessNews ? DRAIN_BUSY_MS : Math.min(2 * this.#waitMs, DRAIN_QUIET_MS);
    const hasRoomMs = ringShare === 0 ? wanted : (this.#waitMs * RING_SHARE_MAX) / ringShare;
    this.#waitMs = Math.max(DRAIN_MIN_MS, Math.min(wanted, Math.floor(hasRoomMs)));
    return this.#waitMs;
  }
}
