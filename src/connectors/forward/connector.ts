import type { Connector, ProfileConsumer, SourceContext } from "../../pipeline/component.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";

/** Hands every batch on as it is, and is back-pressure where the next pipeline is. */
export class ForwardConnector implements Connector {
  readonly #next: ProfileConsumer;

  constructor({ next }: SourceContext) {
    this.#next = next;
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {}

  consume(batch: ProfileBatch): Promise<void> {
    return this.#next.consume(batch);
  }
}
