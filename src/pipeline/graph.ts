import type { ProfileBatch } from "../profiles/profile.ts";
import { CollectorError, isCollectorError, messageOf } from "../support/errors.ts";
import type {
  Component,
  ComponentContext,
  ComponentKind,
  ConnectorDefinition,
  ExporterDefinition,
  ProcessorDefinition,
  ProfileConsumer,
  ReceiverDefinition,
  SourceContext,
} from "./component.ts";
import { Delivery } from "./delivery.ts";
import { type FanOutTarget, fanOut } from "./fan-out.ts";
import {
  type Configured,
  type GraphSpec,
  nodeKey,
  type PipelineSpec,
  pipelinesOf,
} from "./graph-spec.ts";

export interface GraphSurroundings {
  /** What a component gets. */
  contextOf(kind: ComponentKind, id: string): ComponentContext;
  /** Where a component is configured, for a message: "agent.yaml:7: exporters::pprof". */
  placeOf(kind: ComponentKind, id: string): string;
}

interface Node {
  readonly kind: ComponentKind;
  readonly id: string;
  readonly component: Component;
  /** In front of an exporter. */
  readonly delivery?: Delivery;
}

/**
 * The components of a configuration, connected. Receivers, exporters and connectors that stand in
 * several pipelines are one instance; a processor is one for each pipeline.
 *
 * Three phases: build from the exporters back to the receivers; start in that order; stop in the
 * other, each component when all that feeds it has passed on what it had.
 */
export class Graph {
  /** In the order of the start: whatever a component sends to stands before it. */
  readonly #nodes: readonly Node[];
  readonly #running: Node[] = [];

  private constructor(nodes: readonly Node[]) {
    this.#nodes = nodes;
  }

  /** Creates every component that a pipeline uses. Nothing runs yet. */
  static async build(spec: GraphSpec, surroundings: GraphSurroundings): Promise<Graph> {
    const builder = new Builder(spec, surroundings);
    await builder.build();
    return new Graph(builder.nodes);
  }

  /** Starts all; when one cannot, stops those that run, and rejects with its reason. */
  async start(): Promise<void> {
    for (const node of this.#nodes) {
      this.#running.push(node);
      try {
        await node.component.start();
      } catch (error) {
        this.#running.pop();
        await this.abandon().catch(() => {});
        throw error;
      }
    }
  }

  /** Stops all, receivers first. One that cannot stop keeps no other from it. */
  stop(): Promise<void> {
    return this.#end(async ({ component, delivery }) => {
      // An exporter's stop waits for what is on its way, but not for ever.
      await component.stop();
      await delivery?.drained();
    });
  }

  /** Gives everything back without delivering what is on its way: the way out after an error. */
  abandon(): Promise<void> {
    return this.#end(async ({ component }) => {
      await (component.abandon?.() ?? component.stop());
    });
  }

  /** A component by its place in the configuration; the first of a processor's instances. */
  find(kind: ComponentKind, id: string): Component | undefined {
    return this.#nodes.find((node) => node.kind === kind && node.id === id)?.component;
  }

  async #end(end: (node: Node) => Promise<void>): Promise<void> {
    const running = this.#running.splice(0).toReversed();
    const errors: unknown[] = [];
    const tryEnd = (node: Node): Promise<unknown> =>
      end(node).catch((error: unknown) => errors.push(error));
    const [exporters, others] = partitioned(running, ({ kind }) => kind === "exporter");
    const [extensions, inner] = partitioned(others, ({ kind }) => kind === "extension");
    for (const node of inner) await tryEnd(node);
    // Nothing feeds them any more, and none waits for another one's destination.
    await Promise.all(exporters.map(tryEnd));
    for (const node of extensions) await tryEnd(node);
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, errors.map(messageOf).join("; "));
  }
}

