import { checked } from "../../config/check.ts";
import { type Clock, sleep } from "../../support/clock.ts";
import { messageOf } from "../../support/errors.ts";
import type { Logger } from "../../support/logger.ts";
import { belowEndpoint, shownUrl } from "../../transport/endpoint.ts";
import { isRetryableStatus } from "../../transport/retryable.ts";
import { type ClientTls, clientTlsConfig, loadClientTls } from "../../transport/tls.ts";
import { CircuitBreaker, FAILURES_MAX } from "./breaker.ts";
import type { CacheKey, DownloadCache } from "./download-cache.ts";
import { fileInBody, type GetAnswer, httpGet, TransferError } from "./http-get.ts";
import type { Layout } from "./layouts.ts";

/** The first wait before a request is sent again; the next is twice as long. */
const RETRY_WAIT_MS = 200;
/** The user says how many; ten double the wait to 200 s. */
const RETRIES_MAX = 10;

/** Where a server keeps which file. */
export interface RemoteStore {
  readonly url: URL;
  readonly layout: Layout;
}

export interface FetchOptions {
  readonly cache: DownloadCache;
  /** Asked for when a request is sent. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
  /** Within each of these, 100 KiB must come; 0 is no limit. */
  readonly timeoutMs: number;
  /** For one file, all retries included; 0 is no limit. */
  readonly timeMsMax: number;
  readonly bytesMax: number;
  readonly retriesMax: number;
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
  /** Fetches are said in the log as they begin and end. */
  readonly showsProgress: boolean;
}

/** What was done since the start. */
export interface RemoteCounts {
  requests: number;
  fetched: number;
  bytes: number;
  failed: number;
}

/** Why a server did not give a file. */
export interface NotFetched {
  /** Ends a sentence that begins with its URL. */
  readonly why: string;
  /** It may have it at another time. */
  readonly isPassing: boolean;
  /** It is the server's fault, and counts against it. */
  readonly isFailure?: boolean;
  readonly mayRetry?: boolean;
}

/** One server, with what is known of its state. */
export class RemoteServer {
  readonly layout: Layout;
  /** The URL as it may stand in a log. */
  readonly shown: string;
  readonly counts: RemoteCounts = { requests: 0, fetched: 0, bytes: 0, failed: 0 };
  readonly #url: URL;
  readonly #options: FetchOptions;
  readonly #breaker: CircuitBreaker;

  constructor({ url, layout }: RemoteStore, options: FetchOptions) {
    this.layout = layout;
    this.shown = shownUrl(url);
    this.#url = url;
    this.#options = options;
    this.#breaker = new CircuitBreaker(options.clock);
  }

  /** Gets a file into the cache; undefined when it is there. Never rejects. */
  async fetch(path: string, key: CacheKey, stop: AbortSignal): Promise<NotFetched | undefined> {
    if (this.#breaker.isOpen) {
      const why = `not asked for ${this.#breaker.pauseSeconds} s, after ${FAILURES_MAX} failures`;
      return { why, isPassing: true };
    }
    this.#breaker.begin();
    const url = belowEndpoint(this.#url, path);
    if (this.#options.showsProgress) this.#options.logger?.info("asking", { url: shownUrl(url) });
    const outcome = await this.#fetchWithRetries(url, key, stop);
    if (outcome?.isFailure) this.#breaker.failed();
    else this.#breaker.succeeded();
    if (outcome?.isFailure) this.counts.failed++;
    this.#log(url, outcome);
    return outcome;
  }

  #log(url: URL, outcome: NotFetched | undefined): void {
    const { logger, showsProgress } = this.#options;
    const fields = { url: shownUrl(url), ...(outcome !== undefined && { reason: outcome.why }) };
    const text = outcome === undefined ? "a debug file was fetched" : "no debug file was fetched";
    if (outcome?.isFailure) logger?.warn(text, fields);
    else if (showsProgress) logger?.info(text, fields);
    else logger?.debug(text, fields);
  }

  async #fetchWithRetries(
    url: URL,
    key: CacheKey,
    stop: AbortSignal,
  ): Promise<NotFetched | undefined> {
    const { timeMsMax, retriesMax } = this.#options;
    const signal = timeMsMax > 0 ? AbortSignal.any([stop, AbortSignal.timeout(timeMsMax)]) : stop;
    for (let retries = 0; ; retries++) {
      const outcome = await this.#fetchOnce(url, key, signal);
      const isLast = retries >= Math.min(retriesMax, RETRIES_MAX);
      if (outcome === undefined || !outcome.mayRetry || isLast || signal.aborted) return outcome;
      const waitMs = RETRY_WAIT_MS * 2 ** retries;
      // Not all that failed together come back together.
      await sleep(waitMs * (0.5 + Math.random()), signal);
    }
  }

  async #fetchOnce(url: URL, key: CacheKey, signal: AbortSignal): Promise<NotFetched | undefined> {
    this.counts.requests++;
    try {
      const { timeoutMs } = this.#options;
      const headers = await this.#options.headers();
      const answer = await httpGet(url, { headers, timeoutMs, signal, tls: systemTls });
      const refusal = this.#refusalOf(answer);
      if (refusal === undefined) return await this.#keep(answer, key);
      answer.response.destroy();
      return refusal;
    } catch (error) {
      if (!(error instanceof TransferError)) {
        // The own disk, or a file of headers: no fault of the server.
        return { why: `its file could not be had: ${messageOf(error)}`, isPassing: true };
      }
      const mayHelp = !error.isTooLarge;
      return { why: error.message, isPassing: mayHelp, isFailure: mayHelp, mayRetry: mayHelp };
    }
  }

  #refusalOf({ status, response }: GetAnswer): NotFetched | undefined {
    if (status === 404) return { why: "does not have it", isPassing: false };
    if (status !== 200) {
      const isFailure = status >= 500 || status === 429;
      const mayRetry = isRetryableStatus(status);
      return { why: `answers ${status}`, isPassing: isFailure, isFailure, mayRetry };
    }
    const { bytesMax } = this.#options;
    const bytes = Math.max(numberIn(response.headers["content-length"]), sizeIn(response.headers));
    if (bytes <= bytesMax) return undefined;
    return { why: `has a file of ${bytes} bytes, over ${bytesMax}`, isPassing: false };
  }

  async #keep({ response }: GetAnswer, key: CacheKey): Promise<NotFetched | undefined> {
    const { bytesMax, timeoutMs, cache } = this.#options;
    const expectedBytes = sizeIn(response.headers);
    const body = fileInBody(response, { bytesMax, timeoutMs, expectedBytes });
    const kept = await cache.keep(key, body);
    if ("why" in kept) {
      return { why: `sends another file: ${kept.why}`, isPassing: false, isFailure: true };
    }
    this.counts.fetched++;
    this.counts.bytes += kept.bytes;
    return undefined;
  }
}

let loadedTls: Promise<ClientTls> | undefined;

/** The system's authorities, to which an administrator adds those of the house. */
function systemTls(): Promise<ClientTls> {
  loadedTls ??= loadClientTls(checked(clientTlsConfig));
  return loadedTls;
}

/** What the file has when it is unpacked. */
function sizeIn(headers: GetAnswer["response"]["headers"]): number {
  const text = headers["x-debuginfod-size"];
  return numberIn(typeof text === "string" ? text : undefined);
}

function numberIn(text: string | undefined): number {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : 0;
}
