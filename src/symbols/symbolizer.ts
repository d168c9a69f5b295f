import { Worker } from "node:worker_threads";
import { systemClock } from "../support/clock.ts";
import { messageOf } from "../support/errors.ts";
import type { Logger } from "../support/logger.ts";
import { moduleUrl } from "../support/module-url.ts";
import {
  type ExecutableFile,
  type ExecutableInfo,
  type FileSource,
  isMissing,
  type Missing,
} from "./executable-file.ts";
import { type KernelFacts, KernelLayout } from "./kernel/layout.ts";
import {
  type FramesOfAddresses,
  needsSource,
  type SentFile,
  type WorkerAnswer,
  type WorkerAnswers,
  type WorkerRequest,
} from "./worker-protocol.ts";

/** What one file may take; the largest seen (a 1.5 GB browser) needs a second. */
const DEADLINE_MS = 5000;
/** The worker's heap: tables of symbols stand outside of it, in array buffers. */
const WORKER_HEAP_MIB = 512;
/** Workers that may be lost in a minute before it is taken for an attack. */
const RESTARTS_PER_MINUTE_MAX = 6;
/** Questions that wait. A caller asks once a file and window, so this is thousands of files. */
const QUEUE_MAX = 8192;
/** Files that are known to cost a worker. */
const REFUSED_KEYS_MAX = 4096;

export interface SymbolizerOptions {
  readonly logger: Logger;
  readonly deadlineMs?: number;
  readonly workerHeapMib?: number;
}

export interface SymbolizerCounters {
  /** Workers that were ended because a file took too long or too much. */
  readonly restarts: number;
  /** Files that are not read any more because of it. */
  readonly refusedFiles: number;
}

interface Question {
  readonly request: WorkerRequest;
  readonly key: string;
  readonly resolve: (answer: WorkerAnswer) => void;
}

/**
 * The main thread's side of the symbol worker. Questions go to it one at a time, each with a
 * deadline; when one costs the worker, a new worker takes the rest, and that file is not asked
 * about again. Every question gets an answer, if only the reason why there is none.
 */
export class Symbolizer implements AsyncDisposable {
  readonly #options: SymbolizerOptions;
  readonly #queue: Question[] = [];
  readonly #refused = new Map<string, string>();
  readonly #restartTimes: bigint[] = [];
  #worker: Worker | undefined;
  #current: Question | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #restarts = 0;
  #off: Missing | undefined;

  constructor(options: SymbolizerOptions) {
    this.#options = options;
  }

