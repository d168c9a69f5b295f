/**
 * Debug files from servers: debuginfod, or any store that keeps them by build id under a URL.
 * What is fetched is kept in the cache, and is given out from there only.
 */
import { createHash } from "node:crypto";
import { messageOf } from "../../support/errors.ts";
import { shownUrl } from "../../transport/endpoint.ts";
import { isBuildId } from "./build-id.ts";
import { missingFile } from "./candidates.ts";
import {
  buildIdOf,
  type DebugFileSource,
  type FoundDebugFile,
  kindOf,
  type LookedAt,
  type MissingDebugFile,
  type WantedDebugFile,
} from "./debug-file.ts";
import type { CacheKey, DownloadCache } from "./download-cache.ts";
import { pathInLayout } from "./layouts.ts";
import type { FetchOptions, RemoteCounts, RemoteServer, RemoteStore } from "./remote-server.ts";
import { Turns } from "./turns.ts";

/** Servers are asked one after the other; more would make each miss slow. */
export const SERVERS_MAX = 16;
/** More connections do not make a line faster. */
const RUNNING_MAX = 4;
/** A host that starts has some hundred files to ask about. */
const WAITING_MAX = 512;
/** A file that could not be fetched is not asked for again: a full disk would cost one a second. */
const FAILED_FOR_MS = 60_000;
/** As many files as the facade remembers. */
const FAILED_MAX = 2048;

export class RemoteStores implements DebugFileSource {
  readonly name = "debuginfod_urls";
  readonly #stores: readonly RemoteStore[];
  readonly #options: FetchOptions;
  readonly #cache: DownloadCache;
  /** The same, as soon as one is asked. */
  #servers: readonly RemoteServer[] | undefined;
  /** Of the URLs: what none of these has may be had elsewhere. */
  readonly #digest: string;
  readonly #turns = new Turns({ runningMax: RUNNING_MAX, waitingMax: WAITING_MAX });
  /** What failed lately, and until when it is believed. */
  readonly #failed = new Map<string, { missing: MissingDebugFile; untilMs: number }>();
  readonly #fetches = new Map<string, Promise<MissingDebugFile | undefined>>();
  readonly #stop = new AbortController();

  constructor(stores: readonly RemoteStore[], options: FetchOptions) {
    this.#stores = stores.slice(0, SERVERS_MAX);
    this.#options = options;
    this.#cache = options.cache;
    const known = this.#stores.map(({ url, layout }) => [url.href, layout]);
    this.#digest = createHash("sha256").update(JSON.stringify(known)).digest("hex");
  }

  /** The sum over all servers. */
  get counts(): Readonly<RemoteCounts> {
    const sum = { requests: 0, fetched: 0, bytes: 0, failed: 0 };
    for (const { counts } of this.#servers ?? []) {
      for (const name of ["requests", "fetched", "bytes", "failed"] as const) {
        sum[name] += counts[name];
      }
    }
    return sum;
  }

