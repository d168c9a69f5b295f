import { defaultCacheFolder } from "../../support/cache-folder.ts";
import { type Clock, systemClock } from "../../support/clock.ts";
import type { Logger } from "../../support/logger.ts";
import { PROGRAM_NAME, programVersion } from "../../support/program.ts";
import type { MissingKind } from "../executable-file.ts";
import { missingFile } from "./candidates.ts";
import { ClientCache } from "./client-cache.ts";
import {
  buildIdOf,
  type DebugFileKind,
  type DebugFileSource,
  type FoundDebugFile,
  kindOf,
  type LookedAt,
  type MissingDebugFile,
  type WantedDebugFile,
} from "./debug-file.ts";
import { DownloadCache } from "./download-cache.ts";
import { DebugDirectories } from "./folder-store.ts";
import { AltLinks, DebugLinks, SplitFiles } from "./linked-files.ts";
import { OpenedFile, openRegularFile } from "./opened-file.ts";
import { type DebugFilesOptions, readHeadersFile, storesOf, withDefaults } from "./options.ts";
import { FetchedFiles, RemoteStores } from "./remote-stores.ts";

/** Files that are known to be somewhere or nowhere; beyond it the one asked first is forgotten. */
export const ANSWERS_MAX = 2048;
/** elfutils' client looks once a day for what is too old. */
const CLEAN_INTERVAL_MS = 86_400_000;
/** Timers have 31 bits; one of more would ring at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** Looks for one file while others look for the same: it came, was removed, and came again. */
const LOOKS_MAX = 4;

export interface DebugFilesContext {
  readonly logger?: Logger | undefined;
  readonly clock?: Clock | undefined;
  /** Where the cache is found when no option says so; that of the process when not given. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Requests to servers are said in the log. */
  readonly showsProgress?: boolean | undefined;
}

export interface FindOptions {
  /** Ends the wait; what is being fetched goes on, so that a later look finds it. */
  readonly signal?: AbortSignal | undefined;
}

/** What was done since the start. */
export interface DebugFilesCounts {
  /** Lookups that gave a file, by the source that had it. */
  readonly found: ReadonlyMap<string, number>;
  readonly missing: number;
  /** Lookups that were answered by an earlier one. */
  readonly repeated: number;
  readonly requests: number;
  readonly fetched: number;
  readonly fetchedBytes: number;
  readonly failedRequests: number;
}

type Answer =
  | { readonly path: string; readonly root: string | undefined; readonly found: FoundDebugFile }
  | { readonly missing: MissingDebugFile; readonly untilMs: number };

/**
 * Finds the files that have the debug information of others. Sources are tried from the nearest
 * to the farthest: debug directories by build id, links, split DWARF, configured stores, what
 * was fetched before, servers. What is given out is an ELF file that has the wanted build id, or
 * the CRC of the link where it has none; only .dwp and .dwo files have neither.
 *
 * Looks at disks and servers beside the main thread; a disk that does not answer makes its
 * lookups wait, so callers that cannot give a signal.
 */
export class DebugFiles implements AsyncDisposable {
  readonly #sources: readonly DebugFileSource[];
  readonly #remote: RemoteStores;
  readonly #cache: DownloadCache;
  readonly #clock: Clock;
  readonly #missingMs: number;
  readonly #answers = new Map<string, Answer>();
  readonly #looks = new Map<string, Promise<unknown>>();
  readonly #found = new Map<string, number>();
  #missing = 0;
  #repeated = 0;
  #hasEnded = false;

