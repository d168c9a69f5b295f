import type { IncomingMessage, Server, ServerOptions, ServerResponse } from "node:http";
import type { TlsOptions } from "node:tls";
import { decodeOtlp } from "../../profiles/otlp/decode.ts";
import { decodeOtlpJson } from "../../profiles/otlp/json-decode.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";
import { sleep } from "../../support/clock.ts";
import { CollectorError, limitExceeded } from "../../support/errors.ts";
import { nodeHttp, nodeHttps } from "../../transport/node-http.ts";
import type { Admission, Admitted } from "../../transport/server/admission.ts";
import { Gate } from "../../transport/server/gate.ts";
import { inflateBody } from "../../transport/server/inflate.ts";
import { listenAddress } from "../../transport/server/listen-address.ts";
import { boundAddress, listen } from "../../transport/server/listener.ts";
import { statusBytes, statusJson } from "../../transport/server/rpc-status.ts";
import type { OtlpHttpServerConfig } from "./config.ts";
import { type Intake, requestLimits } from "./intake.ts";
import { type Refusal, refusalOf, rejectionOf } from "./refusal.ts";

const PROTOBUF = "application/x-protobuf";
const JSON_TYPE = "application/json";

/** All headers of one request together. */
const HEADER_BYTES_MAX = 16 * 1024;
/** How often the times of connections are looked at. */
const CHECK_INTERVAL_MS = 1000;
/** Of a body that is too large, so much more is read over for its sender to see the answer. */
const DISCARDED_BYTES_MAX = 64 * 1024 * 1024;

/** Bodies that are inflated at the same time: as many as Node has threads for it. */
const INFLATIONS_MAX = 4;
/** Who gets no turn within this time is asked to come again. */
const INFLATION_WAIT_MAX_MS = 10_000;

/** What the server is given by the receiver. */
export interface ServerParts {
  readonly admission: Admission;
  readonly intake: Intake;
  /** Takes the faults of the program's own. */
  readonly onFault: (error: unknown) => void;
}

/**
 * OTLP/HTTP for profiles.
 *
 * Source: OTLP specification, "OTLP/HTTP".
 */
export class OtlpHttpServer {
  readonly #config: OtlpHttpServerConfig;
  readonly #parts: ServerParts;
  readonly #server: Server;
  readonly #inflations = new Gate(INFLATIONS_MAX);
  #isEnding = false;

