import { messageOf } from "../../support/errors.ts";
import type { Logger } from "../../support/logger.ts";
import type { MetricRegistry } from "../../support/metrics.ts";
import { METRICS_PORT, type MetricsConfig } from "../service-config.ts";
import { type MetricsAddress, MetricsServer } from "./metrics-server.ts";

/** The addresses at which a service's metrics are answered. */
export class MetricsEndpoints {
  readonly #addresses: readonly MetricsAddress[];
  readonly #registry: MetricRegistry;
  readonly #logger: Logger;
  #servers: MetricsServer[] = [];

  constructor(
    config: MetricsConfig,
    given: { readonly registry: MetricRegistry; readonly logger: Logger },
  ) {
    const readers = config.level === "none" ? [] : config.readers;
    this.#addresses = readers.flatMap(({ pull }) => pull?.exporter.prometheus ?? []);
    this.#registry = given.registry;
    this.#logger = given.logger;
  }

  /**
   * The usual port may be taken by a Collector beside us: then there are no metrics, and the
   * program runs. Any other address was asked for.
   *
   * @throws CollectorError UNAVAILABLE_RETRYABLE  an address that was asked for is not to be had
   */
  async start(): Promise<void> {
    if (this.#servers.length > 0) return;
    for (const address of this.#addresses) {
      try {
        this.#servers.push(await MetricsServer.start(this.#registry, address));
      } catch (error) {
        if (address.host !== "localhost" || address.port !== METRICS_PORT) throw error;
        const mend = "set another port at service::telemetry::metrics::readers";
        this.#logger.warn(`${messageOf(error)}: ${mend}`);
      }
    }
  }

  async stop(): Promise<void> {
    const servers = this.#servers;
    this.#servers = [];
    await Promise.all(servers.map((server) => server.stop()));
  }
}
