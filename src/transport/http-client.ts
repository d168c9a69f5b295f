import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { AgentOptions } from "node:https";
import { formatDuration } from "../config/duration.ts";
import type { Clock } from "../support/clock.ts";
import { CollectorError, messageOf } from "../support/errors.ts";
import { Compressor, type HttpCompression } from "./compression.ts";
import { shownUrl } from "./endpoint.ts";
import { revealHeaders, type SecretHeaders } from "./headers.ts";
import { nodeHttp, nodeHttps } from "./node-http.ts";
import { retryAfterMs } from "./retryable.ts";
import type { ClientTls } from "./tls.ts";

export interface HttpClientOptions {
  /** Sent with every request, in place of what `post` would send by itself. */
  readonly headers: SecretHeaders;
  readonly userAgent: string;
  /** For one request and its whole answer; 0 is no limit. */
  readonly timeoutMs: number;
  readonly compression: HttpCompression;
  /** 0 is the method's default. */
  readonly compressionLevel: number;
  /** For https endpoints; absent, the system's authorities decide. */
  readonly tls?: ClientTls;
  readonly connections: ConnectionOptions;
  readonly clock: Clock;
}

/** How connections are kept. */
export interface ConnectionOptions {
  /** Beyond these, requests wait for one another; 0 is no limit. */
  readonly connectionsMax: number;
  readonly idleConnectionsMax: number;
  /** An idle connection is closed after this time; 0 is never. */
  readonly idleTimeoutMs: number;
  readonly keepAlive: boolean;
}

export interface PostOptions {
  readonly contentType: string;
  /** Beside the client's own; these are not secret. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends the request; it then rejects as one that may be tried again. */
  readonly signal?: AbortSignal;
}

/** An answer, whatever its status. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** At most RESPONSE_BYTES_MAX; what came after them was not read. */
  readonly body: Uint8Array;
  /** How long the server asks not to be asked again. */
  readonly retryAfterMs?: number;
}

/** OTLP: a client should take answers of up to 4 MiB. */
export const RESPONSE_BYTES_MAX: number = 4 * 1024 * 1024;

/** Headers of an answer; Node's own default. */
const HEADER_BYTES_MAX = 16 * 1024;

/**
 * Posts bytes over HTTP/1.1, with connections that are kept. Redirects are not followed: the
 * data goes where the configuration says.
 */
export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #compressor: Compressor;
  readonly #agents = new Map<string, Agent>();

  /** @throws CollectorError CONFIG_INVALID  a header that cannot be sent, or a level that is not */
  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.#headers = { "user-agent": options.userAgent, ...lowerCased(options.headers) };
    this.#compressor = new Compressor(options.compression, options.compressionLevel);
  }

  /**
   * Sends `body`, which must not change until then, and resolves with the whole answer.
   *
   * @throws CollectorError UNAVAILABLE_RETRYABLE  no answer: refused, reset, too late, no such
   *   host, no trust; the message names the URL and the cause, and no header
   */
  async post(url: URL, body: Uint8Array, options: PostOptions): Promise<HttpResponse> {
    const compressed = await this.#compressor.compress(body);
    const { contentEncoding } = this.#compressor;
    const headers = {
      ...options.headers,
      "content-type": options.contentType,
      ...(contentEncoding !== undefined && { "content-encoding": contentEncoding }),
      "content-length": String(compressed.length),
      ...this.#headers,
    };
    const exchange = { url, headers, body: compressed, signal: options.signal };
    try {
      return await this.#exchange(exchange);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      // The server had closed the kept connection, and got nothing of the request. The next
      // connection may be as stale, so the second try gets one of its own.
      return await this.#exchange({ ...exchange, isFresh: true });
    }
  }

  /** Ends every connection, also those in use. The client can be used again. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #exchange(exchange: Exchange): Promise<HttpResponse> {
    const { url, headers, body, signal, isFresh } = exchange;
    const { timeoutMs, clock } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
    if (signal?.aborted) return Promise.reject(unavailable(url, "was not asked: stopping"));
    const module = url.protocol === "https:" ? nodeHttps() : nodeHttp();
    const request = module.request(url, {
      method: "POST",
      headers,
      agent: isFresh ? this.#newAgent(url.protocol, false) : this.#agent(url.protocol),
      maxHeaderSize: HEADER_BYTES_MAX,
    });
    const end = (error: CollectorError): void => {
      reject(error);
      request.destroy();
    };
    const tooLate = (): void =>
      end(unavailable(url, `gave no answer within ${formatDuration(timeoutMs)}`));
    const abort = (): void => end(unavailable(url, "gave no answer before the stop"));
    const timer = timeoutMs > 0 ? setTimeout(tooLate, timeoutMs) : undefined;
    signal?.addEventListener("abort", abort);
    let isAnswered = false;
    let isBegun = false;
    const cutShort = (error: unknown): void =>
      end(unavailable(url, `cut its answer short: ${causeOf(error)}`, error));
    request.on("error", (error) => {
      if (isAnswered) cutShort(error);
      else reject(requestError({ url, error, request, isBegun }));
    });
    request.on("response", (response) => {
      isAnswered = true;
      readBody(response).then((bytes) => resolve(answerOf(response, bytes, clock)), cutShort);
    });
    whenConnected(request, () => {
      isBegun = true;
      request.end(body);
    });
    return promise.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    });
  }

  #agent(protocol: string): Agent {
    return this.#agents.getOrInsertComputed(protocol, () => {
      return this.#newAgent(protocol, this.#options.connections.keepAlive);
    });
  }

  #newAgent(protocol: string, keepAlive: boolean): Agent {
    const { connectionsMax, idleConnectionsMax, idleTimeoutMs } = this.#options.connections;
    const options: AgentOptions = {
      keepAlive,
      maxSockets: connectionsMax === 0 ? Number.POSITIVE_INFINITY : connectionsMax,
      maxFreeSockets: idleConnectionsMax,
      ...(idleTimeoutMs > 0 && { timeout: idleTimeoutMs }),
      ...this.#options.tls,
    };
    return protocol === "https:"
      ? new (nodeHttps().Agent)(options)
      : new (nodeHttp().Agent)(options);
  }
}

interface Exchange {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly signal: AbortSignal | undefined;
  /** On a connection of its own. */
  readonly isFresh?: boolean;
}

