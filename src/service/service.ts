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
  /** Lines that could not be written to the log, up to now. */
  readonly lostLogLines?: () => number;
}

/**
 * A configuration that runs: its pipelines, what they share, and the program's own telemetry.
 * The only way in which pipelines are run.
 */
export class Service implements AsyncDisposable {
  readonly #logger: Logger;
  readonly #graph: Graph;
  /** The ids of the pipelines that run. */
  readonly pipelines: readonly string[];
  readonly #shared: SharedServices;
  readonly #endpoints: MetricsEndpoints;
  #starting: Promise<void> | undefined;
  #ending: Promise<void> | undefined;

  private constructor(parts: {
    readonly logger: Logger;
    readonly graph: Graph;
    readonly pipelines: readonly string[];
    readonly shared: SharedServices;
    readonly endpoints: MetricsEndpoints;
  }) {
    this.#logger = parts.logger;
    this.#graph = parts.graph;
    this.pipelines = parts.pipelines;
    this.#shared = parts.shared;
    this.#endpoints = parts.endpoints;
  }

  /** Creates every component; nothing runs yet. */
  static async create(configuration: Configuration, options: ServiceOptions): Promise<Service> {
    const { logger, clock = systemClock } = options;
    for (const warning of configuration.warnings) logger.warn(warning);
    const registry = new MetricRegistry();
    addProcessMetrics(registry.metrics());
    if (options.lostLogLines !== undefined) {
      registry
        .metrics()
        .observedCounter(
          "obsforge_log_lost_lines",
          "Lines that could not be written to the log.",
          options.lostLogLines,
        );
    }
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
    const pipelines = [...configuration.graph.pipelines.keys()];
    return new Service({ logger, graph, pipelines, shared, endpoints });
  }

  /** Metrics first, then exporters to receivers. When it rejects, nothing is left running. */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    try {
      await this.#endpoints.start();
      await this.#graph.start();
    } catch (error) {
      await this.#end();
      throw error;
    }
  }

  /**
   * Receivers to exporters; what was received is delivered when it resolves. Waits for a start
   * that is under way. A second call waits for the first.
   */
  stop(): Promise<void> {
    this.#ending ??= this.#finish(() => this.#graph.stop());
    return this.#ending;
  }

  /** A component that the configuration names. */
  find(kind: ComponentKind, id: string): Component | undefined {
    return this.#graph.find(kind, id);
  }

  /** Gives back what `stop` did not, and delivers nothing: the way out after an error. */
  async [Symbol.asyncDispose](): Promise<void> {
    // Who stopped it hears of its failure.
    if (this.#ending !== undefined) return this.#ending.catch(() => {});
    this.#ending = this.#finish(() => this.#graph.abandon());
    await this.#ending;
  }

  async #finish(finishGraph: () => Promise<void>): Promise<void> {
    // Who started it hears of its failure.
    await this.#starting?.catch(() => {});
    try {
      await finishGraph();
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
