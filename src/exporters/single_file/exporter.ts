import type { ComponentContext, Exporter } from "../../pipeline/component.ts";
import { encoderOf } from "../../profiles/formats.ts";
import { mergeInto } from "../../profiles/merge.ts";
import { ProfileBatch } from "../../profiles/profile.ts";
import { writeOutput } from "../../support/output.ts";
import type { SingleFileConfig } from "./config.ts";

/**
 * Gathers every batch of a run into one profile and writes it when the run stops: what
 * `obsforge record` ends in. Samples of equal identity are summed as they arrive, so memory
 * grows with the number of different stacks, not with time.
 */
export class SingleFileExporter implements Exporter {
  readonly #config: SingleFileConfig;
  readonly #gathered = new ProfileBatch();
  #isStarted = false;

  constructor(config: SingleFileConfig, _context: ComponentContext) {
    this.#config = config;
  }

  async start(): Promise<void> {
    this.#isStarted = true;
  }

  async consume(batch: ProfileBatch): Promise<void> {
    mergeInto(this.#gathered, batch, { mergeSamples: true });
  }

  /**
   * Writes the file, whole or not at all; an empty run writes an empty profile, and one that was
   * never started writes nothing.
   */
  async stop(): Promise<void> {
    if (!this.#isStarted) return;
    this.#isStarted = false;
    await writeOutput(this.#config.path, encoderOf(this.#config.format)(this.#gathered));
  }

  async abandon(): Promise<void> {
    this.#isStarted = false;
  }
}
