import { once } from "node:events";
import { createWriteStream, type WriteStream } from "node:fs";
import { systemClock } from "../../support/clock.ts";
import { CollectorError, messageOf } from "../../support/errors.ts";

/** Bytes of lines that wait for a slow terminal or disk; what comes then is counted, not kept. */
const PENDING_BYTES_MAX = 1024 * 1024;
/** How often a file that could not be written is opened again. */
const REOPEN_INTERVAL_NS = 1_000_000_000n;

/** One place that lines go to. */
interface LogSink {
  /** False when the line is lost. */
  write(line: string): boolean;
  close(): Promise<void>;
}

/** Where the log's lines go. Never throws: a log that cannot be written stops nothing. */
export class LogOutput {
  readonly #sinks: readonly LogSink[];
  #lost = 0;

  private constructor(sinks: readonly LogSink[]) {
    this.#sinks = sinks;
  }

  /** @throws CollectorError CONFIG_INVALID  a file cannot be opened */
  static async open(paths: readonly string[]): Promise<LogOutput> {
    const sinks: LogSink[] = [];
    for (const path of paths) {
      if (path === "stderr") sinks.push(standardSink(process.stderr));
      else if (path === "stdout") sinks.push(standardSink(process.stdout));
      else sinks.push(await FileSink.open(path));
    }
    return new LogOutput(sinks);
  }

  write(line: string): void {
    for (const sink of this.#sinks) if (!sink.write(line)) this.#lost++;
  }

  /** Lines that could not be written, as far as it is known yet. */
  get lost(): number {
    return this.#lost;
  }

  async close(): Promise<void> {
    await Promise.all(this.#sinks.map((sink) => sink.close()));
  }
}

function standardSink(stream: NodeJS.WriteStream): LogSink {
  let isBroken = false;
  // Who read it has gone away.
  stream.on("error", () => {
    isBroken = true;
  });
  return {
    write(line) {
      if (isBroken || stream.writableLength > PENDING_BYTES_MAX) return false;
      stream.write(line);
      return true;
    },
    async close() {},
  };
}

/** A file that is appended to; after a full disk it is opened again. */
class FileSink implements LogSink {
  readonly #path: string;
  #stream: WriteStream | undefined;
  #failedNs = 0n;

  private constructor(path: string, stream: WriteStream) {
    this.#path = path;
    this.#watch(stream);
  }

  static async open(path: string): Promise<FileSink> {
    const stream = appending(path);
    try {
      await once(stream, "open");
      return new FileSink(path, stream);
    } catch (error) {
      const reason = `the log cannot be written to ${path}: ${messageOf(error)}`;
      throw new CollectorError("CONFIG_INVALID", reason, { cause: error });
    }
  }

  write(line: string): boolean {
    if (this.#stream === undefined && !this.#reopen()) return false;
    const stream = this.#stream;
    if (stream === undefined || stream.writableLength > PENDING_BYTES_MAX) return false;
    stream.write(line);
    return true;
  }

  close(): Promise<void> {
    const stream = this.#stream;
    if (stream === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      stream.once("close", () => resolve());
      stream.end();
    });
  }

  #reopen(): boolean {
    if (systemClock.monotonicNanos() - this.#failedNs < REOPEN_INTERVAL_NS) return false;
    this.#watch(appending(this.#path));
    return true;
  }

  #watch(stream: WriteStream): void {
    this.#stream = stream;
    stream.on("error", () => {
      this.#failedNs = systemClock.monotonicNanos();
      if (this.#stream === stream) this.#stream = undefined;
    });
  }
}

function appending(path: string): WriteStream {
  return createWriteStream(path, { flags: "a", mode: 0o640 });
}
