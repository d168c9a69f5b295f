import { systemClock } from "../support/clock.ts";
import type { Logger } from "../support/logger.ts";
import type { Missing } from "./executable-file.ts";
import type { WorkerAnswer, WorkerRequest } from "./worker-protocol.ts";

/** Workers that may be lost in a minute before it is taken for an attack. */
const RESTARTS_PER_MINUTE_MAX = 3;
const MINUTE_NS = 60_000_000_000n;
/** How long no new file is read after that. */
const OFF_MS = 5 * 60_000;
/** Questions that wait. A caller asks once a file and window, so this is thousands of files. */
const QUEUE_MAX = 8192;
/** Questions that are known to be harmless. */
const PROVEN_KEYS_MAX = 16_384;

export interface Question {
  readonly request: WorkerRequest;
  /** What it is about, for refusals. */
  readonly key: string;
  /** How much it is wanted; 0 when it is not given. */
  readonly demand?: (() => number) | undefined;
  readonly resolve: (answer: WorkerAnswer) => void;
  /** Resolves with the answer. */
  readonly settled: Promise<WorkerAnswer>;
  /** Called when no worker can use any more what was sent. */
  readonly release: () => void;
}

export interface LaneOptions {
  /** What is off, in the words of a log: "symbolization". */
  readonly name: string;
  readonly logger: Logger;
  /** How long new files are not read after too many restarts. */
  readonly offMs?: number | undefined;
  /** What costs no worker: questions that are about no file. */
  readonly harmless: readonly string[];
}

/**
 * Questions of one kind that wait for the worker, and the switch that is thrown when they cost it
 * too often: then only what was answered before is asked.
 */
export class QuestionLane {
  readonly #options: LaneOptions;
  readonly #queue: Question[] = [];
  /** What was answered before: it does no harm while others do. */
  readonly #proven: Set<string>;
  readonly #restartTimes: bigint[] = [];
  /** Monotonic; undefined while it is on. */
  #offUntilNs: bigint | undefined;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#proven = new Set(options.harmless);
  }

  /** Why a question is not taken now; undefined when it is. */
  refusalOf(key: string, hasStuckWorkers: boolean): Missing | undefined {
    if (this.#isOff(hasStuckWorkers) && !this.#proven.has(key)) return this.#offAnswer();
    return this.#queue.length >= QUEUE_MAX ? TOO_MANY : undefined;
  }

  push(question: Question): void {
    this.#queue.push(question);
  }

  /** Takes out what is wanted most, of such the oldest. */
  shift(): Question | undefined {
    let best = 0;
    let bestDemand = -1;
    for (const [index, { demand }] of this.#queue.entries()) {
      const wanted = demand?.() ?? 0;
      if (wanted <= bestDemand) continue;
      best = index;
      bestDemand = wanted;
    }
    return this.#queue.splice(best, 1)[0];
  }

  /** A question was answered, so it does no harm. */
  prove(key: string): void {
    this.#proven.add(key);
    for (const oldest of this.#proven) {
      if (this.#proven.size <= PROVEN_KEYS_MAX) break;
      this.#proven.delete(oldest);
    }
  }

  /** A question cost the worker. */
  noteRestart(): void {
    const nowNs = systemClock.monotonicNanos();
    const times = this.#restartTimes;
    times.push(nowNs);
    while (nowNs - (times[0] ?? nowNs) > MINUTE_NS) times.shift();
    if (times.length > RESTARTS_PER_MINUTE_MAX) this.#turnOff(nowNs);
  }

  /** Answers what waits. */
  answerAll(answer: Missing, isConcerned = (_: Question): boolean => true): void {
    const waiting = this.#queue.splice(0);
    this.#queue.push(...waiting.filter((question) => !isConcerned(question)));
    for (const question of waiting.filter(isConcerned)) {
      question.resolve(answer);
      question.release();
    }
  }

  #turnOff(nowNs: bigint): void {
    const { name, logger, offMs = OFF_MS } = this.#options;
    this.#offUntilNs = nowNs + BigInt(offMs) * 1_000_000n;
    this.#restartTimes.length = 0;
    logger.error(`${name} of new files is off for ${offMs / 1000} s`, {
      reason: `over ${RESTARTS_PER_MINUTE_MAX} files cost its worker in a minute`,
    });
    this.answerAll(this.#offAnswer(), ({ key }) => !this.#proven.has(key));
  }

  #isOff(hasStuckWorkers: boolean): boolean {
    if (this.#offUntilNs === undefined) return false;
    const isOver = systemClock.monotonicNanos() >= this.#offUntilNs;
    if (!isOver || hasStuckWorkers) return true;
    this.#offUntilNs = undefined;
    this.#options.logger.info(`${this.#options.name} is tried again`);
    return false;
  }

  #offAnswer(): Missing {
    const missing = `${this.#options.name} of new files is off: too many cost its worker`;
    return { missing, kind: "given_up" };
  }
}

const TOO_MANY: Missing = { missing: "too many files at once", kind: "given_up" };