  /** Gives up what is being fetched; resolves when nothing of it is left. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#fetches.values());
  }

  /**
   * One fetch for each file: who asks meanwhile waits for the same. It goes on when `signal` ends
   * the wait.
   */
  async find(
    wanted: WantedDebugFile,
    signal?: AbortSignal,
  ): Promise<FoundDebugFile | MissingDebugFile> {
    const key = cacheKey(wanted);
    if (key === undefined || this.#stores.length === 0) return missingFile([]);
    const name = `${key.buildId}.${key.kind}`;
    const failed = this.#failed.get(name);
    if (failed !== undefined && this.#nowMs() < failed.untilMs) return failed.missing;
    let fetch = this.#fetches.get(name);
    if (fetch === undefined) {
      if (this.#turns.isFull) return this.#notNow("not asked: too many files are fetched");
      fetch = this.#fetchAndNote(name, key, wanted);
      this.#fetches.set(name, fetch);
    }
    const missing = await unlessAborted(fetch, signal);
    if (missing === "aborted") return this.#notNow("still being asked");
    if (missing !== undefined) return missing;
    const found = await this.#cache.find(this.name, key);
    return "missing" in found ? this.#notNow("what it gave is gone from the cache") : found;
  }

  /** Never rejects. */
  async #fetchAndNote(
    name: string,
    key: CacheKey,
    wanted: WantedDebugFile,
  ): Promise<MissingDebugFile | undefined> {
    let missing: MissingDebugFile | undefined;
    try {
      missing = await this.#fetchAnywhere(key, wanted);
    } catch (error) {
      missing = this.#notNow(`not asked: ${messageOf(error)}`);
    }
    this.#fetches.delete(name);
    this.#noteFailure(name, missing);
    return missing;
  }

  #noteFailure(name: string, missing: MissingDebugFile | undefined): void {
    this.#failed.delete(name);
    if (!missing?.isPassing) return;
    this.#failed.set(name, { missing, untilMs: this.#nowMs() + FAILED_FOR_MS });
    for (const oldest of this.#failed.keys()) {
      if (this.#failed.size <= FAILED_MAX) break;
      this.#failed.delete(oldest);
    }
  }

  #nowMs(): number {
    return Number(this.#options.clock.monotonicNanos()) / 1e6;
  }

  #notNow(why: string): MissingDebugFile {
    return missingFile(this.#eachBecause(why), { kind: "given_up", isPassing: true });
  }

  async #fromCache(key: CacheKey): Promise<FoundDebugFile | undefined> {
    const found = await this.#cache.find(this.name, key);
    return "missing" in found ? undefined : found;
  }

  #eachBecause(why: string): LookedAt[] {
    return this.#stores.map(({ url }) => ({ place: shownUrl(url), why }));
  }

  /** HTTP, TLS and decompression take their time to load, which most commands do not need. */
  async #start(): Promise<readonly RemoteServer[]> {
    const { RemoteServer } = await import("./remote-server.ts");
    this.#servers ??= this.#stores.map((store) => new RemoteServer(store, this.#options));
    return this.#servers;
  }

  /** Undefined when the file is in the cache. */
  async #fetchAnywhere(
    key: CacheKey,
    wanted: WantedDebugFile,
  ): Promise<MissingDebugFile | undefined> {
    const folder = this.#cache.folder();
    if ("missing" in folder) return this.#notNow(`not asked: ${folder.missing}`);
    // Another process, or a fetch that ended just now.
    using there = await this.#fromCache(key);
    if (there !== undefined) return undefined;
    if (await this.#cache.isKnownMissing(key, this.#digest)) {
      return missingFile(this.#eachBecause("did not have it a short while ago"));
    }
    const lookedAt: LookedAt[] = [];
    let isPassing = false;
    for (const server of await this.#start()) {
      const path = pathInLayout(server.layout, wanted);
      if (path === undefined) continue;
      const outcome = await this.#turns.run(() => server.fetch(path, key, this.#stop.signal));
      if (outcome === undefined) return undefined;
      lookedAt.push({ place: server.shown, why: outcome.why });
      isPassing ||= outcome.isPassing;
    }
    if (!isPassing && lookedAt.length > 0) await this.#cache.noteMissing(key, this.#digest);
    return missingFile(lookedAt, { kind: isPassing ? "given_up" : "no_file", isPassing });
  }
}

/** Files that were fetched before, also when no server is configured any more. */
export class FetchedFiles implements DebugFileSource {
  readonly name = "cache";
  readonly #cache: DownloadCache;

  constructor(cache: DownloadCache) {
    this.#cache = cache;
  }

  async find(wanted: WantedDebugFile): Promise<FoundDebugFile | MissingDebugFile> {
    const key = cacheKey(wanted);
    return key === undefined ? missingFile([]) : await this.#cache.find(this.name, key);
  }
}

/** dwz's files are debug information to a server. */
function cacheKey(wanted: WantedDebugFile): CacheKey | undefined {
  const kind = kindOf(wanted);
  const buildId = buildIdOf(wanted);
  if (kind === "package" || kind === "split" || !isBuildId(buildId)) return undefined;
  return { buildId, kind: kind === "executable" ? kind : "debuginfo" };
}

async function unlessAborted<Result>(
  promise: Promise<Result>,
  signal: AbortSignal | undefined,
): Promise<Result | "aborted"> {
  if (signal === undefined) return await promise;
  if (signal.aborted) return "aborted";
  const { promise: aborted, resolve } = Promise.withResolvers<"aborted">();
  const abort = (): void => resolve("aborted");
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