  get counters(): SymbolizerCounters {
    return { restarts: this.#restarts, refusedFiles: this.#refused.size };
  }

  /** Reads a file's identity and, to have its symbols while it is there, those too. */
  async identify(file: ExecutableFile, loadSymbols = false): Promise<ExecutableInfo | Missing> {
    return this.#askAboutFile(file, (sent) => ({ kind: "identify", file: sent, loadSymbols }));
  }

  /** Names addresses of a file, which are its own virtual addresses. */
  async symbolize(
    file: ExecutableFile,
    addresses: BigUint64Array,
    demangle: boolean,
  ): Promise<FramesOfAddresses | Missing> {
    return this.#askAboutFile(file, (sent) => ({
      kind: "symbolize",
      file: sent,
      addresses,
      demangle,
    }));
  }

  /** Reads where the running kernel lies. */
  async kernelLayout(): Promise<KernelLayout> {
    const facts = await this.#ask<"kernel-facts">({ kind: "kernel-facts" }, "kernel");
    return new KernelLayout({ ...HIDDEN_KERNEL, ...facts });
  }

  /** Names addresses of the running kernel. */
  async symbolizeKernel(addresses: BigUint64Array): Promise<FramesOfAddresses | Missing> {
    return this.#ask<"kernel-symbolize">({ kind: "kernel-symbolize", addresses }, "kernel");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#off = { missing: "symbolization has ended" };
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
    this.#settleCurrent(this.#off);
    for (const question of this.#queue.splice(0)) question.resolve(this.#off);
  }

  /** Asks with the file open only when the worker does not have what it needs of it. */
  async #askAboutFile<Kind extends "identify" | "symbolize">(
    file: ExecutableFile,
    requestFor: (sent: SentFile) => WorkerRequest & { kind: Kind },
  ): Promise<Exclude<WorkerAnswers[Kind], typeof needsSource>> {
    type Answer = Exclude<WorkerAnswers[Kind], typeof needsSource>;
    const { key, buildId } = file;
    const refusal = this.#refused.get(key);
    if (refusal !== undefined) return { missing: refusal } as Answer;
    const question = requestFor({ key, buildId });
    // An identity is asked for once; tables are mostly there already.
    const first = question.kind === "identify" ? needsSource : await this.#ask<Kind>(question, key);
    if (first !== needsSource) return first as Answer;
    const source = file.open();
    if (isMissing(source)) return source as Answer;
    try {
      const sent = { key, buildId, source: sendable(source) };
      const second = await this.#ask<Kind>(requestFor(sent), key);
      return second === needsSource ? ({ missing: "not read" } as Answer) : (second as Answer);
    } finally {
      if ("fd" in source) source[Symbol.dispose]();
    }
  }

  #ask<Kind extends WorkerRequest["kind"]>(
    request: WorkerRequest & { kind: Kind },
    key: string,
  ): Promise<WorkerAnswers[Kind]> {
    if (this.#off !== undefined) return Promise.resolve(this.#off as WorkerAnswers[Kind]);
    if (this.#queue.length >= QUEUE_MAX) {
      return Promise.resolve({ missing: "too many files at once" } as WorkerAnswers[Kind]);
    }
    return new Promise((resolve) => {
      this.#queue.push({ request, key, resolve: resolve as (answer: WorkerAnswer) => void });
      this.#sendNext();
    });
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
    this.#worker.postMessage(next.request);
    const deadlineMs = this.#options.deadlineMs ?? DEADLINE_MS;
    this.#deadline = setTimeout(
      () => this.#replaceWorker(`took over ${deadlineMs} ms`),
      deadlineMs,
    );
  }

  #startWorker(): Worker {
    const worker = new Worker(moduleUrl(import.meta.url, "./worker"), {
      resourceLimits: { maxOldGenerationSizeMb: this.#options.workerHeapMib ?? WORKER_HEAP_MIB },
      // Flags of the program itself mean nothing there.
      execArgv: [],
      env: {},
    });
    worker.on("message", (answer: WorkerAnswer) => {
      if (worker !== this.#worker) return;
      this.#settleCurrent(answer);
      this.#sendNext();
    });
    worker.on("error", (error) => {
      if (worker === this.#worker) this.#replaceWorker(`cost the reader: ${messageOf(error)}`);
    });
    return worker;
  }

  #settleCurrent(answer: WorkerAnswer): void {
    clearTimeout(this.#deadline);
    const current = this.#current;
    this.#current = undefined;
    current?.resolve(answer);
  }

  /** The open question cost the worker: it is answered, and a new worker takes the next. */
  #replaceWorker(reason: string): void {
    clearTimeout(this.#deadline);
    const worker = this.#worker;
    const question = this.#current;
    this.#worker = undefined;
    this.#restarts++;
    if (question !== undefined) this.#refuse(question.key, reason);
    this.#options.logger.warn("symbols of a file are given up", {
      file: question?.key ?? "",
      reason,
    });
    if (this.#restartsTooOften()) this.#turnOff();
    // Not before it is gone: its descriptor is closed when the question is answered.
    void Promise.resolve(worker?.terminate()).finally(() => {
      this.#settleCurrent({ missing: reason });
      this.#sendNext();
    });
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
    this.#off = { missing: "symbolization is off: too many files cost its worker" };
    this.#options.logger.error("symbolization is off: too many files cost its worker in a minute");
    for (const question of this.#queue.splice(0)) question.resolve(this.#off);
  }
}

/** What is known of a kernel of which nothing could be read. */
const HIDDEN_KERNEL: KernelFacts = { textStart: 0n, modules: [], buildId: "" };

function sendable(source: FileSource): { fd: number } | { bytes: Uint8Array } {
  return "fd" in source ? { fd: source.fd } : { bytes: source.bytes };
}
