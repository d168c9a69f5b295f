import { components } from "../components.ts";
import { codeSource } from "../config/check.ts";
import { SymbolizeProcessor } from "../processors/symbolize/processor.ts";
import { EbpfReceiver } from "../receivers/ebpf/receiver.ts";
import { readConfiguration } from "../service/configuration.ts";
import { Definitions } from "../service/definitions.ts";
import { Service } from "../service/service.ts";
import { CollectorError } from "../support/errors.ts";
import { createLogger } from "../support/logger.ts";
import type { RecordingShares } from "./record-progress.ts";
import { withRights } from "./rights.ts";

export interface RecordServiceOptions {
  readonly output: string;
  /** The name of a format that can be written. */
  readonly format: string;
  readonly frequency: number;
  readonly pids: readonly number[] | undefined;
  readonly timestamps?: boolean;
  readonly demangle: boolean;
}

/** What a user would write to have one file of one run. */
function configurationOf(options: RecordServiceOptions): object {
  const { output, format, frequency, pids, timestamps, demangle } = options;
  return {
    receivers: {
      ebpf: { samples_per_second: frequency, pids, timestamps, cpu_limit: 0, reporter_jitter: 0 },
    },
    processors: { symbolize: { demangle, lines: true, line_index_size_max: 0 } },
    exporters: { single_file: { path: output, format } },
    service: {
      telemetry: { metrics: { level: "none" } },
      pipelines: {
        profiles: {
          receivers: ["ebpf"],
          processors: ["symbolize"],
          exporters: ["single_file"],
        },
      },
    },
  };
}

/** The service of one recording: ebpf → symbolize → single_file. */
export class RecordService implements AsyncDisposable {
  readonly receiver: EbpfReceiver;
  readonly #processor: SymbolizeProcessor;
  readonly #service: Service;

  private constructor(service: Service) {
    const receiver = service.find("receiver", "ebpf");
    const processor = service.find("processor", "symbolize");
    if (!(receiver instanceof EbpfReceiver && processor instanceof SymbolizeProcessor)) {
      throw new CollectorError("INTERNAL", "a recording's pipeline is not what it was made from");
    }
    this.receiver = receiver;
    this.#processor = processor;
    this.#service = service;
  }

  static async create(options: RecordServiceOptions): Promise<RecordService> {
    const value = configurationOf(options);
    const configuration = readConfiguration(value, codeSource, new Definitions(components));
    const logger = createLogger("warn", (line) => process.stderr.write(line));
    return new RecordService(await Service.create(configuration, { logger }));
  }

  async start(): Promise<void> {
    try {
      await this.#service.start();
    } catch (error) {
      throw withRights(error);
    }
  }

  /** When this resolves, the last sample stands in the file. */
  finish(): Promise<void> {
    return this.#service.stop();
  }

  /** How good the recording is, for its last line. */
  shares(): RecordingShares {
    const { unnamedShare, samples, incompleteSamples } = this.#processor.counters;
    return { unnamedShare, incompleteShare: samples === 0 ? 0 : incompleteSamples / samples };
  }

  /** Gives back what `finish` did not, without writing: the way out after an error. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service[Symbol.asyncDispose]();
  }
}
