import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { CollectorError, messageOf } from "../../support/errors.ts";

/** Lines that wait for a slow terminal or disk, in bytes; what comes then is counted, not kept. */
const PENDING_BYTES_MAX = 1024 * 1024;

/** Where the log's lines go. Never throws: a log that cannot be written stops nothing. */
export class LogOutput {
  readonly #streams: readonly NodeJS.WritableStream[];
  readonly #files: readonly WriteStream[];
  #lost = 0;

  private constructor(streams: readonly NodeJS.WritableStream[], files: readonly WriteStream[]) {
    this.#streams = streams;
    this.#files = files;
    for (const stream of streams) stream.on("error", () => this.#lost++);
  }

  /** @throws CollectorError CONFIG_INVALID  a file cannot be opened */
  static async open(paths: readonly string[]): Promise<LogOutput> {
    const files: WriteStream[] = [];
    const streams: NodeJS.WritableStream[] = [];
    for (const path of paths) {
      const standard = { stderr: process.stderr, stdout: process.stdout }[path];
      if (standard !== undefined) streams.push(standard);
      else files.push(await openFile(path));
    }
    return new LogOutput([...streams, ...files], files);
  }

  write(line: string): void {
    for (const stream of this.#streams) {
      const pending = "writableLength" in stream ? Number(stream.writableLength) : 0;
      if (pending > PENDING_BYTES_MAX) this.#lost++;
      else stream.write(line);
    }
  }

  /** Lines that could not be written. */
  get lost(): number {
    return this.#lost;
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#files.map((file) => new Promise<void>((resolve) => file.end(() => resolve()))),
    );
  }
}

async function openFile(path: string): Promise<WriteStream> {
  const stream = createWriteStream(path, { flags: "a", mode: 0o640 });
  try {
    await once(stream, "open");
    return stream;
  } catch (error) {
    const reason = `the log cannot be written to ${path}: ${messageOf(error)}`;
    throw new CollectorError("CONFIG_INVALID", reason, { cause: error });
  }
}
