import type { ProfileBatch } from "../profiles/profile.ts";
import type { Clock } from "../support/clock.ts";
import type { Logger } from "../support/logger.ts";
import type { SharedServices } from "./shared-services.ts";

/**
 * The contract between the parts of a pipeline: receivers → processors → exporters.
 *
 * Order of life: create, start (exporters first), consume, stop (receivers first). A stop
 * drains: what was accepted before it is delivered before it resolves. `start` may reject,
 * and then the pipeline does not run; after start nothing throws but what `consume` rejects with.
 */
export interface Component {
  start(): Promise<void>;
  /** Resolves when everything accepted was passed on and every resource is given back. */
  stop(): Promise<void>;
}

export interface ProfileConsumer {
  /**
   * Takes over a batch. Not resolving is back-pressure. Rejects with a CollectorError:
   * UNAVAILABLE_RETRYABLE and REFUSED_BACKPRESSURE may be tried again, all else is permanent.
   */
  consume(batch: ProfileBatch): Promise<void>;
}

export interface Receiver extends Component {}
export interface Processor extends Component, ProfileConsumer {}
export interface Exporter extends Component, ProfileConsumer {}

/** What a component is given beside its configuration. */
export interface ComponentContext {
  readonly logger: Logger;
  readonly clock: Clock;
  /** What the components of one program have in common, such as symbol tables. */
  readonly shared: SharedServices;
}

/** A receiver or processor also gets what stands behind it. */
export interface SourceContext extends ComponentContext {
  readonly next: ProfileConsumer;
}

export type Stability = "development" | "alpha" | "beta" | "stable";

interface Definition {
  /** The component's name in a configuration, lower_snake_case. */
  readonly type: string;
  /** Older names that mean the same. */
  readonly aliases: readonly string[];
  readonly stability: Stability;
}

export interface ReceiverDefinition<Config> extends Definition {
  readonly create: (config: Config, context: SourceContext) => Receiver;
}

export interface ProcessorDefinition<Config> extends Definition {
  readonly create: (config: Config, context: SourceContext) => Processor;
}

export interface ExporterDefinition<Config> extends Definition {
  readonly create: (config: Config, context: ComponentContext) => Exporter;
}