  constructor(config: OtlpHttpServerConfig, parts: ServerParts, tls: TlsOptions | undefined) {
    this.#config = config;
    this.#parts = parts;
    const options: ServerOptions = {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: Math.min(config.read_header_timeout, config.read_timeout),
      requestTimeout: config.read_timeout,
      keepAliveTimeout: config.idle_timeout,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    };
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      void this.#answer(request, response);
    };
    this.#server =
      tls === undefined
        ? nodeHttp().createServer(options, answer)
        : nodeHttps().createServer({ ...options, ...tls }, answer);
  }

  get address(): string {
    return boundAddress(this.#server);
  }

  async start(): Promise<void> {
    const key = "protocols::http::endpoint";
    await listen(this.#server, listenAddress(this.#config.endpoint, key), key);
  }

  /** Takes no new connection, and no new request on those that there are. */
  refuseNew(): void {
    this.#isEnding = true;
    this.#server.close();
  }

  /** Ends every connection: those that are answered at once, all others after the wait. */
  async close(waitMs: number): Promise<void> {
    const end = new AbortController();
    this.#server.close(() => end.abort());
    if (waitMs > 0) await sleep(waitMs, end.signal);
    this.#server.closeAllConnections();
  }

  /** Never rejects: whatever happens is an answer, or the client is gone. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => {});
    request.on("error", () => {});
    const type = contentType(request);
    const refused = this.#refusalByHead(request, type);
    if (refused !== undefined) {
      if (refused.status !== 404) this.#parts.intake.refuse("unsupported");
      plainAnswer(response, refused);
      return;
    }
    const refusal = await this.#take(request, type === JSON_TYPE);
    if (this.#isEnding) response.setHeader("connection", "close");
    if (refusal === undefined) {
      const body = type === JSON_TYPE ? "{}" : "";
      response.writeHead(200, { "content-type": type, "content-length": body.length }).end(body);
    } else refuse(response, refusal, type === JSON_TYPE);
  }

  #refusalByHead(request: IncomingMessage, type: string): PlainRefusal | undefined {
    const [path] = (request.url ?? "").split("?", 1);
    if (path !== this.#config.profiles_url_path) {
      return { status: 404, text: `profiles are taken at ${this.#config.profiles_url_path}` };
    }
    if (request.method !== "POST") {
      return { status: 405, text: "only POST is taken", headers: { allow: "POST" } };
    }
    if (type !== PROTOBUF && type !== JSON_TYPE) {
      return { status: 415, text: `content-type must be ${PROTOBUF} or ${JSON_TYPE}` };
    }
    return undefined;
  }

  async #take(request: IncomingMessage, isJson: boolean): Promise<Refusal | undefined> {
    const { admission, intake, onFault } = this.#parts;
    let admitted: Admitted | undefined;
    let batch: ProfileBatch;
    try {
      admitted = admission.enter();
      const body = await this.#body(request, admitted);
      const limits = requestLimits(this.#config.max_request_body_size);
      batch = isJson ? decodeOtlpJson(body, limits) : decodeOtlp(body, limits);
    } catch (error) {
      admitted?.release();
      const refusal = refusalOf(error);
      intake.refuse(refusal.reason);
      if (refusal.reason === "failed") onFault(error);
      return refusal;
    }
    try {
      await intake.take(batch);
      return undefined;
    } catch (error) {
      const refusal = rejectionOf(error);
      if (refusal.reason === "failed") onFault(error);
      return refusal;
    } finally {
      admitted.release();
    }
  }

  async #body(request: IncomingMessage, admitted: Admitted): Promise<Uint8Array> {
    const bytesMax = this.#config.max_request_body_size;
    const wire = await readBody(request, bytesMax, admitted);
    const encoding = (request.headers["content-encoding"] ?? "").trim().toLowerCase();
    if (encoding === "" || encoding === "identity") return wire;
    const leave = await this.#inflations.enter(INFLATION_WAIT_MAX_MS);
    try {
      const body = await inflateBody(encoding, wire, bytesMax);
      admitted.hold(body.length - wire.length);
      return body;
    } finally {
      leave();
    }
  }
}

/** @throws CollectorError LIMIT_EXCEEDED, REFUSED_BACKPRESSURE, INPUT_MALFORMED  cut off */
async function readBody(
  request: IncomingMessage,
  bytesMax: number,
  admitted: Admitted,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  let refused: unknown;
  try {
    for await (const chunk of request as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > bytesMax + DISCARDED_BYTES_MAX) break;
      if (length > bytesMax) {
        refused = limitExceeded("request body", "bytes, or more", length, bytesMax);
      } else refused ??= heldOrRefused(admitted, chunk.length);
      if (refused === undefined) chunks.push(chunk);
      else chunks.length = 0;
    }
  } catch (error) {
    throw new CollectorError("INPUT_MALFORMED", "request body: it was cut off", { cause: error });
  }
  if (refused !== undefined) throw refused;
  return Buffer.concat(chunks, length);
}

function heldOrRefused(admitted: Admitted, bytes: number): unknown {
  try {
    admitted.hold(bytes);
    return undefined;
  } catch (error) {
    return error;
  }
}

interface PlainRefusal {
  readonly status: number;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A body that nobody reads ends its connection. */
function plainAnswer(response: ServerResponse, { status, text, headers }: PlainRefusal): void {
  response.setHeader("connection", "close");
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...headers });
  response.end(`${text}\n`);
}

function refuse(response: ServerResponse, refusal: Refusal, isJson: boolean): void {
  const { httpStatus, status } = refusal;
  if (status.retryAfterSeconds !== undefined) {
    response.setHeader("retry-after", String(status.retryAfterSeconds));
  }
  const body = isJson ? statusJson(status) : statusBytes(status);
  response.writeHead(httpStatus, { "content-type": isJson ? JSON_TYPE : PROTOBUF }).end(body);
}

function contentType({ headers }: IncomingMessage): string {
  const [type = ""] = (headers["content-type"] ?? "").split(";", 1);
  return type.trim().toLowerCase();
}
