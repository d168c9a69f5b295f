import { Worker } from "node:worker_threads";
import { sleep } from "../support/clock.ts";
import { messageOf } from "../support/errors.ts";
import type { Logger } from "../support/logger.ts";
import { moduleUrl } from "../support/module-url.ts";
import { CpuDeadline } from "./cpu-deadline.ts";
import {
  type ExecutableFile,
  type FileSource,
  isMissing,
  type Missing,
} from "./executable-file.ts";
import { type Question, QuestionLane } from "./question-lane.ts";
import {
  type SentFile,
  type WorkerAnswer,
  type WorkerAnswers,
  type WorkerMessage,
  type WorkerRequest,
  workerReady,
} from "./worker-protocol.ts";

/** CPU time that one file may take, up to twice this; the largest seen (libLLVM) needs half. */
const DEADLINE_MS = 1000;
/** The kernel's own list is no hostile input. */
const KERNEL_DEADLINE_MS = 5000;
/**
 * CPU time that a worker's start takes on a busy machine of today, at most. One that takes more is
 * slower, as a small board or an emulator is, and gives a file so much more, up to the factor.
 */
const START_CPU_MS = 100;
const SLOWNESS_MAX = 10;
/** A worker that has not begun by then never will; the busiest machine needs a second. */
const START_MS = 30_000;
/** What nobody wants any more is often done in a moment, and a new worker costs more. */
const CANCEL_WAIT_MS = 500;
/** A thread in a read that does not return (a dead file server) cannot be ended: nobody waits. */
const TERMINATE_MS = 1000;
/** The worker's heap: what is found in the largest file needs a tenth of it. */
const WORKER_HEAP_MIB = 512;
/**
 * A worker does not use Node's compile cache by itself, and would compile all anew: in a checkout
 * with the compiler that strips the types, which takes 30 MB.
 */
const WORKER_START = `
  const { workerData } = require("node:worker_threads");
  const { enableCompileCache } = require("node:module");
  if (workerData.cacheFolder !== undefined) enableCompileCache(workerData.cacheFolder);
  import(workerData.url);
`;
/** Threads that could not be ended; each holds its memory until the read returns. */
const STUCK_WORKERS_MAX = 4;
/** Files that are known to cost a worker. */
const REFUSED_KEYS_MAX = 4096;

export interface FileReaderOptions {
  readonly logger: Logger;
  /** CPU time, as the one below. */
  readonly deadlineMs?: number;
  readonly kernelDeadlineMs?: number;
  readonly workerHeapMib?: number;
  /** How long symbolization is off after too many restarts. */
  readonly offMs?: number;
  /** The module of the worker, when it is not the true one. */
  readonly workerUrl?: URL;
}

export interface FileReaderCounters {
  /** Workers that were ended because a file took too long or too much. */
  readonly restarts: number;
  /** Files that are not read any more because of it. */
  readonly refusedFiles: number;
}

/** Names are asked for first: what waits for tables waits for no report. */
export type LaneName = "names" | "tables";

/** What a question is about, when it is about no file. */
export const KERNEL = "the kernel";
export const UNWIND_TABLES = "unwind tables in the kernel";
const HARMLESS: readonly string[] = [KERNEL, UNWIND_TABLES];

/**
 * The main thread's side of the symbol worker. Questions go to it one at a time, each with a
 * deadline; when one costs the worker, a new worker takes the rest, and that file is not asked
 * about again. Every question gets an answer, if only the reason why there is none.
 */
export class FileReader implements AsyncDisposable {
  readonly #options: FileReaderOptions;
  /** In the order in which they are served. */
  readonly #lanes: Readonly<Record<LaneName, QuestionLane>>;
  readonly #refused = new Map<string, string>();
  #worker: Worker | undefined;
  #current: Question | undefined;
  #currentLane: QuestionLane;
  #deadline: CpuDeadline | undefined;
  #startTimer: NodeJS.Timeout | undefined;
  #restarts = 0;
  #stuckWorkers = 0;
  /** Of this machine: what every deadline is multiplied by. */
  #slowness = 1;
  /** The worker has begun, and takes questions. */
  #isReady = false;
  /** The worker has loaded what compiles tables. */
  #hasTableLoader = false;
  /** It is doing so, before the current question is sent. */
  #isPreparing = false;
  #hasEnded = false;

