import type { Receiver, SourceContext } from "../../pipeline/component.ts";
import { Complaints } from "../../support/complaints.ts";
import { CollectorError, messageOf } from "../../support/errors.ts";
import { STOP_WAIT_MAX_MS } from "../../transport/sends.ts";
import { Admission } from "../../transport/server/admission.ts";
import { isLoopback, listenAddress } from "../../transport/server/listen-address.ts";
import { loadServerTls } from "../../transport/server/tls.ts";
import type { OtlpConfig } from "./config.ts";
import { OtlpHttpServer, type ServerParts } from "./http-server.ts";
import { Intake, type Transport } from "./intake.ts";

/** Requests at the same time, of both protocols; an agent has one on its way. */
const REQUESTS_MAX = 1024;
/** What they may hold together; more would be taken from what stands behind. */
const BYTES_MAX = 256 * 1024 * 1024;
/** After the last answer, connections have this long to take it. */
const CLOSE_WAIT_MAX_MS = 500;

interface Listening {
  readonly address: string;
  start(): Promise<void>;
  refuseNew(waitMs: number): void;
  close(waitMs: number): Promise<void>;
}

/** Takes OTLP profiles over gRPC and HTTP, and passes each request on as one batch. */
export class OtlpReceiver implements Receiver {
  readonly #config: OtlpConfig;
  readonly #context: SourceContext;
  readonly #admission = new Admission({ requestsMax: REQUESTS_MAX, bytesMax: BYTES_MAX });
  readonly #intakes: Readonly<Record<Transport, Intake>>;
  readonly #faults: Complaints;
  readonly #servers = new Map<Transport, Listening>();
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws CollectorError CONFIG_INVALID  no protocol, or an endpoint that is none */
  constructor(config: OtlpConfig, context: SourceContext) {
    const { grpc, http } = config.protocols;
    if (grpc === undefined && http === undefined) {
      throw new CollectorError("CONFIG_INVALID", "protocols must have grpc, http or both");
    }
    for (const [name, server] of Object.entries({ grpc, http })) {
      if (server !== undefined) listenAddress(server.endpoint, `protocols::${name}::endpoint`);
    }
    this.#config = config;
    this.#context = context;
    this.#intakes = { grpc: new Intake(context, "grpc"), http: new Intake(context, "http") };
    this.#faults = new Complaints("profiles not passed on", context);
    const { metrics } = context;
    metrics.gauge(
      "obsforge_receiver_open_requests",
      "Requests that are read or worked on.",
      () => this.#admission.requests,
    );
    metrics.gauge(
      "obsforge_receiver_open_request_bytes",
      "Bytes that these hold, of 256 MiB at most.",
      () => this.#admission.bytes,
    );
  }

  /** Where it listens, as `host:port`; undefined for a protocol that is off, or not started. */
  address(transport: Transport): string | undefined {
    return this.#servers.get(transport)?.address;
  }

  /** Reads the certificates and listens. Rejects, with nothing open, when either fails. */
  async start(): Promise<void> {
    await this.#stopping;
    this.#starting ??= this.#open();
    try {
      await this.#starting;
    } catch (error) {
      this.#starting = undefined;
      throw error;
    }
  }

  /** Waits for requests that are being worked on, for STOP_WAIT_MAX_MS at most. */
  async stop(): Promise<void> {
    const started = this.#starting;
    if (started === undefined) return await this.#stopping;
    this.#starting = undefined;
    this.#stopping = this.#close(started);
    await this.#stopping;
  }

  async #open(): Promise<void> {
    const { grpc, http } = this.#config.protocols;
    this.#admission.open();
    try {
      if (grpc !== undefined) {
        const tls = grpc.tls && (await loadServerTls(grpc.tls));
        // Who does not take gRPC does not pay for @grpc/grpc-js.
        const { OtlpGrpcServer } = await import("./grpc-server.ts");
        await this.#listen("grpc", new OtlpGrpcServer(grpc, this.#parts("grpc"), tls));
      }
      if (http !== undefined) {
        const tls = http.tls && (await loadServerTls(http.tls));
        await this.#listen("http", new OtlpHttpServer(http, this.#parts("http"), tls));
      }
    } catch (error) {
      await this.#closeServers(0);
      throw error;
    }
  }

  async #listen(transport: Transport, server: Listening): Promise<void> {
    await server.start();
    this.#servers.set(transport, server);
    const { logger } = this.#context;
    const { endpoint, tls } = this.#config.protocols[transport] ?? {};
    logger.info("listening", { transport, address: server.address });
    if (tls === undefined && !isLoopback(listenAddress(endpoint ?? "", "endpoint"))) {
      logger.warn("profiles come in as plain text, from everyone who reaches the port", {
        transport,
        mend: `set protocols::${transport}::tls, or listen on localhost`,
      });
    }
  }

  #parts(transport: Transport): ServerParts {
    const onFault = (error: unknown): void => this.#faults.add(0, messageOf(error));
    return { admission: this.#admission, intake: this.#intakes[transport], onFault };
  }

  async #close(started: Promise<void>): Promise<void> {
    // Why it could not be opened was told to who started it.
    await started.catch(() => {});
    for (const server of this.#servers.values()) {
      server.refuseNew(STOP_WAIT_MAX_MS + CLOSE_WAIT_MAX_MS);
    }
    this.#admission.close();
    await this.#admission.drained(STOP_WAIT_MAX_MS);
    await this.#closeServers(CLOSE_WAIT_MAX_MS);
    this.#faults.flush();
  }

  async #closeServers(waitMs: number): Promise<void> {
    const servers = [...this.#servers.values()];
    this.#servers.clear();
    await Promise.all(servers.map((server) => server.close(waitMs)));
  }
}
