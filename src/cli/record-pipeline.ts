import { checked } from "../config/check.ts";
import { singleFileConfig } from "../exporters/single_file/config.ts";
import { SingleFileExporter } from "../exporters/single_file/exporter.ts";
import type { Exporter } from "../pipeline/component.ts";
import { SharedServices } from "../pipeline/shared-services.ts";
import { symbolizeConfig } from "../processors/symbolize/config.ts";
import { SymbolizeProcessor } from "../processors/symbolize/processor.ts";
import type { EncodableFormat } from "../profiles/formats.ts";
import { ebpfConfig } from "../receivers/ebpf/config.ts";
import { EbpfReceiver } from "../receivers/ebpf/receiver.ts";
import { systemClock } from "../support/clock.ts";
import { CollectorError, isCollectorError } from "../support/errors.ts";
import { createLogger } from "../support/logger.ts";
import { MetricRegistry } from "../support/metrics.ts";

import type { RecordingShares } from "./record-progress.ts";

export interface RecordPipelineOptions {
  readonly output: string;
  readonly format: EncodableFormat;
  readonly frequency: number;
  readonly pids: readonly number[] | undefined;
  readonly timestamps?: boolean;
  readonly demangle: boolean;
}

/** Adds to a refusal for want of rights how to get them, where it does not say so yet. */
function withRights(error: unknown): unknown {
  if (!isCollectorError(error, "PERMISSION") || error.message.includes("root")) return error;
  const mend =
    "run as root (sudo obsforge …), or with CAP_BPF and CAP_PERFMON; `obsforge doctor` says more";
  return new CollectorError("PERMISSION", `${error.message}: ${mend}`, { cause: error });
}

/** The pipeline of one recording: ebpf → symbolize → single_file. */
export class RecordPipeline implements AsyncDisposable {
  readonly receiver: EbpfReceiver;
  readonly #processor: SymbolizeProcessor;
  readonly #exporter: Exporter;
  readonly #shared: SharedServices;

  constructor(options: RecordPipelineOptions) {
    const logger = createLogger("warn", (line) => process.stderr.write(line));
    this.#shared = new SharedServices(logger);
    const metrics = new MetricRegistry().metrics();
    const shared = this.#shared;
    const context = { id: "record", logger, clock: systemClock, metrics, shared };
    const file = { path: options.output, format: options.format.name };
    this.#exporter = new SingleFileExporter(checked(singleFileConfig, file), context);
    this.#processor = new SymbolizeProcessor(
      checked(symbolizeConfig, { demangle: options.demangle }),
      { ...context, next: this.#exporter },
    );
    this.receiver = new EbpfReceiver(
      checked(ebpfConfig, {
        samples_per_second: options.frequency,
        pids: options.pids,
        timestamps: options.timestamps,
        cpu_limit: 0,
      }),
      { ...context, next: this.#processor },
    );
  }

  /** Exporter first, so that what a receiver sends is never early. */
  async start(): Promise<void> {
    await this.#exporter.start();
    await this.#processor.start();
    try {
      await this.receiver.start();
    } catch (error) {
      throw withRights(error);
    }
  }

  /** Receiver first; when this resolves, the last sample stands in the file. */
  async finish(): Promise<void> {
    await this.receiver.stop();
    await this.#processor.stop();
    await this.#exporter.stop();
  }

  /** How good the recording is, for its last line. */
  shares(): RecordingShares {
    const { unnamedShare, samples, incompleteSamples } = this.#processor.counters;
    return { unnamedShare, incompleteShare: samples === 0 ? 0 : incompleteSamples / samples };
  }

  /** Gives back what `finish` did not, without writing: the way out after an error. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.receiver.abandon();
    await this.#shared[Symbol.asyncDispose]();
  }
}