function lowerCased(headers: SecretHeaders): Record<string, string> {
  const entries = Object.entries(revealHeaders(headers));
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]));
}

/** Bytes of the answer up to the limit; the rest is not read, and its connection is given up. */
async function readBody(response: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= RESPONSE_BYTES_MAX) break;
  }
  return Buffer.concat(chunks).subarray(0, RESPONSE_BYTES_MAX);
}

function answerOf(response: IncomingMessage, body: Uint8Array, clock: Clock): HttpResponse {
  const nowMs = Number(clock.unixNanos() / 1_000_000n);
  const waitMs = retryAfterMs(response.headers["retry-after"], nowMs);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body,
    ...(waitMs !== undefined && { retryAfterMs: waitMs }),
  };
}

/** A kept connection that had ended before anything of its next request was written. */
class StaleConnection extends CollectorError {}

/**
 * Calls `begin` when the request has its connection. A kept one may have been closed by the
 * server without this process having heard of it yet, so the news that wait are heard first: what
 * is once written may have been taken, and cannot be sent again.
 */
function whenConnected(request: ClientRequest, begin: () => void): void {
  const beginIfAlive = (): void => {
    if (!request.destroyed) begin();
  };
  request.once("socket", () => {
    if (!request.reusedSocket) begin();
    // Sockets are looked at between the two.
    else setImmediate(() => setImmediate(beginIfAlive));
  });
}

interface RequestFailure {
  readonly url: URL;
  readonly error: Error;
  readonly request: ClientRequest;
  /** Some of it may have been written. */
  readonly isBegun: boolean;
}

function requestError({ url, error, request, isBegun }: RequestFailure): CollectorError {
  if (request.reusedSocket && !isBegun) {
    return new StaleConnection("UNAVAILABLE_RETRYABLE", sentence(url, causeOf(error)));
  }
  return unavailable(url, `cannot be reached: ${causeOf(error)}`, error);
}

const causes: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by the server",
  EPIPE: "connection closed by the server",
  ETIMEDOUT: "connecting took too long",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the name server does not answer",
};

/** What a person needs to know of a failed connection. */
export function causeOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof AggregateError && error.errors.length > 0) return causeOf(error.errors[0]);
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "EPROTO") {
    return "the server does not speak TLS; is the endpoint http://?";
  }
  return (code !== undefined && causes[code]) || messageOf(error);
}

function unavailable(url: URL, what: string, cause?: unknown): CollectorError {
  return new CollectorError("UNAVAILABLE_RETRYABLE", sentence(url, what), { cause });
}

function sentence(url: URL, what: string): string {
  return `${shownUrl(url)} ${what}`;
}