  constructor(options: FileReaderOptions) {
    this.#options = options;
    const { logger, offMs } = options;
    this.#lanes = {
      names: new QuestionLane({ name: "symbolization", logger, offMs, harmless: HARMLESS }),
      tables: new QuestionLane({ name: "unwinding by tables", logger, offMs, harmless: HARMLESS }),
    };
    this.#currentLane = this.#lanes.names;
  }

  get counters(): FileReaderCounters {
    return { restarts: this.#restarts, refusedFiles: this.#refused.size };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hasEnded = true;
    const worker = this.#worker;
    const current = this.#current;
    this.#worker = undefined;
    await this.#endWorker(worker, current);
    this.#settleCurrent(ENDED);
    for (const lane of this.#allLanes()) lane.answerAll(ENDED);
  }

  /**
   * Gives up questions that nobody wants any more. When it resolves, no worker works at one: what
   * they name, as a descriptor, may be closed.
   */
  async cancel(isConcerned: (request: WorkerRequest) => boolean): Promise<void> {
    for (const lane of this.#allLanes()) {
      lane.answerAll(CANCELLED, ({ request }) => isConcerned(request));
    }
    const current = this.#current;
    if (current === undefined || !isConcerned(current.request)) return;
    const waiting = new AbortController();
    const settled = current.settled.finally(() => waiting.abort());
    await Promise.race([settled, sleep(CANCEL_WAIT_MS, waiting.signal)]);
    if (this.#current === current) await this.#giveUpWorker(CANCELLED);
  }

  #allLanes(): QuestionLane[] {
    return [this.#lanes.names, this.#lanes.tables];
  }

  /** Asks about a file, which is opened for it and closed when nobody reads it any more. */
  async askAboutFile<Kind extends FileQuestion>(
    file: ExecutableFile,
    requestFor: (sent: SentFile) => WorkerRequest & { kind: Kind },
    { lane, subject = file.key, demand }: FileQuestionOptions = {},
  ): Promise<WorkerAnswers[Kind]> {
    const { key, buildId } = file;
    const refusal = this.#refusalOf(subject);
    if (refusal !== undefined) return refusal as WorkerAnswers[Kind];
    const source = file.open();
    if (isMissing(source)) return source as WorkerAnswers[Kind];
    const request = requestFor({ key, buildId, source: sendable(source) });
    const release = (): void => {
      if ("fd" in source) source[Symbol.dispose]();
    };
    return this.ask<Kind>(request, { key: subject, lane, release, demand });
  }

  /** Asks what is about no file, or about an open one; of `key` it is known when it cost a worker. */
  ask<Kind extends WorkerRequest["kind"]>(
    request: WorkerRequest & { kind: Kind },
    { key, lane: name = "names", release = () => {}, demand }: AskOptions,
  ): Promise<WorkerAnswers[Kind]> {
    const lane = this.#lanes[name];
    const hasStuckWorkers = this.#stuckWorkers >= STUCK_WORKERS_MAX;
    const refusal = this.#hasEnded
      ? ENDED
      : (this.#refusalOf(key) ?? lane.refusalOf(key, hasStuckWorkers));
    if (refusal !== undefined) {
      release();
      return Promise.resolve(refusal as WorkerAnswers[Kind]);
    }
    const { promise, resolve } = Promise.withResolvers<WorkerAnswer>();
    lane.push({ request, key, resolve, settled: promise, release, demand });
    this.#sendNext();
    return promise as Promise<WorkerAnswers[Kind]>;
  }

  /** What cost a worker once would cost the next one, too. */
  #refusalOf(key: string): Missing | undefined {
    const missing = this.#refused.get(key);
    return missing === undefined ? undefined : { missing, kind: "given_up" };
  }

  #nextQuestion(): Question | undefined {
    for (const lane of this.#allLanes()) {
      const next = lane.shift();
      if (next === undefined) continue;
      this.#currentLane = lane;
      return next;
    }
    return undefined;
  }

  #sendNext(): void {
    if (this.#current !== undefined) return;
    const next = this.#nextQuestion();
    if (next === undefined) {
      // Nothing is asked: the worker does not keep the program running.
      this.#worker?.unref();
      return;
    }
    this.#current = next;
    this.#worker ??= this.#startWorker();
    this.#worker.ref();
    if (this.#isReady) this.#sendCurrent();
    else this.#replaceUnlessReady();
  }

  /** The deadline begins here: a worker's start is not the file's fault. */
  #sendCurrent(): void {
    const current = this.#current;
    const worker = this.#worker;
    if (current === undefined || worker === undefined) return;
    clearTimeout(this.#startTimer);
    const { request } = current;
    // Nor is it that the worker has yet to load what compiles tables.
    this.#isPreparing = request.kind === "load-unwind-table" && !this.#hasTableLoader;
    const sent = this.#isPreparing ? loadTableLoader(request) : request;
    worker.postMessage(sent);
    const { deadlineMs = DEADLINE_MS, kernelDeadlineMs = KERNEL_DEADLINE_MS } = this.#options;
    const isHarmless = HARMLESS.includes(current.key);
    const limitMs = Math.round(this.#slowness * (isHarmless ? kernelDeadlineMs : deadlineMs));
    this.#deadline = new CpuDeadline(worker, limitMs, (reason) => this.#replaceWorker(reason));
  }

  #replaceUnlessReady(): void {
    clearTimeout(this.#startTimer);
    this.#startTimer = setTimeout(() => {
      if (!this.#isReady) this.#replaceWorker("the reader of symbols did not start");
    }, START_MS);
  }

  #endDeadlines(): void {
    clearTimeout(this.#startTimer);
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = undefined;
  }

  #startWorker(): Worker {
    const url = this.#options.workerUrl ?? moduleUrl(import.meta.url, "./worker");
    const worker = new Worker(WORKER_START, {
      eval: true,
      workerData: { url: url.href, cacheFolder: process.env["NODE_COMPILE_CACHE"] },
      resourceLimits: { maxOldGenerationSizeMb: this.#options.workerHeapMib ?? WORKER_HEAP_MIB },
      // Flags of the program itself mean nothing there.
      execArgv: [],
      env: {},
    });
    worker.on("message", (message: WorkerMessage) => {
      if (worker !== this.#worker) return;
      if (message === workerReady) {
        void this.#begin(worker);
        return;
      }
      if (this.#isPreparing) {
        this.#endDeadlines();
        this.#hasTableLoader = true;
        this.#sendCurrent();
        return;
      }
      this.#settleAnswered(message);
      // Whoever has the answer acts on it first: it may change what is to be sent.
      setImmediate(() => this.#sendNext());
    });
    worker.on("error", (error) => {
      if (worker === this.#worker) this.#replaceWorker(`cost the reader: ${messageOf(error)}`);
    });
    return worker;
  }

  async #begin(worker: Worker): Promise<void> {
    // One that has ended meanwhile has no times, and is not waited for.
    const used = await worker.cpuUsage().catch(() => undefined);
    if (used === undefined || worker !== this.#worker) return;
    const startMs = (used.user + used.system) / 1000;
    this.#slowness = Math.min(Math.max(startMs / START_CPU_MS, 1), SLOWNESS_MAX);
    this.#isReady = true;
    this.#sendCurrent();
  }

  #settleCurrent(answer: WorkerAnswer): Question | undefined {
    this.#endDeadlines();
    const current = this.#current;
    this.#current = undefined;
    current?.resolve(answer);
    return current;
  }

  #settleAnswered(answer: WorkerAnswer): void {
    const question = this.#settleCurrent(answer);
    if (question === undefined) return;
    question.release();
    this.#currentLane.prove(question.key);
  }

  /** The open question cost the worker: it is answered, and a new worker takes the next. */
  #replaceWorker(reason: string): void {
    const question = this.#current;
    this.#restarts++;
    // A worker that did not even begin says nothing about the file.
    const hasBegun = this.#isReady && !this.#isPreparing;
    if (question !== undefined && hasBegun) this.#refuse(question.key, reason);
    this.#options.logger.warn("symbols of a file are given up", {
      file: question?.key ?? "",
      reason,
    });
    this.#currentLane.noteRestart();
    void this.#giveUpWorker({ missing: reason, kind: "given_up" });
  }

  /** Ends the worker, answers its question, and has a new one take the next. */
  async #giveUpWorker(answer: Missing): Promise<void> {
    this.#endDeadlines();
    const worker = this.#worker;
    this.#worker = undefined;
    this.#isReady = this.#hasTableLoader = this.#isPreparing = false;
    await this.#endWorker(worker, this.#current);
    this.#settleCurrent(answer);
    this.#sendNext();
  }

  /**
   * Resolves when the worker has ended, or cannot be. What the question sent is released when it
   * has: a descriptor that is closed earlier could be another file's when the thread reads on.
   */
  async #endWorker(worker: Worker | undefined, question: Question | undefined): Promise<void> {
    this.#stuckWorkers++;
    const gone = Promise.resolve(worker?.terminate()).then(() => {
      this.#stuckWorkers--;
      question?.release();
    });
    const { promise: tooLong, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, TERMINATE_MS);
    await Promise.race([gone, tooLong]);
    clearTimeout(timer);
  }

  #refuse(key: string, reason: string): void {
    if (HARMLESS.includes(key)) return;
    if (this.#refused.size >= REFUSED_KEYS_MAX) {
      for (const oldest of this.#refused.keys()) {
        this.#refused.delete(oldest);
        break;
      }
    }
    this.#refused.set(key, reason);
  }
}

export type FileQuestion = "identify" | "symbolize" | "build-index" | "load-unwind-table";

interface FileQuestionOptions {
  readonly lane?: LaneName | undefined;
  /** What is refused from then on, should the question cost the worker; the file. */
  readonly subject?: string;
  readonly demand?: () => number;
}

interface AskOptions {
  readonly key: string;
  readonly lane?: LaneName | undefined;
  readonly release?: () => void;
  readonly demand?: (() => number) | undefined;
}

const CANCELLED: Missing = { missing: "nobody wants it any more", kind: "given_up" };
const ENDED: Missing = { missing: "symbolization has ended", kind: "given_up" };

/** Drops no tables, which loads the module that would. */
function loadTableLoader(request: WorkerRequest): WorkerRequest {
  const slots = request.kind === "load-unwind-table" ? request.target.slots : 0;
  return { kind: "drop-unwind-tables", slots, dropped: [] };
}

function sendable(source: FileSource): { fd: number } | { bytes: Uint8Array } {
  return "fd" in source ? { fd: source.fd } : { bytes: source.bytes };
}
