import {
  type ChannelOptions,
  Client,
  compressionAlgorithms,
  type Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import type { ComponentContext, Exporter } from "../../pipeline/component.ts";
import { encodeOtlp } from "../../profiles/otlp/encode.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";
import type { CollectorError } from "../../support/errors.ts";
import { ownUserAgent } from "../../transport/client-config.ts";
import { RESPONSE_BYTES_MAX } from "../../transport/http-client.ts";
import { checkRequestSize, PartialSuccessReport } from "../../transport/otlp-client.ts";
import { readPartialSuccess } from "../../transport/otlp-response.ts";
import { ClientSession } from "../../transport/session.ts";
import type { OtlpGrpcConfig } from "./config.ts";
import { channelCredentials, serverNameOption } from "./credentials.ts";
import { errorOfStatus } from "./failure.ts";
import { metadataOf } from "./metadata.ts";
import { type GrpcTarget, grpcTarget } from "./target.ts";

const METHOD = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";

/** A server that came back is found within this time; gRPC's own two minutes lose too much. */
const RECONNECT_WAIT_MAX_MS = 10_000;

/**
 * Sends each batch as one OTLP request over gRPC.
 *
 * Source: OTLP specification, "OTLP/gRPC".
 */
export class OtlpGrpcExporter implements Exporter {
  readonly #config: OtlpGrpcConfig;
  readonly #context: ComponentContext;
  readonly #target: GrpcTarget;
  readonly #metadata: Metadata;
  readonly #partialSuccesses: PartialSuccessReport;
  readonly #session: ClientSession<Client>;

  /** @throws CollectorError CONFIG_INVALID  an endpoint or header that gRPC cannot use */
  constructor(config: OtlpGrpcConfig, context: ComponentContext) {
    this.#config = config;
    this.#context = context;
    this.#target = grpcTarget(config.endpoint);
    this.#metadata = metadataOf(config.headers, config.wait_for_ready);
    this.#partialSuccesses = new PartialSuccessReport(context);
    this.#session = new ClientSession("otlp_grpc", () => this.#open());
  }

  /** Reads the certificates. The server is first asked when a batch comes. */
  async start(): Promise<void> {
    await this.#session.start();
  }

  /**
   * Resolves when the server has taken the batch, of which nothing is read after the call.
   *
   * @throws CollectorError  UNAVAILABLE_RETRYABLE for what may be sent again
   */
  async consume(batch: ProfileBatch): Promise<void> {
    const request = encodeOtlp(batch);
    checkRequestSize(this.#target.name, request.length);
    await this.#session.run((client, signal) => this.#send(client, request, signal));
  }

  async stop(): Promise<void> {
    await this.#session.stop();
  }

  async #open(): Promise<Client> {
    const security = await channelCredentials(this.#config.tls, this.#target);
    return new Client(this.#target.name, security, channelOptions(this.#config, this.#target));
  }

  async #send(client: Client, request: Uint8Array, signal: AbortSignal): Promise<void> {
    const response = await this.#call(client, request, signal);
    this.#partialSuccesses.read(() => readPartialSuccess(response), this.#config.headers);
  }

  #call(client: Client, request: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const call = client.makeUnaryRequest(
      METHOD,
      asBuffer,
      asIs,
      request,
      this.#metadata.clone(),
      { deadline: this.#deadline() },
      (error, response) => {
        if (error === null) resolve(response ?? new Uint8Array());
        else reject(this.#failure(error, request.length, signal));
      },
    );
    const cancel = (): void => call.cancel();
    if (signal.aborted) cancel();
    signal.addEventListener("abort", cancel);
    return promise.finally(() => signal.removeEventListener("abort", cancel));
  }

  #deadline(): number {
    const { timeout } = this.#config;
    if (timeout === 0) return Number.POSITIVE_INFINITY;
    return Number(this.#context.clock.unixNanos() / 1_000_000n) + timeout;
  }

  #failure(error: ServiceError, byteCount: number, signal: AbortSignal): CollectorError {
    const { headers, timeout } = this.#config;
    const endpoint = this.#target.name;
    const isStopping = signal.aborted;
    return errorOfStatus({ error, endpoint, headers, byteCount, timeoutMs: timeout, isStopping });
  }
}

function channelOptions(config: OtlpGrpcConfig, target: GrpcTarget): ChannelOptions {
  const { keepalive, authority, user_agent: userAgent } = config;
  const { identity, gzip } = compressionAlgorithms;
  const balancing = { loadBalancingConfig: [{ [config.balancer_name]: {} }] };
  return {
    "grpc.primary_user_agent": userAgent === "" ? ownUserAgent() : userAgent,
    "grpc.default_compression_algorithm": config.compression === "gzip" ? gzip : identity,
    "grpc.max_receive_message_length": RESPONSE_BYTES_MAX,
    "grpc.keepalive_time_ms": keepalive.time,
    "grpc.keepalive_timeout_ms": keepalive.timeout,
    "grpc.keepalive_permit_without_calls": keepalive.permit_without_stream ? 1 : 0,
    "grpc.max_reconnect_backoff_ms": RECONNECT_WAIT_MAX_MS,
    // What is sent again, and when, is decided by the pipeline.
    "grpc.enable_retries": 0,
    "grpc.service_config": JSON.stringify(balancing),
    "grpc.service_config_disable_resolution": 1,
    // Connections of its own, so that they end with this exporter.
    "grpc.use_local_subchannel_pool": 1,
    ...(authority !== "" && { "grpc.default_authority": authority }),
    ...serverNameOption(config.tls, target),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function asIs(bytes: Buffer): Uint8Array {
  return bytes;
}