function partitioned<Item>(
  items: readonly Item[],
  isFirst: (item: Item) => boolean,
): [Item[], Item[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}

/** Creates components from the far end of the pipelines to their beginning, each once. */
class Builder {
  readonly nodes: Node[] = [];
  readonly #spec: GraphSpec;
  readonly #surroundings: GraphSurroundings;
  readonly #targets = new Map<string, Promise<FanOutTarget>>();

  constructor(spec: GraphSpec, surroundings: GraphSurroundings) {
    this.#spec = spec;
    this.#surroundings = surroundings;
  }

  async build(): Promise<void> {
    for (const [id, { definition, config }] of this.#spec.extensions) {
      const component = await this.#created("extension", id, () =>
        definition.create(config, this.#surroundings.contextOf("extension", id)),
      );
      this.nodes.push({ kind: "extension", id, component });
    }
    for (const pipeline of this.#spec.pipelines.keys()) await this.#pipeline(pipeline);
    for (const [id, configured] of this.#spec.receivers) await this.#receiver(id, configured);
  }

  async #receiver(
    id: string,
    { definition, config }: Configured<ReceiverDefinition>,
  ): Promise<void> {
    const pipelines = pipelinesOf(id, this.#spec);
    // Configured and used by no pipeline.
    if (pipelines.length === 0) return;
    const { consumer } = await this.#allOf(pipelines);
    const context = this.#surroundings.contextOf("receiver", id);
    const next = counted(consumer, context);
    const component = await this.#created("receiver", id, () =>
      definition.create(config, { ...context, next }),
    );
    this.nodes.push({ kind: "receiver", id, component });
  }

  #allOf(pipelines: readonly string[]): Promise<FanOutTarget> {
    return Promise.all(pipelines.map((id) => this.#pipeline(id))).then(fanOut);
  }

  /** The head of a pipeline: its first processor, or what its exporters are together. */
  #pipeline(id: string): Promise<FanOutTarget> {
    return this.#once(`pipeline ${id}`, async () => {
      const { processors, exporters } = this.#spec.pipelines.get(id) as PipelineSpec;
      const ends = exporters.map((exporter) => this.#exporter(exporter));
      let target = fanOut(await Promise.all(ends));
      for (const processor of processors.toReversed()) {
        target = await this.#processor(processor, target);
      }
      return target;
    });
  }

  async #processor(id: string, behind: FanOutTarget): Promise<FanOutTarget> {
    const { definition, config } = this.#spec.processors.get(id) as Configured<ProcessorDefinition>;
    const context: SourceContext = {
      ...this.#surroundings.contextOf("processor", id),
      next: behind.consumer,
    };
    const component = await this.#created("processor", id, () =>
      definition.create(config, context),
    );
    this.nodes.push({ kind: "processor", id, component });
    const changesBatches = definition.changesBatches || behind.changesBatches;
    return { consumer: component, changesBatches };
  }

  #exporter(id: string): Promise<FanOutTarget> {
    return this.#once(nodeKey("exporter", id), async () => {
      if (this.#spec.connectors.has(id)) return this.#connector(id);
      const { definition, config } = this.#spec.exporters.get(id) as Configured<ExporterDefinition>;
      const context = this.#surroundings.contextOf("exporter", id);
      const component = await this.#created("exporter", id, () =>
        definition.create(config, context),
      );
      const delivery = new Delivery(component, context);
      this.nodes.push({ kind: "exporter", id, component, delivery });
      return { consumer: delivery, changesBatches: false };
    });
  }

  async #connector(id: string): Promise<FanOutTarget> {
    const { definition, config } = this.#spec.connectors.get(id) as Configured<ConnectorDefinition>;
    const behind = await this.#allOf(pipelinesOf(id, this.#spec));
    const context = { ...this.#surroundings.contextOf("connector", id), next: behind.consumer };
    const component = await this.#created("connector", id, () =>
      definition.create(config, context),
    );
    this.nodes.push({ kind: "connector", id, component });
    return { consumer: component, changesBatches: behind.changesBatches };
  }

  /** A component that refuses its options says where they stand. */
  async #created<C>(kind: ComponentKind, id: string, create: () => C | Promise<C>): Promise<C> {
    try {
      return await create();
    } catch (error) {
      if (!isCollectorError(error)) throw error;
      const message = `${this.#surroundings.placeOf(kind, id)}: ${error.message}`;
      throw new CollectorError(error.code, message, { cause: error });
    }
  }

  #once(key: string, create: () => Promise<FanOutTarget>): Promise<FanOutTarget> {
    return this.#targets.getOrInsertComputed(key, create);
  }
}

/** Counts what a receiver hands over, under otelcol's names. */
function counted(next: ProfileConsumer, { metrics }: ComponentContext): ProfileConsumer {
  const accepted = metrics.counter(
    "otelcol_receiver_accepted_profile_samples",
    "Samples that the pipelines took over.",
  );
  const refused = metrics.counter(
    "otelcol_receiver_refused_profile_samples",
    "Samples that the pipelines did not take.",
  );
  return {
    async consume(batch: ProfileBatch): Promise<void> {
      const samples = batch.sampleCount;
      try {
        await next.consume(batch);
        accepted.add(samples);
      } catch (error) {
        refused.add(samples);
        throw error;
      }
    },
  };
}