  /** @throws CollectorError CONFIG_INVALID  a URL or template that is none */
  constructor(options: DebugFilesOptions = {}, context: DebugFilesContext = {}) {
    const { clock = systemClock, logger, env = process.env, showsProgress = false } = context;
    const filled = withDefaults(options);
    const { debug_dirs: debugDirs } = filled;
    const stores = storesOf(filled);
    this.#clock = clock;
    this.#missingMs = filled.missing_for;
    this.#cache = new DownloadCache({
      folder: filled.cache_dir ?? defaultCacheFolder(env, process.geteuid?.() ?? 0),
      bytesMax: filled.cache_size_max,
      unusedMsMax: filled.cache_unused_max,
      cleanIntervalMs: CLEAN_INTERVAL_MS,
      missMs: filled.missing_for,
      clock,
    });
    this.#remote = new RemoteStores(stores.remote, {
      cache: this.#cache,
      headers: headersReader(filled.debuginfod_headers_file),
      timeoutMs: Math.min(filled.debuginfod_timeout, TIMER_MS_MAX),
      timeMsMax: Math.min(filled.debuginfod_maxtime, TIMER_MS_MAX),
      // What the cache cannot hold need not be fetched.
      bytesMax: Math.min(filled.debuginfod_maxsize, filled.cache_size_max),
      retriesMax: filled.debuginfod_retry_limit,
      clock,
      logger,
      showsProgress,
    });
    this.#sources = [
      new DebugDirectories(debugDirs),
      new DebugLinks(debugDirs),
      new AltLinks(debugDirs),
      new SplitFiles(debugDirs),
      ...stores.folders,
      new FetchedFiles(this.#cache),
      new ClientCache(filled.debuginfod_cache_path),
      this.#remote,
    ];
  }

  get counts(): DebugFilesCounts {
    const { requests, fetched, bytes, failed } = this.#remote.counts;
    return {
      found: this.#found,
      missing: this.#missing,
      repeated: this.#repeated,
      requests,
      fetched,
      fetchedBytes: bytes,
      failedRequests: failed,
    };
  }

  /** Gives up what is being fetched, and leaves nothing half of it behind. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#hasEnded = true;
    await this.#remote.stop();
  }

  /**
   * The open file, which the caller disposes of, or why there is none, with every place that was
   * looked at. Never rejects.
   */
  async find(
    wanted: WantedDebugFile,
    { signal }: FindOptions = {},
  ): Promise<FoundDebugFile | MissingDebugFile> {
    const asked = this.#withoutOwnPath(wanted);
    const key = keyOf(asked);
    for (let looks = 0; looks < LOOKS_MAX && !this.#hasEnded; looks++) {
      const known = await this.#known(key);
      if (known !== undefined) {
        this.#repeated++;
        return known;
      }
      const look = this.#looks.get(key);
      if (look === undefined) return await this.#lookOnce(key, asked, signal);
      await look;
    }
    const why = this.#hasEnded ? "the search has ended" : "it comes and goes";
    const none = missingFile([], { kind: "given_up", isPassing: true });
    return { ...none, missing: `${subjectOf(asked)}: ${why}` };
  }

  /** A file of the cache has no neighbours: paths in its links would lead wherever its maker likes. */
  #withoutOwnPath(wanted: WantedDebugFile): WantedDebugFile {
    const { path } = wanted;
    if (path === undefined || wanted.root !== undefined || !this.#cache.has(path)) return wanted;
    return { ...wanted, path: undefined };
  }

  async #known(key: string): Promise<FoundDebugFile | MissingDebugFile | undefined> {
    const answer = this.#answers.get(key);
    if (answer === undefined) return undefined;
    if ("missing" in answer) {
      if (this.#nowMs() < answer.untilMs) return answer.missing;
    } else {
      const file = await openRegularFile(answer.path, answer.root);
      if (file instanceof OpenedFile) {
        if (file.identity === answer.found.identity) return reopened(answer.found, file);
        file[Symbol.dispose]();
      }
    }
    this.#answers.delete(key);
    return undefined;
  }

  async #lookOnce(
    key: string,
    wanted: WantedDebugFile,
    signal: AbortSignal | undefined,
  ): Promise<FoundDebugFile | MissingDebugFile> {
    void this.#cache.clean();
    const look = this.#look(wanted, signal);
    this.#looks.set(key, look);
    try {
      const result = await look;
      this.#remember(key, result);
      return result;
    } finally {
      this.#looks.delete(key);
    }
  }

  async #look(
    wanted: WantedDebugFile,
    signal: AbortSignal | undefined,
  ): Promise<FoundDebugFile | MissingDebugFile> {
    const lookedAt: LookedAt[] = [];
    let isPassing = false;
    let kind: MissingKind = "no_file";
    for (const source of this.#sources) {
      const result = await source.find(wanted, signal);
      if (!("missing" in result)) return result;
      lookedAt.push(...result.lookedAt);
      isPassing ||= result.isPassing;
      if (result.kind === "other_build" || kind === "no_file") kind = result.kind ?? kind;
    }
    const { missing } = missingFile(lookedAt);
    return {
      ...missingFile(lookedAt, { kind, isPassing }),
      missing: `${subjectOf(wanted)}: ${missing === "" ? NO_PLACE : `looked in ${missing}`}`,
    };
  }

  #remember(key: string, result: FoundDebugFile | MissingDebugFile): void {
    if ("missing" in result) {
      this.#missing++;
      if (result.isPassing) return;
      const untilMs = this.#nowMs() + this.#missingMs;
      this.#answers.set(key, { missing: result, untilMs });
    } else {
      this.#found.set(result.source, (this.#found.get(result.source) ?? 0) + 1);
      this.#answers.set(key, { path: result.path, root: result.root, found: result });
    }
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= ANSWERS_MAX) break;
      this.#answers.delete(oldest);
    }
  }

  #nowMs(): number {
    return Number(this.#clock.monotonicNanos()) / 1e6;
  }
}

const NO_PLACE = "no place is known that may have it";

const subjects: Readonly<Record<DebugFileKind, string>> = {
  debuginfo: "no debug file",
  executable: "no executable",
  supplementary: "no supplementary debug file",
  package: "no .dwp file",
  split: "no .dwo file",
};

function subjectOf(wanted: WantedDebugFile): string {
  const kind = kindOf(wanted);
  const buildId = buildIdOf(wanted);
  if (kind === "split") return `${subjects.split} ${wanted.split?.name ?? ""}`;
  if (kind === "package") return `${subjects.package} for ${wanted.path ?? "it"}`;
  if (buildId !== "") return `${subjects[kind]} for build id ${buildId}`;
  return `${subjects[kind]} for ${wanted.path ?? "it"}, which has no build id`;
}

/** What a lookup depends on: a process must not choose what others get. */
function keyOf(wanted: WantedDebugFile): string {
  const { path, root, debugLink, altLink, split } = wanted;
  return JSON.stringify([
    kindOf(wanted),
    buildIdOf(wanted),
    path,
    root,
    debugLink && [debugLink.name, debugLink.crc],
    altLink?.name,
    split && [split.name, split.compDir],
  ]);
}

function reopened(found: FoundDebugFile, file: OpenedFile): FoundDebugFile {
  return {
    ...found,
    fd: file.fd,
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

/** Read once, when it is needed first; one that could not be read is tried again. */
function headersReader(path: string | undefined): () => Promise<Record<string, string>> {
  let read: Promise<Record<string, string>> | undefined;
  return async () => {
    const own = {
      "user-agent": `${PROGRAM_NAME}/${programVersion()}`,
      "accept-encoding": "zstd, gzip",
    };
    if (path === undefined || path === "") return own;
    read ??= readHeadersFile(path);
    try {
      return { ...own, ...(await read) };
    } catch (error) {
      read = undefined;
      throw error;
    }
  };
}
