import type { Socket } from "node:net";
import type { TlsOptions } from "node:tls";
import {
  type ConnectionInjector,
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { decodeOtlp } from "../../profiles/otlp/decode.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";
import type { ProfileLimits } from "../../support/limits.ts";
import type { Admitted } from "../../transport/server/admission.ts";
import { Gate } from "../../transport/server/gate.ts";
import { listenAddress } from "../../transport/server/listen-address.ts";
import { SocketListener } from "../../transport/server/listener.ts";
import { detailsOf, readGuard } from "./call-guard.ts";
import type { OtlpGrpcServerConfig } from "./config.ts";
import type { ServerParts } from "./http-server.ts";
import { requestLimits } from "./intake.ts";
import { type Refusal, refusalOf, rejectionOf } from "./refusal.ts";

const PATH = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";

/** A client must begin to speak HTTP/2 within this time. */
const PREFACE_WAIT_MAX_MS = 10_000;
/** "PRI * HTTP/2.0…" */
const PREFACE_BYTES = 24;
const MIB = 1024 * 1024;
/** Messages that are read at the same time hold so much at most; twice that while inflated. */
const READ_BYTES_MAX = 128 * MIB;

type ExportCall = ServerUnaryCall<Uint8Array, Uint8Array>;
type Respond = sendUnaryData<Uint8Array>;

/**
 * OTLP/gRPC for profiles. grpc-js serves connections that are taken here, where they are counted,
 * and cut when they say nothing.
 *
 * Source: OTLP specification, "OTLP/gRPC".
 */
export class OtlpGrpcServer {
  readonly #config: OtlpGrpcServerConfig;
  readonly #parts: ServerParts;
  readonly #limits: ProfileLimits;
  readonly #grpc: Server;
  readonly #injector: ConnectionInjector;
  readonly #listener: SocketListener;

  constructor(config: OtlpGrpcServerConfig, parts: ServerParts, tls: TlsOptions | undefined) {
    this.#config = config;
    this.#parts = parts;
    const bytesMax = config.max_recv_msg_size_mib * MIB;
    this.#limits = requestLimits(bytesMax);
    const guard = readGuard({
      admission: parts.admission,
      turns: new Gate(Math.floor(READ_BYTES_MAX / bytesMax)),
      onRefusal: () => parts.intake.refuse("busy"),
      cut: (peer) => this.#listener.cutPeer(peer),
    });
    this.#grpc = new Server({ ...serverOptions(config), interceptors: [guard] });
    this.#grpc.addService(
      { Export: method },
      { Export: (call: ExportCall, respond: Respond) => void this.#export(call.request, respond) },
    );
    this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    const agreed = tls === undefined ? undefined : { ...tls, ALPNProtocols: ["h2"] };
    this.#listener = new SocketListener((socket) => this.#serve(socket), agreed);
  }

  get address(): string {
    return this.#listener.address;
  }

  async start(): Promise<void> {
    const key = "protocols::grpc::endpoint";
    await this.#listener.listen(listenAddress(this.#config.endpoint, key), key);
  }

  /** Takes no new connection, and no new call on those that there are, which so end. */
  refuseNew(waitMs: number): void {
    this.#listener.refuseNew();
    this.#injector.drain(waitMs);
  }

  /** Ends every connection: those that are answered at once, all others after the wait. */
  async close(waitMs: number): Promise<void> {
    this.#listener.refuseNew();
    await this.#listener.drained(waitMs);
    this.#grpc.forceShutdown();
    this.#listener.cut();
  }

  #serve(socket: Socket): void {
    const timer = setTimeout(() => {
      if (socket.bytesRead < PREFACE_BYTES) socket.destroy();
    }, PREFACE_WAIT_MAX_MS);
    timer.unref();
    socket.on("close", () => clearTimeout(timer));
    this.#injector.injectConnection(socket);
  }

  /** Never rejects: whatever happens is an answer. */
  async #export(message: Uint8Array, respond: Respond): Promise<void> {
    const { admission, intake, onFault } = this.#parts;
    let admitted: Admitted | undefined;
    let batch: ProfileBatch;
    try {
      admitted = admission.enter(message.length);
      batch = decodeOtlp(message, this.#limits);
    } catch (error) {
      admitted?.release();
      const refusal = refusalOf(error);
      intake.refuse(refusal.reason);
      if (refusal.reason === "failed") onFault(error);
      respond(serviceError(refusal));
      return;
    }
    try {
      await intake.take(batch);
      respond(null, new Uint8Array());
    } catch (error) {
      const refusal = rejectionOf(error);
      if (refusal.reason === "failed") onFault(error);
      respond(serviceError(refusal));
    } finally {
      admitted.release();
    }
  }
}

const same = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const method = {
  path: PATH,
  requestStream: false,
  responseStream: false,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
} as const;

function serverOptions(config: OtlpGrpcServerConfig): ServerOptions {
  const { server_parameters: kept } = config.keepalive;
  return {
    "grpc.max_receive_message_length": config.max_recv_msg_size_mib * MIB,
    "grpc.max_concurrent_streams": config.max_concurrent_streams,
    "grpc.keepalive_time_ms": kept.time,
    "grpc.keepalive_timeout_ms": kept.timeout,
    ...(kept.max_connection_idle > 0 && {
      "grpc.max_connection_idle_ms": kept.max_connection_idle,
    }),
    ...(kept.max_connection_age > 0 && { "grpc.max_connection_age_ms": kept.max_connection_age }),
    ...(kept.max_connection_age_grace > 0 && {
      "grpc.max_connection_age_grace_ms": kept.max_connection_age_grace,
    }),
    // A register of connections that nobody reads here.
    "grpc.enable_channelz": 0,
  };
}

function serviceError({ status }: Refusal): Partial<ServiceError> {
  return { code: status.code, details: status.message, metadata: detailsOf(status) };
}
