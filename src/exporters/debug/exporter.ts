import type { ComponentContext, Exporter } from "../../pipeline/component.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";
import { CollectorError } from "../../support/errors.ts";
import { batchLines } from "./batch-lines.ts";
import type { DebugConfig } from "./config.ts";
import { Outputs } from "./outputs.ts";
import { LogSampler } from "./sampler.ts";

/** Shows what comes to it, in the program's log or elsewhere, for a person who looks for an error. */
export class DebugExporter implements Exporter {
  readonly #config: DebugConfig;
  readonly #context: ComponentContext;
  readonly #sampler: LogSampler;
  /** Absent when the log takes the lines. */
  readonly #outputs: Outputs | undefined;
  #starting: Promise<void> | undefined;

  /** @throws CollectorError CONFIG_INVALID  `output_paths` that nothing would be written to */
  constructor(config: DebugConfig, context: ComponentContext) {
    this.#config = config;
    this.#context = context;
    this.#sampler = new LogSampler({
      initial: config.sampling_initial,
      thereafter: config.sampling_thereafter,
      clock: context.clock,
    });
    const { use_internal_logger: usesLogger, output_paths: paths } = config;
    if (usesLogger && paths !== undefined) {
      throw new CollectorError(
        "CONFIG_INVALID",
        "output_paths has no effect unless use_internal_logger is false",
      );
    }
    if (!usesLogger) this.#outputs = new Outputs(paths ?? ["stdout"], context.logger);
  }

  /** Rejects with a CollectorError when a file of `output_paths` cannot be opened. */
  async start(): Promise<void> {
    this.#starting ??= this.#outputs?.open() ?? Promise.resolve();
    await this.#starting;
  }

  async consume(batch: ProfileBatch): Promise<void> {
    if (!this.#sampler.isNextShown()) return;
    const counts = {
      resource_profiles: batch.resourceProfiles.length,
      profiles: batch.profiles().reduce((count) => count + 1, 0),
      samples: batch.sampleCount,
    };
    const lines = batchLines(batch, this.#config.verbosity);
    if (this.#outputs === undefined) {
      const { logger } = this.#context;
      logger.info("Profiles", counts);
      for (const line of lines) logger.info(line);
      return;
    }
    const fields = Object.entries(counts).map(([key, count]) => ` ${key}=${count}`);
    await this.#outputs.write(`${[`Profiles${fields.join("")}`, ...lines].join("\n")}\n`);
  }

  async stop(): Promise<void> {
    this.#starting = undefined;
    await this.#outputs?.close();
  }
}
