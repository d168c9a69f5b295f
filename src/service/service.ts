import type { Component, ComponentContext, ComponentKind } from "../pipeline/component.ts";
import { Graph } from "../pipeline/graph.ts";
import { SharedServices } from "../pipeline/shared-services.ts";
import { type Clock, systemClock } from "../support/clock.ts";
import { type Logger, loggerWith } from "../support/logger.ts";
import { MetricRegistry } from "../support/metrics.ts";
import type { Configuration } from "./configuration.ts";
import { MetricsEndpoints } from "./telemetry/metrics-endpoints.ts";
import { addProcessMetrics } from "./telemetry/process-metrics.ts";

export interface ServiceOptions {
  readonly logger: Logger;
  readonly clock?: Clock;
}

/**
 * A configuration that runs: its pipelines, what they share, and the program's own telemetry.
 * The only way in which pipelines are run.
 */
export class Service implements AsyncDisposable {
  readonly #logger: Logger;
  readonly #graph: Graph;
  readonly #shared: SharedServices;
  readonly #endpoints: MetricsEndpoints;

  private constructor(parts: {
    readonly logger: Logger;
    readonly graph: Graph;
    readonly shared: SharedServices;
    readonly endpoints: MetricsEndpoints;
  }) {
    this.#logger = parts.logger;
    this.#graph = parts.graph;
    this.#shared = parts.shared;
    this.#endpoints = parts.endpoints;
  }

  /** Creates every component; nothing runs yet. */
  static async create(configuration: Configuration, options: ServiceOptions): Promise<Service> {
    const { logger, clock = systemClock } = options;
    for (const warning of configuration.warnings) logger.warn(warning);
    const registry = new MetricRegistry();
    addProcessMetrics(registry.metrics());
    const shared = new SharedServices(logger);
    const contextOf = (kind: ComponentKind, id: string): ComponentContext => ({
      id,
      logger: loggerWith(logger, { [kind]: id }),
      clock,
      metrics: registry.metrics({ [kind]: id }),
      shared,
    });
    const graph = await built(
      Graph.build(configuration.graph, { contextOf, placeOf: configuration.placeOf }),
      shared,
    );
    const { metrics } = configuration.service.telemetry;
    const endpoints = new MetricsEndpoints(metrics, { registry, logger });
    return new Service({ logger, graph, shared, endpoints });
  }

  /** Metrics first, then exporters to receivers. When it rejects, nothing is left running. */
  async start(): Promise<void> {
    await this.#endpoints.start();
    try {
      await this.#graph.start();
    } catch (error) {
      await this.#end();
      throw error;
    }
  }

  /** Receivers to exporters; what was received is delivered when it resolves. */
  async stop(): Promise<void> {
    try {
      await this.#graph.stop();
    } finally {
      await this.#end();
    }
  }

  /** A component that the configuration names. */
  find(kind: ComponentKind, id: string): Component | undefined {
    return this.#graph.find(kind, id);
  }

  /** Gives back what `stop` did not, and delivers nothing: the way out after an error. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#graph.abandon();
    } finally {
      await this.#end();
    }
  }

  async #end(): Promise<void> {
    await this.#endpoints.stop();
    await this.#shared[Symbol.asyncDispose]();
    this.#logger.debug("stopped");
  }
}

/** A graph that cannot be built leaves nothing behind that its components share. */
async function built(building: Promise<Graph>, shared: SharedServices): Promise<Graph> {
  try {
    return await building;
  } catch (error) {
    await shared[Symbol.asyncDispose]();
    throw error;
  }
}
