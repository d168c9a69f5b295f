import type { Answer, Question, QuestionName, Questions } from "./protocol.ts";

/**
 * How long a search may take. A regular expression can run for years; then the worker is ended
 * and a new one opens the profile again.
 */
const SEARCH_MS_MAX = 5000;

/** The page's side of the worker that holds the profile. */
export class EngineClient {
  readonly #start: () => Worker;
  #worker: Worker;
  #opened: Questions["open"]["ask"] | undefined;
  #built: Questions["build"]["ask"] | undefined;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;

  /** @param start  makes a worker that runs engine-worker.ts */
  constructor(start: () => Worker) {
    this.#start = start;
    this.#worker = this.#listen(start());
  }

  /** Asks and waits. Rejects with an Error whose message is a sentence for the user. */
  async ask<Name extends QuestionName>(
    name: Name,
    ask: Questions[Name]["ask"],
  ): Promise<Questions[Name]["answer"]> {
    if (name === "open") this.#opened = ask as Questions["open"]["ask"];
    if (name === "build") this.#built = ask as Questions["build"]["ask"];
    const answer = this.#send(name, ask);
    return (await (name === "search" ? this.#withinTime(answer) : answer)) as never;
  }

  #send(name: QuestionName, ask: Question["ask"]): Promise<unknown> {
    const id = ++this.#lastId;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#worker.postMessage({ id, name, ask });
    return waiting.promise;
  }

  async #withinTime(answer: Promise<unknown>): Promise<unknown> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new Error("The search took too long and was ended; try a simpler pattern"));
      this.#restart();
    }, SEARCH_MS_MAX);
    try {
      return await Promise.race([answer, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  #restart(): void {
    this.#worker.terminate();
    for (const waiting of this.#waiting.values()) waiting.reject(new Error("was ended"));
    this.#waiting.clear();
    this.#worker = this.#listen(this.#start());
    for (const [name, ask] of [["open", this.#opened] as const, ["build", this.#built] as const]) {
      if (ask !== undefined) this.#send(name, ask).catch(() => undefined);
    }
  }

  #listen(worker: Worker): Worker {
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if (data.wrong === undefined) waiting?.resolve(data.answer);
      else waiting?.reject(new Error(data.wrong));
    };
    worker.onerror = ({ message }) => {
      for (const waiting of this.#waiting.values()) waiting.reject(new Error(message));
      this.#waiting.clear();
    };
    return worker;
  }
}
