import type { Server } from "node:http";
import { CollectorError, messageOf } from "../../support/errors.ts";
import type { MetricRegistry, MetricSpelling } from "../../support/metrics.ts";
import { nodeHttp } from "../../transport/node-http.ts";

/** Scrapers are few; a port that many can reach holds no more of them. */
const CONNECTIONS_MAX = 50;
/** A client that sends its request slower than this is cut off. */
const REQUEST_TIMEOUT_MS = 10_000;
const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Where a reader is answered, and how names are spelled for it. */
export interface MetricsAddress extends MetricSpelling {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
}

/** Answers `GET /metrics` with everything in a registry. */
export class MetricsServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * @throws CollectorError UNAVAILABLE_RETRYABLE  the address cannot be listened on, with why
   */
  static async start(
    registry: MetricRegistry,
    { host, port, ...spelling }: MetricsAddress,
  ): Promise<MetricsServer> {
    const server = nodeHttp().createServer(
      { requestTimeout: REQUEST_TIMEOUT_MS },
      (request, response) => {
        const isMetrics = request.url?.split("?")[0] === "/metrics";
        if (!isMetrics) response.writeHead(404).end();
        else if (request.method !== "GET") response.writeHead(405, { allow: "GET" }).end();
        else response.writeHead(200, { "content-type": CONTENT_TYPE }).end(registry.text(spelling));
      },
    );
    server.maxConnections = CONNECTIONS_MAX;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) => {
        const reason = `metrics cannot be served on ${host}:${port}: ${messageOf(error)}`;
        reject(new CollectorError("UNAVAILABLE_RETRYABLE", reason, { cause: error }));
      });
      server.listen({ host, port }, resolve);
    });
    return new MetricsServer(server);
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}
