import type { Field } from "../config/field.ts";
import type { ProfileBatch } from "../profiles/profile.ts";
import type { Clock } from "../support/clock.ts";
import { CollectorError } from "../support/errors.ts";
import type { Logger } from "../support/logger.ts";
import type { Metrics } from "../support/metrics.ts";
import type { SharedServices } from "./shared-services.ts";

/**
 * The contract between the parts of a pipeline: receivers → processors → exporters.
 *
 * Order of life: create, start (exporters first), consume, stop (receivers first). A stop
 * drains: what was accepted before it is delivered before it resolves. `start` may reject,
 * and then the pipeline does not run; after start nothing throws but what `consume` rejects with.
 * A second start does nothing, nor does a stop of what was not started.
 */
export interface Component {
  start(): Promise<void>;
  /** Resolves when everything accepted was passed on and every resource is given back. */
  stop(): Promise<void>;
  /** Gives every resource back and delivers nothing; for a component whose stop writes. */
  abandon?(): Promise<void>;
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

/** What became of the samples (rows) of one batch, where not all were delivered. */
export interface DeliveryResult {
  readonly delivered: number;
  /** Left out for good by the exporter, which counts them by reason. */
  readonly dropped: number;
}

export interface Exporter extends Component {
  /**
   * Resolves when the batch is delivered: all of it, or what the result says. Turns it into bytes
   * before it first waits. Rejects with a CollectorError; one that is a DeliveryError says how
   * much was delivered before, so that it is not counted, or sent, twice.
   */
  consume(batch: ProfileBatch): Promise<DeliveryResult> | Promise<void>;
}

/** A batch of which a part could not be delivered. */
export class DeliveryError extends CollectorError {
  readonly result: DeliveryResult;

  constructor(error: CollectorError, result: DeliveryResult) {
    super(error.code, error.message, { cause: error });
    this.result = result;
  }
}

/** The exporter of one pipeline and the receiver of another. */
export interface Connector extends Component, ProfileConsumer {}
/** What lives beside the pipelines. */
export interface Extension extends Component {}

/** What a component is given beside its configuration. */
export interface ComponentContext {
  /** As the configuration names it: `type` or `type/name`. */
  readonly id: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** The program's own telemetry; every series of this component carries its kind and id. */
  readonly metrics: Metrics;
  /** What the components of one program have in common, such as symbol tables. */
  readonly shared: SharedServices;
}

/** A receiver, processor or connector also gets what stands behind it. */
export interface SourceContext extends ComponentContext {
  readonly next: ProfileConsumer;
}

export type Stability = "development" | "alpha" | "beta" | "stable";

interface Definition<Config> {
  /** The component's name in a configuration, lower_snake_case. */
  readonly type: string;
  /** Older or other names that mean the same. */
  readonly aliases: readonly string[];
  readonly stability: Stability;
  readonly config: Field<Config>;
}

/** A definition may load what it needs when it is created: an unused component costs nothing. */
type Created<C> = C | Promise<C>;

export interface ReceiverDefinition<Config = unknown> extends Definition<Config> {
  readonly kind: "receiver";
  create(config: Config, context: SourceContext): Created<Receiver>;
}

export interface ProcessorDefinition<Config = unknown> extends Definition<Config> {
  readonly kind: "processor";
  /** True when `consume` changes the batch: then no other pipeline sees the same one. */
  readonly changesBatches: boolean;
  create(config: Config, context: SourceContext): Created<Processor>;
}

export interface ExporterDefinition<Config = unknown> extends Definition<Config> {
  readonly kind: "exporter";
  create(config: Config, context: ComponentContext): Created<Exporter>;
}

export interface ConnectorDefinition<Config = unknown> extends Definition<Config> {
  readonly kind: "connector";
  create(config: Config, context: SourceContext): Created<Connector>;
}

export interface ExtensionDefinition<Config = unknown> extends Definition<Config> {
  readonly kind: "extension";
  create(config: Config, context: ComponentContext): Created<Extension>;
}

/** `create` is written as a method, so that a list can hold definitions of any configuration. */
export type ComponentDefinition =
  | ReceiverDefinition
  | ProcessorDefinition
  | ExporterDefinition
  | ConnectorDefinition
  | ExtensionDefinition;

export type ComponentKind = ComponentDefinition["kind"];
