import { once } from "node:events";
import { type AddressInfo, createServer, type Socket, type Server as TcpServer } from "node:net";
import type { TlsOptions } from "node:tls";
import {
  Metadata,
  type MetadataValue,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
  type status,
} from "@grpc/grpc-js";
import type { ProfileBatch } from "../../src/profiles/profile.ts";
import {
  type HttpAnswer,
  type HttpSink,
  type ReceivedRequest,
  startHttpSink,
  until,
} from "./http-sink.ts";
import {
  exportResponseJsonOf,
  exportResponseOf,
  type PartialSuccess,
  readExportRequest,
  readExportRequestJson,
  statusOf,
} from "./otlp-messages.ts";

/** What the sinks of both ways share. */
interface OtlpReceiver {
  /** What was taken, in order; read by generated code. */
  readonly batches: readonly ProfileBatch[];
  /** From now on every success says so, or nothing when it is undefined; the batch is taken. */
  succeedPartially(partialSuccess: PartialSuccess | undefined): void;
}

/** OTLP over HTTP, protobuf and JSON, on loopback. */
export interface OtlpHttpSink extends HttpSink, OtlpReceiver {}

/** What the gRPC sink does instead of its work; "reset" cuts every connection. */
export type GrpcFault = "hang" | "reset" | GrpcError;

export interface GrpcError {
  readonly code: status;
  readonly details: string;
  /** Sent as RetryInfo, in milliseconds. */
  readonly retryDelayMs?: number;
}

/** OTLP over gRPC on loopback, served by @grpc/grpc-js. */
export interface OtlpGrpcSink extends AsyncDisposable, OtlpReceiver {
  /** "127.0.0.1:PORT" */
  readonly endpoint: string;
  /** Every call that came, whatever it was answered. */
  readonly requests: readonly ReceivedCall[];
  readonly connectionCount: number;
  /** Over all connections, as they came: with compression, framing and TLS. */
  readonly wireBytes: number;
  /** Fails the next `times` calls, or all until recover(). */
  fail(fault: GrpcFault, times?: number): void;
  recover(): void;
  /** Resolves when `count` calls came; rejects after some seconds, for tests to end. */
  waitForRequests(count: number): Promise<void>;
}

export interface ReceivedCall {
  readonly metadata: Readonly<Record<string, MetadataValue>>;
  /** The message, without compression. */
  readonly body: Uint8Array;
}

const HTTP_PATH = "/v1development/profiles";
const GRPC_SERVICE = "opentelemetry.proto.collector.profiles.v1development.ProfilesService";
/** What OTLP recommends as the most that a receiver takes. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
const INVALID_ARGUMENT = 3;
const PROTOBUF = "application/x-protobuf";
const JSON_TYPE = "application/json";

/** @param tls  key, certificate and what clients must show; plain HTTP without it */
export async function startOtlpHttpSink(tls?: TlsOptions): Promise<OtlpHttpSink> {
  const batches: ProfileBatch[] = [];
  let partialSuccess: PartialSuccess | undefined;
  const sink = await startHttpSink((request) => {
    const refusal = refusalOf(request);
    if (refusal !== undefined) return refusal;
    const isJson = request.headers["content-type"] === JSON_TYPE;
    try {
      const body = request.body ?? new Uint8Array();
      batches.push(isJson ? readExportRequestJson(body) : readExportRequest(body));
    } catch (error) {
      return otlpHttpError(400, INVALID_ARGUMENT, String(error));
    }
    const response = isJson
      ? exportResponseJsonOf(partialSuccess)
      : exportResponseOf(partialSuccess);
    const headers = { "content-type": isJson ? JSON_TYPE : PROTOBUF };
    return { status: 200, headers, body: response };
  }, tls);
  return Object.assign(sink, {
    batches,
    succeedPartially: (value: PartialSuccess | undefined): void => {
      partialSuccess = value;
    },
  });
}

/** An error with a google.rpc.Status as its body, to be given to `fail`. */
export function otlpHttpError(
  status: number,
  code: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  return {
    status,
    headers: { "content-type": PROTOBUF, ...headers },
    body: statusOf(code, message),
  };
}

