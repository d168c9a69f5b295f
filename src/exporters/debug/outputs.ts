import { type FileHandle, open } from "node:fs/promises";
import type { Writable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileError } from "../../support/atomic-file.ts";
import { messageOf } from "../../support/errors.ts";
import type { Logger } from "../../support/logger.ts";

/** Where lines go in place of the log. */
export class Outputs {
  readonly #paths: readonly string[];
  readonly #logger: Logger;
  #files: FileHandle[] = [];
  readonly #streams = new Map<string, Writable>();
  /** Names of streams that nobody reads any more. */
  readonly #ended = new Set<string>();
  /** Writes one after the other: a file that is slow holds up its next batch. */
  #writing: Promise<void> = Promise.resolve();

  /** @param paths  `stdout`, `stderr` or paths of files, which are opened to append */
  constructor(paths: readonly string[], logger: Logger) {
    this.#paths = paths;
    this.#logger = logger;
  }

  /** @throws CollectorError  with the path that cannot be opened */
  async open(): Promise<void> {
    for (const path of this.#paths) {
      if (path === "stdout" || path === "stderr") this.#addStream(path);
      else this.#files.push(await openToAppend(path));
    }
  }

  /** Resolves when the text was handed over. A place that takes it no more is said, not thrown. */
  write(text: string): Promise<void> {
    this.#writing = this.#writing.then(() => this.#writeNow(text));
    return this.#writing;
  }

  async close(): Promise<void> {
    await this.#writing;
    for (const file of this.#files) await file.close();
    this.#files = [];
    // What the last write failed with is emitted after it.
    await nextTurn();
    for (const stream of this.#streams.values()) stream.off("error", ignore);
    this.#streams.clear();
  }

  /** An error that nobody listens to would end the program; each write tells its own. */
  #addStream(name: "stdout" | "stderr"): void {
    if (this.#streams.has(name)) return;
    const stream = process[name];
    stream.on("error", ignore);
    this.#streams.set(name, stream);
  }

  async #writeNow(text: string): Promise<void> {
    const writes = [
      ...this.#files.map((file) => file.appendFile(text)),
      ...Array.from(this.#streams, ([name, stream]) => this.#writeTo(name, stream, text)),
    ];
    for (const result of await Promise.allSettled(writes)) {
      if (result.status === "rejected") {
        this.#logger.warn("output not written", { reason: messageOf(result.reason) });
      }
    }
  }

  /** A reader that went away (`| head`) does not come back: it is said, and written to no more. */
  #writeTo(name: string, stream: Writable, text: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#ended.has(name)) return Promise.resolve();
    stream.write(text, (error) => {
      if (!error) resolve();
      else if ((error as NodeJS.ErrnoException).code !== "EPIPE") reject(error);
      else {
        this.#ended.add(name);
        this.#logger.warn("output ended: its reader went away", { output: name });
        resolve();
      }
    });
    return promise;
  }
}

function ignore(): void {}

async function openToAppend(path: string): Promise<FileHandle> {
  try {
    return await open(path, "a", 0o644);
  } catch (error) {
    throw fileError(path, error);
  }
}
