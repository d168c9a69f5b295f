import type {
  ComponentKind,
  ConnectorDefinition,
  ExporterDefinition,
  ExtensionDefinition,
  ProcessorDefinition,
  ReceiverDefinition,
} from "./component.ts";

/** A component of a configuration: what it is, and its checked options. */
export interface Configured<Definition> {
  readonly definition: Definition;
  readonly config: unknown;
}

/** One pipeline, by the ids of its components. A connector stands among receivers or exporters. */
export interface PipelineSpec {
  readonly receivers: readonly string[];
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
}

/** What a graph is built from: components and pipelines by their ids; every reference is there. */
export interface GraphSpec {
  readonly receivers: ReadonlyMap<string, Configured<ReceiverDefinition>>;
  readonly processors: ReadonlyMap<string, Configured<ProcessorDefinition>>;
  readonly exporters: ReadonlyMap<string, Configured<ExporterDefinition>>;
  readonly connectors: ReadonlyMap<string, Configured<ConnectorDefinition>>;
  /** Those to start, in their order. */
  readonly extensions: ReadonlyMap<string, Configured<ExtensionDefinition>>;
  readonly pipelines: ReadonlyMap<string, PipelineSpec>;
}

/** The key of a component in a graph: an id may stand under several kinds. */
export function nodeKey(kind: ComponentKind, id: string): string {
  return `${kind} ${id}`;
}

/**
 * Connectors that feed themselves, over other pipelines or not: the ids along the first such way,
 * from a pipeline back to itself. Undefined when every batch ends somewhere.
 */
export function findCycle(spec: Pick<GraphSpec, "connectors" | "pipelines">): string[] | undefined {
  const done = new Set<string>();
  for (const pipeline of spec.pipelines.keys()) {
    const cycle = cycleFrom(pipeline, spec, { path: [], done });
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

interface Search {
  /** Pipelines and connectors from the start to here; no deeper than there are of them. */
  readonly path: readonly string[];
  readonly done: Set<string>;
}

function cycleFrom(
  pipeline: string,
  spec: Pick<GraphSpec, "connectors" | "pipelines">,
  { path, done }: Search,
): string[] | undefined {
  if (path.includes(pipeline)) return [...path.slice(path.indexOf(pipeline)), pipeline];
  if (done.has(pipeline)) return undefined;
  done.add(pipeline);
  for (const connector of spec.pipelines.get(pipeline)?.exporters ?? []) {
    if (!spec.connectors.has(connector)) continue;
    for (const next of pipelinesOf(connector, spec)) {
      const cycle = cycleFrom(next, spec, { path: [...path, pipeline, connector], done });
      if (cycle !== undefined) return cycle;
    }
  }
  return undefined;
}

/** The pipelines that a receiver, or a connector as one, feeds. */
export function pipelinesOf(
  receiver: string,
  { pipelines }: Pick<GraphSpec, "pipelines">,
): string[] {
  return [...pipelines]
    .filter(([, { receivers }]) => receivers.includes(receiver))
    .map(([id]) => id);
}
