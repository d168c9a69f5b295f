import { hostname } from "node:os";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { ComponentContext, Exporter } from "../../pipeline/component.ts";
import { type SampleLosses, sampleLosses } from "../../pipeline/sample-losses.ts";
import { valueText } from "../../profiles/attribute-value.ts";
import { encodePprof } from "../../profiles/pprof/encode.ts";
import type { ProfileBatch } from "../../profiles/profile.ts";
import { isOnCpu, resourceValue } from "../../profiles/text/frames.ts";
import { unnamedShareOf } from "../../profiles/unresolved-name.ts";
import type { Clock } from "../../support/clock.ts";
import type { Counter } from "../../support/metrics.ts";
import type { PprofConfig } from "./config.ts";
import { FileNamePattern, type NameParts } from "./file-name.ts";
import { ProfileFolder } from "./folder.ts";

const compress = promisify(gzip);

const MIB = 1024 * 1024;

/**
 * Writes each batch as one gzipped pprof file and removes the oldest of its files. A value column
 * stands for each sample type, as `go tool pprof -sample_index` expects them.
 */
export class PprofExporter implements Exporter {
  readonly #folder: ProfileFolder;
  readonly #context: ComponentContext;
  readonly #losses: SampleLosses;
  #lostBefore = 0;
  readonly #files: Counter;
  readonly #removed: Counter;
  readonly #notRemoved: Counter;
  readonly #writing = new Set<Promise<void>>();
  #starting: Promise<void> | undefined;

  /** @throws CollectorError CONFIG_INVALID  a `file_name` that names no file of the folder */
  constructor(config: PprofConfig, context: ComponentContext) {
    this.#context = context;
    this.#losses = context.shared.get(sampleLosses);
    this.#folder = new ProfileFolder({
      directory: config.directory,
      pattern: new FileNamePattern(config.file_name, hostname()),
      retention: { ageMsMax: config.max_age, bytesMax: config.max_megabytes * MIB },
      clock: context.clock,
    });
    const { metrics } = context;
    this.#files = metrics.counter("obsforge_exporter_written_files", "Files written.");
    this.#removed = metrics.counter("obsforge_exporter_removed_files", "Own old files removed.");
    this.#notRemoved = metrics.counter(
      "obsforge_exporter_not_removed_files",
      "Own old files that could not be removed.",
    );
    metrics.gauge("obsforge_exporter_folder_bytes", "Size of own files.", () => this.#folder.bytes);
  }

  /** Rejects with a CollectorError when there is no such folder and it cannot be made. */
  async start(): Promise<void> {
    this.#starting ??= this.#open();
    await this.#starting;
  }

  /** Resolves when the file stands under its name; a batch without samples makes none. */
  async consume(batch: ProfileBatch): Promise<void> {
    const { sampleCount } = batch;
    if (sampleCount === 0) return;
    const file = {
      bytes: encodePprof(batch, { gzip: false }),
      parts: namePartsOf(batch, this.#context.clock),
      samples: observationsOf(batch),
      processes: processCountOf(batch),
      unnamedShare: unnamedShareOf(batch),
      lost: this.#lostSinceLastFile(),
    };
    const writing = this.#write(file).finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
    await writing;
  }

  async stop(): Promise<void> {
    // Who gave a batch hears of its failure.
    await Promise.allSettled(this.#writing);
    this.#starting = undefined;
  }

  async #open(): Promise<void> {
    await this.#folder.open();
    await this.#sweep();
  }

  #lostSinceLastFile(): number {
    const lost = this.#losses.total - this.#lostBefore;
    this.#lostBefore += lost;
    return lost;
  }

  async #write({ bytes, parts, ...told }: File): Promise<void> {
    const compressed = await compress(bytes);
    const path = await this.#folder.write(parts, compressed);
    this.#files.add(1);
    this.#context.logger.info("profile written", {
      path,
      samples: told.samples,
      processes: told.processes,
      lost: told.lost,
      unnamed_frames: `${(100 * told.unnamedShare).toFixed(1)}%`,
      bytes: compressed.length,
    });
    await this.#sweep();
  }

  async #sweep(): Promise<void> {
    const { files, failures } = await this.#folder.sweep();
    this.#removed.add(files);
    this.#notRemoved.add(failures.length);
    const [first] = failures;
    if (first === undefined) return;
    const fields = { files: failures.length, reason: first.message };
    this.#context.logger.warn("old profiles could not be removed", fields);
  }
}

interface File {
  readonly bytes: Uint8Array;
  readonly parts: Omit<NameParts, "sequence">;
  readonly samples: number;
  readonly processes: number;
  /** Of the frames, those without a name, 0 to 1. */
  readonly unnamedShare: number;
  /** Samples that receivers lost since the file before. */
  readonly lost: number;
}

function namePartsOf(batch: ProfileBatch, clock: Clock): Omit<NameParts, "sequence"> {
  const { strings } = batch.dictionary;
  const types = new Set<string>();
  let start: bigint | undefined;
  for (const { profile } of batch.profiles()) {
    const { timeUnixNano, sampleType } = profile;
    types.add(isOnCpu(batch.dictionary, profile) ? "cpu" : strings.at(sampleType.type));
    if (timeUnixNano > 0n && (start === undefined || timeUnixNano < start)) start = timeUnixNano;
  }
  return { timeUnixNano: start ?? clock.unixNanos(), types: [...types] };
}

/** What was seen: ticks of on-CPU profiles, rows of all others. */
function observationsOf(batch: ProfileBatch): number {
  let count = 0;
  for (const { profile } of batch.profiles()) {
    const { samples } = profile;
    count += isOnCpu(batch.dictionary, profile) ? samples.total() : samples.length;
  }
  return count;
}

/** Different process.pid of all resources. */
function processCountOf(batch: ProfileBatch): number {
  const pids = new Set<string>();
  for (const { resource } of batch.resourceProfiles) {
    const pid = resourceValue(resource, "process.pid");
    if (pid !== undefined) pids.add(valueText(pid));
  }
  return pids.size;
}
