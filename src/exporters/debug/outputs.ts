import { type FileHandle, open } from "node:fs/promises";
import type { Writable } from "node:stream";
import { fileError } from "../../support/atomic-file.ts";
import { messageOf } from "../../support/errors.ts";
import type { Logger } from "../../support/logger.ts";

/** Where lines go in place of the log. */
export class Outputs {
  readonly #paths: readonly string[];
  readonly #logger: Logger;
  #files: FileHandle[] = [];
  #streams: Writable[] = [];
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
      if (path === "stdout") this.#streams.push(process.stdout);
      else if (path === "stderr") this.#streams.push(process.stderr);
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
    this.#streams = [];
  }

  async #writeNow(text: string): Promise<void> {
    const writes = [
      ...this.#files.map((file) => file.appendFile(text)),
      ...this.#streams.map((stream) => writeTo(stream, text)),
    ];
    for (const result of await Promise.allSettled(writes)) {
      if (result.status === "rejected") {
        this.#logger.warn("output not written", { reason: messageOf(result.reason) });
      }
    }
  }
}

async function openToAppend(path: string): Promise<FileHandle> {
  try {
    return await open(path, "a", 0o644);
  } catch (error) {
    throw fileError(path, error);
  }
}

/** A reader that went away (`| head`) is no error. */
function writeTo(stream: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => {
      if (!error || (error as NodeJS.ErrnoException).code === "EPIPE") resolve();
      else reject(error);
    });
  });
}
