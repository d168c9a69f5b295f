import { Worker } from "node:worker_threads";
import { systemClock } from "../support/clock.ts";
import { messageOf } from "../support/errors.ts";
import type { Logger } from "../support/logger.ts";
import { moduleUrl } from "../support/module-url.ts";
import { CpuDeadline } from "./cpu-deadline.ts";
import {
  type ExecutableFile,
  type ExecutableInfo,
  type FileSource,
  isMissing,
  type Missing,
  type SymbolFrame,
} from "./executable-file.ts";
import { FrameCache } from "./frame-cache.ts";
import { type KernelFacts, KernelLayout } from "./kernel/layout.ts";
import { filled, type NamedAddresses } from "./named-addresses.ts";
import {
  type LoadedTable,
  type SentFile,
  type TableTarget,
  type TooLarge,
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
/** A worker that has not begun by then never will; the busiest machine needs a second. */
const START_MS = 30_000;
/** A thread in a read that does not return (a dead file server) cannot be ended: nobody waits. */
const TERMINATE_MS = 1000;
/** The worker's heap: what is found in the largest file needs a tenth of it. */
const WORKER_HEAP_MIB = 512;
/** Addresses of the kernel whose frames are kept. */
const KERNEL_FRAMES_MAX = 65_536;
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
/** Workers that may be lost in a minute before it is taken for an attack. */
const RESTARTS_PER_MINUTE_MAX = 3;
/** How long nothing is read after that. */
const OFF_MS = 5 * 60_000;
/** Threads that could not be ended; each holds its memory until the read returns. */
const STUCK_WORKERS_MAX = 4;
/** Questions that wait. A caller asks once a file and window, so this is thousands of files. */
const QUEUE_MAX = 8192;
/** Questions that are known to be harmless. */
const PROVEN_KEYS_MAX = 16_384;
/** Files that are known to cost a worker. */
const REFUSED_KEYS_MAX = 4096;

export interface SymbolizerOptions {
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

export interface SymbolizerCounters {
  /** Workers that were ended because a file took too long or too much. */
  readonly restarts: number;
  /** Files that are not read any more because of it. */
  readonly refusedFiles: number;
}

type FileQuestion = "identify" | "symbolize" | "load-unwind-table";

interface Question {
  readonly request: WorkerRequest;
  readonly key: string;
  readonly resolve: (answer: WorkerAnswer) => void;
  /** Called when no worker can use any more what was sent. */
  readonly release: () => void;
}

/**
 * The main thread's side of the symbol worker. Questions go to it one at a time, each with a
 * deadline; when one costs the worker, a new worker takes the rest, and that file is not asked
 * about again. Every question gets an answer, if only the reason why there is none.
 */
export class Symbolizer implements AsyncDisposable {
  readonly #options: SymbolizerOptions;
  readonly #queue: Question[] = [];
  readonly #frames = new FrameCache();
  readonly #kernelFrames = new Map<bigint, readonly SymbolFrame[]>();
  readonly #refused = new Map<string, string>();
  /** What was answered before: it does no harm while others do. */
  readonly #proven = new Set<string>([KERNEL, UNWIND_TABLES]);
  readonly #restartTimes: bigint[] = [];
  #worker: Worker | undefined;
  #current: Question | undefined;
  #deadline: CpuDeadline | undefined;
  #startTimer: NodeJS.Timeout | undefined;
  #restarts = 0;
  #stuckWorkers = 0;
  /** The worker has begun, and takes questions. */
  #isReady = false;
  /** Monotonic; undefined while symbolization is on. */
  #offUntilNs: bigint | undefined;
  #hasEnded = false;

  constructor(options: SymbolizerOptions) {
    this.#options = options;
  }

  get counters(): SymbolizerCounters {
    return { restarts: this.#restarts, refusedFiles: this.#refused.size };
  }

  /** Reads a file's identity. */
  identify(file: ExecutableFile): Promise<ExecutableInfo | Missing> {
    return this.#askAboutFile(file, (sent) => ({ kind: "identify", file: sent }));
  }

  /**
   * Names addresses of a file, which are its own virtual addresses. The file is opened only for
   * what was not found before.
   *
   * @returns for each address its frames, innermost first, or why they are not known
   */
  async symbolize(
    file: ExecutableFile,
    addresses: BigUint64Array,
    demangle: boolean,
  ): Promise<NamedAddresses> {
    const cacheKey = cacheKeyOf(file, demangle);
    const known = this.#frames.find(cacheKey, addresses);
    const asked = addresses.filter((_, index) => known[index] === undefined);
    if (asked.length === 0) return known as NamedAddresses;
    const found = await this.#askAboutFile(file, (sent) => ({
      kind: "symbolize",
      file: sent,
      addresses: asked,
      demangle,
    }));
    if (isMissing(found)) return filled(known, found);
    this.#frames.keep(cacheKey, found);
    return filled(known, found.frames);
  }

  /** Compiles a file's unwind table and puts it into the kernel. */
  loadUnwindTable(
    file: ExecutableFile,
    target: TableTarget,
  ): Promise<LoadedTable | TooLarge | Missing> {
    const name = `unwind table of ${file.key}`;
    return this.#askAboutFile(
      file,
      (sent) => ({ kind: "load-unwind-table", file: sent, target }),
      name,
    );
  }

  /** Takes tables out of the kernel. When it resolves, no program reads them any more. */
  async dropUnwindTables(slots: number, dropped: readonly number[]): Promise<void> {
    const question = { kind: "drop-unwind-tables", slots, dropped } as const;
    await this.#ask<"drop-unwind-tables">(question, UNWIND_TABLES);
  }

  /** Lets go of the names that were found in a file. */
  forget(file: ExecutableFile): void {
    for (const demangle of [true, false]) this.#frames.forget(cacheKeyOf(file, demangle));
  }

  /** Reads where the running kernel lies. */
  async kernelLayout(): Promise<KernelLayout> {
    const facts = await this.#ask<"kernel-facts">({ kind: "kernel-facts" }, KERNEL);
    this.#kernelFrames.clear();
    return new KernelLayout({ ...HIDDEN_KERNEL, ...facts });
  }

  /** Names addresses of the running kernel. */
  async symbolizeKernel(addresses: BigUint64Array): Promise<NamedAddresses> {
    const known = Array.from(addresses, (address) => this.#kernelFrames.get(address));
    const asked = addresses.filter((_, index) => known[index] === undefined);
    const question = { kind: "kernel-symbolize", addresses: asked } as const;
    const found = asked.length === 0 ? [] : await this.#ask<"kernel-symbolize">(question, KERNEL);
    if (this.#kernelFrames.size + asked.length > KERNEL_FRAMES_MAX) this.#kernelFrames.clear();
    if (!isMissing(found)) {
      for (const [index, address] of asked.entries()) {
        this.#kernelFrames.set(address, found[index] ?? []);
      }
    }
    return filled(known, found);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hasEnded = true;
    const worker = this.#worker;
    const current = this.#current;
    this.#worker = undefined;
    await this.#endWorker(worker, current);
    this.#settleCurrent(ENDED);
    this.#answerQueue(ENDED);
  }

  async #askAboutFile<Kind extends FileQuestion>(
    file: ExecutableFile,
    requestFor: (sent: SentFile) => WorkerRequest & { kind: Kind },
    subject = file.key,
  ): Promise<WorkerAnswers[Kind]> {
    const { key, buildId } = file;
    const refusal = this.#refused.get(subject);
    if (refusal !== undefined) {
      return { missing: refusal, kind: "given_up" } as WorkerAnswers[Kind];
    }
    const source = file.open();
    if (isMissing(source)) return source as WorkerAnswers[Kind];
    const request = requestFor({ key, buildId, source: sendable(source) });
    return this.#ask<Kind>(request, subject, () => {
      if ("fd" in source) source[Symbol.dispose]();
    });
  }

  #ask<Kind extends WorkerRequest["kind"]>(
    request: WorkerRequest & { kind: Kind },
    key: string,
    release: () => void = () => {},
  ): Promise<WorkerAnswers[Kind]> {
    const refusal = this.#refusalOfAll(key);
    if (refusal !== undefined) {
      release();
      return Promise.resolve(refusal as WorkerAnswers[Kind]);
    }
    return new Promise((resolve) => {
      const settle = resolve as (answer: WorkerAnswer) => void;
      this.#queue.push({ request, key, resolve: settle, release });
      this.#sendNext();
    });
  }

  /** Why the question is not taken now; undefined when it is. */
  #refusalOfAll(key: string): Missing | undefined {
    if (this.#hasEnded) return ENDED;
    if (this.#isOff() && !this.#proven.has(key)) return OFF;
    return this.#queue.length >= QUEUE_MAX ? TOO_MANY : undefined;
  }

  #sendNext(): void {
    if (this.#current !== undefined) return;
    const next = this.#queue.shift();
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
    worker.postMessage(current.request);
    const { deadlineMs = DEADLINE_MS, kernelDeadlineMs = KERNEL_DEADLINE_MS } = this.#options;
    const limitMs = "file" in current.request ? deadlineMs : kernelDeadlineMs;
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
        this.#isReady = true;
        this.#sendCurrent();
        return;
      }
      this.#settleAnswered(message);
      this.#sendNext();
    });
    worker.on("error", (error) => {
      if (worker === this.#worker) this.#replaceWorker(`cost the reader: ${messageOf(error)}`);
    });
    return worker;
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
    this.#proven.add(question.key);
    for (const oldest of this.#proven) {
      if (this.#proven.size <= PROVEN_KEYS_MAX) break;
      this.#proven.delete(oldest);
    }
  }

  #answerQueue(answer: Missing, isConcerned = (_: Question): boolean => true): void {
    const concerned = this.#queue.filter(isConcerned);
    const others = this.#queue.filter((question) => !concerned.includes(question));
    this.#queue.splice(0, this.#queue.length, ...others);
    for (const question of concerned) {
      question.resolve(answer);
      question.release();
    }
  }

  /** The open question cost the worker: it is answered, and a new worker takes the next. */
  #replaceWorker(reason: string): void {
    this.#endDeadlines();
    const worker = this.#worker;
    const question = this.#current;
    this.#worker = undefined;
    this.#restarts++;
    // A worker that did not even begin says nothing about the file.
    if (question !== undefined && this.#isReady) this.#refuse(question.key, reason);
    this.#isReady = false;
    this.#options.logger.warn("symbols of a file are given up", {
      file: question?.key ?? "",
      reason,
    });
    if (this.#restartsTooOften()) this.#turnOff();
    void this.#endWorker(worker, question).finally(() => {
      this.#settleCurrent({ missing: reason, kind: "given_up" });
      this.#sendNext();
    });
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
    if (this.#refused.size >= REFUSED_KEYS_MAX) {
      for (const oldest of this.#refused.keys()) {
        this.#refused.delete(oldest);
        break;
      }
    }
    this.#refused.set(key, reason);
  }

  #restartsTooOften(): boolean {
    const nowNs = systemClock.monotonicNanos();
    this.#restartTimes.push(nowNs);
    while (nowNs - (this.#restartTimes[0] ?? nowNs) > 60_000_000_000n) this.#restartTimes.shift();
    return this.#restartTimes.length > RESTARTS_PER_MINUTE_MAX;
  }

  #turnOff(): void {
    const offMs = this.#options.offMs ?? OFF_MS;
    this.#offUntilNs = systemClock.monotonicNanos() + BigInt(offMs) * 1_000_000n;
    this.#restartTimes.length = 0;
    this.#options.logger.error(`symbolization of new files is off for ${offMs / 1000} s`, {
      reason: `over ${RESTARTS_PER_MINUTE_MAX} files cost its worker in a minute`,
    });
    this.#answerQueue(OFF, ({ key }) => !this.#proven.has(key));
  }

  #isOff(): boolean {
    if (this.#offUntilNs === undefined) return false;
    const isOver = systemClock.monotonicNanos() >= this.#offUntilNs;
    if (!isOver || this.#stuckWorkers >= STUCK_WORKERS_MAX) return true;
    this.#offUntilNs = undefined;
    this.#options.logger.info("symbolization is tried again");
    return false;
  }
}

const ENDED: Missing = { missing: "symbolization has ended", kind: "given_up" };
const TOO_MANY: Missing = { missing: "too many files at once", kind: "given_up" };
const OFF: Missing = {
  missing: "symbolization of new files is off: too many cost its worker",
  kind: "given_up",
};

/** Questions that are about no file. */
const KERNEL = "the kernel";
const UNWIND_TABLES = "unwind tables in the kernel";

/** What is known of a kernel of which nothing could be read. */
const HIDDEN_KERNEL: KernelFacts = { textStart: 0n, modules: [], buildId: "" };

function cacheKeyOf({ buildId, key }: ExecutableFile, demangle: boolean): string {
  return `${demangle} ${buildId} ${key}`;
}

function sendable(source: FileSource): { fd: number } | { bytes: Uint8Array } {
  return "fd" in source ? { fd: source.fd } : { bytes: source.bytes };
}
