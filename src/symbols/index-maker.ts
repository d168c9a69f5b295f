import { messageOf } from "../support/errors.ts";
import type { Logger } from "../support/logger.ts";
import { askWithDebugFiles } from "./debug-file-questions.ts";
import { type ExecutableFile, isMissing } from "./executable-file.ts";
import { FileReader, type FileReaderOptions } from "./file-reader.ts";
import type { DebugFileFinder } from "./native/opened-symbols.ts";
import type { IndexPlace } from "./worker-protocol.ts";

/** Files that are counted; beyond it the one counted first begins anew. */
const FILES_MAX = 4096;
/** A file whose debug information was read so often will be asked about again. */
const COSTLY_QUESTIONS = 3;
/** CPU time for one: 16 MB of .debug_info take some 3 s. */
const DEADLINE_MS = 30_000;

export interface IndexOptions {
  /** Of all that is kept on disk. */
  readonly folder: string;
  /** A file with more bytes of .debug_info, or of code, gets none; with 0 none is made. */
  readonly infoBytesMax: number;
}

interface CountedFile {
  /** Questions for which debug information was read. */
  costly: number;
  /** Indexes that were made of it. */
  made: number;
  /** An index is being made, or there can be none. */
  isOver: boolean;
}

/**
 * Has indexes made of files whose debug information is read again and again, one at a time and by
 * a thread of its own, which ends with it.
 */
export class IndexMaker implements AsyncDisposable {
  readonly #options: IndexOptions;
  readonly #readerOptions: FileReaderOptions;
  readonly #logger: Logger;
  readonly #files = new Map<string, CountedFile>();
  #making: Promise<void> | undefined;
  #reader: FileReader | undefined;

  constructor(options: IndexOptions, readerOptions: FileReaderOptions) {
    this.#options = options;
    this.#readerOptions = readerOptions;
    this.#logger = readerOptions.logger;
  }

  /** Where the worker finds the file's index, when there is one. */
  placeOf(file: ExecutableFile): IndexPlace {
    return { folder: this.#options.folder, made: this.#files.get(nameOf(file))?.made ?? 0 };
  }

  /** Debug information of a file was read, for want of an index. */
  noteCostly(file: ExecutableFile, finder: (() => Promise<DebugFileFinder>) | undefined): void {
    if (this.#options.infoBytesMax === 0) return;
    const counted = this.#countedOf(file);
    counted.costly++;
    if (counted.isOver || counted.costly < COSTLY_QUESTIONS || this.#making !== undefined) return;
    counted.isOver = true;
    this.#making = this.#make(file, counted, finder).finally(() => {
      this.#making = undefined;
    });
  }

  async #make(
    file: ExecutableFile,
    counted: CountedFile,
    finder: (() => Promise<DebugFileFinder>) | undefined,
  ): Promise<void> {
    const reader = new FileReader({ ...this.#readerOptions, deadlineMs: DEADLINE_MS });
    this.#reader = reader;
    try {
      const answer = await askWithDebugFiles<"build-index">(
        reader,
        file,
        (sent, debugFiles) => ({ kind: "build-index", file: sent, debugFiles, ...this.#options }),
        finder,
      );
      const { key } = file;
      if (isMissing(answer)) {
        this.#logger.debug("no index is made of a file", { file: key, reason: answer.missing });
        return;
      }
      counted.made++;
      this.#logger.debug("an index was made of a file", { file: key, bytes: answer.bytes });
    } catch (error) {
      this.#logger.debug("no index is made of a file", { reason: messageOf(error) });
    } finally {
      this.#reader = undefined;
      await reader[Symbol.asyncDispose]();
    }
  }

  #countedOf(file: ExecutableFile): CountedFile {
    const name = nameOf(file);
    const counted = this.#files.getOrInsertComputed(name, newCount);
    for (const oldest of this.#files.keys()) {
      if (this.#files.size <= FILES_MAX) break;
      this.#files.delete(oldest);
    }
    return counted;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader?.[Symbol.asyncDispose]();
    await this.#making;
  }
}

function newCount(): CountedFile {
  return { costly: 0, made: 0, isOver: false };
}

function nameOf({ key, buildId }: ExecutableFile): string {
  return `${buildId} ${key}`;
}
