import { object } from "../../config/schema.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";
import type {
  ConnectorDefinition,
  DeliveryResult,
  ExporterDefinition,
  ProcessorDefinition,
  ReceiverDefinition,
  SourceContext,
} from "../component.ts";

/** What the components of a test did, in order: "start exporter a", "consume exporter a 3". */
export type Journal = string[];

export interface TestComponents {
  readonly journal: Journal;
  /** Gives a batch to what stands behind a receiver. */
  readonly send: (receiver: string, batch: ProfileBatch) => Promise<void>;
  readonly receiver: ReceiverDefinition;
  readonly processor: ProcessorDefinition;
  readonly changing: ProcessorDefinition;
  readonly exporter: ExporterDefinition;
  readonly connector: ConnectorDefinition;
}

export interface Behaviour {
  /** Called when an exporter consumes; may reject or take its time. */
  readonly onExport?: (id: string, batch: ProfileBatch) => Promise<unknown>;
  /** Called when a component stops, as "exporter a". */
  readonly onStop?: (name: string) => Promise<void>;
  /** Components whose start fails, as "exporter a". */
  readonly failing?: readonly string[];
}

/** Components of every kind that write down what happens to them. */
export function testComponents({ onExport, onStop, failing = [] }: Behaviour = {}): TestComponents {
  const journal: Journal = [];
  const sources = new Map<string, SourceContext>();
  const life = (name: string) => ({
    start: async (): Promise<void> => {
      journal.push(`start ${name}`);
      if (failing.includes(name)) throw new Error(`${name} cannot start`);
    },
    stop: async (): Promise<void> => {
      journal.push(`stop ${name}`);
      await onStop?.(name);
    },
  });
  const common = { aliases: [], stability: "alpha", config: object({}) } as const;
  const passing = (kind: string, change?: (batch: ProfileBatch) => void) => ({
    create: (_config: unknown, context: SourceContext) => ({
      ...life(`${kind} ${context.id}`),
      consume: async (batch: ProfileBatch): Promise<void> => {
        journal.push(`consume ${kind} ${context.id}`);
        change?.(batch);
        await context.next.consume(batch);
      },
    }),
  });
  return {
    journal,
    send: async (receiver, batch) => sources.get(receiver)?.next.consume(batch),
    receiver: {
      ...common,
      kind: "receiver",
      type: "test",
      create: (_config, context) => {
        sources.set(context.id, context);
        return life(`receiver ${context.id}`);
      },
    },
    processor: {
      ...common,
      kind: "processor",
      type: "test",
      changesBatches: false,
      ...passing("processor"),
    },
    changing: {
      ...common,
      kind: "processor",
      type: "changing",
      changesBatches: true,
      ...passing("processor", (batch) => batch.dictionary.strings.intern("changed")),
    },
    exporter: {
      ...common,
      kind: "exporter",
      type: "test",
      create: (_config, { id }) => ({
        ...life(`exporter ${id}`),
        consume: async (batch) => {
          const result = await onExport?.(id, batch);
          journal.push(`consume exporter ${id} ${batch.sampleCount}`);
          return result as DeliveryResult;
        },
      }),
    },
    connector: { ...common, kind: "connector", type: "test", ...passing("connector") },
  };
}