function refusalOf({ method, path, headers, body }: ReceivedRequest): HttpAnswer | undefined {
  if (path !== HTTP_PATH) return { status: 404 };
  if (method !== "POST") return { status: 405, headers: { allow: "POST" } };
  const type = headers["content-type"];
  if (type !== PROTOBUF && type !== JSON_TYPE) return { status: 415 };
  if (body === undefined) return otlpHttpError(400, INVALID_ARGUMENT, "the encoding is broken");
  return undefined;
}

/** @param credentials  insecure when not given */
export async function startOtlpGrpcSink(
  credentials: ServerCredentials = ServerCredentials.createInsecure(),
): Promise<OtlpGrpcSink> {
  const sink = new GrpcSink(credentials);
  await sink.listen();
  return sink;
}

type ExportCall = ServerUnaryCall<Uint8Array, Uint8Array>;
type Respond = sendUnaryData<Uint8Array>;

/** grpc-js serves connections that this class takes and thus can cut. */
class GrpcSink implements OtlpGrpcSink {
  readonly batches: ProfileBatch[] = [];
  readonly requests: ReceivedCall[] = [];
  readonly #grpc = new Server({ "grpc.max_receive_message_length": MESSAGE_BYTES_MAX });
  readonly #tcp: TcpServer;
  readonly #sockets = new Set<Socket>();
  #partialSuccess: PartialSuccess | undefined;
  #fault: GrpcFault | undefined;
  #faultsLeft = 0;
  #connectionCount = 0;
  #wireBytesOfClosed = 0;

  constructor(credentials: ServerCredentials) {
    const same = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
    const method = {
      path: `/${GRPC_SERVICE}/Export`,
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    };
    this.#grpc.addService(
      { Export: method },
      { Export: (call: ExportCall, respond: Respond) => this.#export(call, respond) },
    );
    const injector = this.#grpc.createConnectionInjector(credentials);
    this.#tcp = createServer((socket) => {
      this.#connectionCount++;
      this.#sockets.add(socket);
      socket.on("close", () => {
        this.#wireBytesOfClosed += socket.bytesRead;
        this.#sockets.delete(socket);
      });
      // A client that goes away is no concern of the sink's.
      socket.on("error", () => {});
      injector.injectConnection(socket);
    });
  }

  async listen(): Promise<void> {
    await once(this.#tcp.listen(0, "127.0.0.1"), "listening");
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.#tcp.address() as AddressInfo).port}`;
  }

  get connectionCount(): number {
    return this.#connectionCount;
  }

  get wireBytes(): number {
    return [...this.#sockets].reduce(
      (total, { bytesRead }) => total + bytesRead,
      this.#wireBytesOfClosed,
    );
  }

  succeedPartially(partialSuccess: PartialSuccess | undefined): void {
    this.#partialSuccess = partialSuccess;
  }

  fail(fault: GrpcFault, times: number = Number.POSITIVE_INFINITY): void {
    this.#fault = fault;
    this.#faultsLeft = times;
  }

  recover(): void {
    this.#faultsLeft = 0;
  }

  async waitForRequests(count: number): Promise<void> {
    await until(() => this.requests.length >= count, `${count} calls`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#tcp.close(), "close");
    this.#cutConnections();
    this.#grpc.forceShutdown();
    await closed;
  }

  #export(call: ExportCall, respond: Respond): void {
    this.requests.push({ metadata: call.metadata.getMap(), body: call.request });
    const fault = this.#faultsLeft-- > 0 ? this.#fault : undefined;
    if (fault === "hang") return;
    if (fault === "reset") this.#cutConnections();
    else if (fault !== undefined) respond(errorOf(fault));
    else this.#take(call.request, respond);
  }

  #take(request: Uint8Array, respond: Respond): void {
    try {
      this.batches.push(readExportRequest(request));
    } catch (error) {
      respond({ code: INVALID_ARGUMENT, details: String(error) });
      return;
    }
    respond(null, exportResponseOf(this.#partialSuccess));
  }

  #cutConnections(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}

function errorOf({ code, details, retryDelayMs }: GrpcError): Partial<ServiceError> {
  const metadata = new Metadata();
  const status = statusOf(code, details, retryDelayMs);
  metadata.set("grpc-status-details-bin", Buffer.from(status));
  return { code, details, metadata };
}
