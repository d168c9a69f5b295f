import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TlsOptions } from "node:tls";
import { gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { sleep } from "../../src/support/clock.ts";

/** What a sink does instead of its work: no answer, the connection cut, or a ready answer. */
export type HttpFault = "hang" | "reset" | HttpAnswer;

export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** A request as it arrived, whatever it was answered. */
export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Without its content encoding; undefined when that is unknown or broken. */
  readonly body: Uint8Array | undefined;
  /** As it came over the wire. */
  readonly wireBytes: number;
}

/** An HTTP server on loopback that keeps what it gets and fails when it is told to. */
export interface HttpSink extends AsyncDisposable {
  /** "http://127.0.0.1:PORT" (or https), without a slash at its end. */
  readonly endpoint: string;
  readonly requests: readonly ReceivedRequest[];
  /** Connections taken since the start. */
  readonly connectionCount: number;
  /** Fails the next `times` requests, or all until recover(). */
  fail(fault: HttpFault, times?: number): void;
  recover(): void;
  /** Resolves when `count` requests came; rejects after some seconds, for tests to end. */
  waitForRequests(count: number): Promise<void>;
}

/** The content encodings that a sink undoes. */
const decoders: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  identity: (bytes) => bytes,
  gzip: gunzipSync,
  deflate: inflateSync,
  zstd: zstdDecompressSync,
};

const WAIT_MAX_MS = 20_000;
const POLL_MS = 5;

/**
 * Starts a sink whose `work` answers every request that no fault was ordered for.
 *
 * @param tls  key, certificate and what clients must show; plain HTTP without it
 */
export async function startHttpSink(
  work: (request: ReceivedRequest) => HttpAnswer,
  tls?: TlsOptions,
): Promise<HttpSink> {
  const requests: ReceivedRequest[] = [];
  let fault: HttpFault | undefined;
  let faultsLeft = 0;
  let connectionCount = 0;
  const listen = (message: IncomingMessage, response: ServerResponse): void => {
    receive(message).then(
      (request) => {
        requests.push(request);
        const ordered = faultsLeft-- > 0 ? fault : undefined;
        answer(response, ordered ?? worked(work, request));
      },
      // The sender went away within its request: nobody waits for an answer.
      () => message.destroy(),
    );
  };
  const server = tls === undefined ? createServer(listen) : createTlsServer(tls, listen);
  server.on("connection", () => connectionCount++);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const scheme = tls === undefined ? "http" : "https";
  return {
    endpoint: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get connectionCount() {
      return connectionCount;
    },
    fail(ordered, times = Number.POSITIVE_INFINITY) {
      fault = ordered;
      faultsLeft = times;
    },
    recover() {
      faultsLeft = 0;
    },
    async waitForRequests(count) {
      await until(() => requests.length >= count, `${count} requests`);
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server.close(), "close");
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Resolves when `holds` does; rejects after 20 seconds with what was waited for. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += POLL_MS) {
    if (waitedMs > WAIT_MAX_MS) throw new Error(`waited in vain for ${what}`);
    await sleep(POLL_MS);
  }
}

/** A fault of the sink itself is an answer too, so that no test waits for one in vain. */
function worked(
  work: (request: ReceivedRequest) => HttpAnswer,
  request: ReceivedRequest,
): HttpAnswer {
  try {
    return work(request);
  } catch (error) {
    return { status: 500, body: String((error as Error).stack) };
  }
}

async function receive(message: IncomingMessage): Promise<ReceivedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  const wire = Buffer.concat(chunks);
  return {
    method: message.method ?? "",
    path: message.url ?? "",
    headers: message.headers,
    body: decoded(wire, message.headers["content-encoding"] ?? "identity"),
    wireBytes: wire.length,
  };
}

function decoded(wire: Uint8Array, encoding: string): Uint8Array | undefined {
  try {
    return decoders[encoding]?.(wire);
  } catch {
    return undefined;
  }
}

function answer(response: ServerResponse, ordered: HttpFault): void {
  if (ordered === "hang") return;
  if (ordered === "reset") {
    response.socket?.resetAndDestroy();
    return;
  }
  response.writeHead(ordered.status, ordered.headers);
  response.end(ordered.body);
}
